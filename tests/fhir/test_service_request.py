"""A ServiceRequest gathers what orders, reports and images say of one order (mapping 2.2, 1.6)."""

from dataclasses import replace
from typing import Any

import pytest

from dicom.facts import Code, Issuer, Number, Person, Request
from fhir.service_request import OrderView, merge, of_request, warnings
from tests.support.hl7_builder import PID, obr, obx, segment
from tests.support.hl7_fhir import SITE, context, order_of, orders, reports
from tests.support.outside import complaints

ORC = segment(
    "ORC",
    f1="NW",
    f2="P1^HIS",
    f3="F1^RIS",
    f4="G1^HIS",
    f5="SC",
    f7="^^^^^S",
    f9="20260905110000",
    f12="77^Sample^Olga^^^DR^^^HOSP",
    f16="X^Because^L",
    f28="PSY",
)
OBR = obr(
    f2="P1^HIS",
    f3="F1^RIS",
    f4="MRH^MR head^L",
    f13="Headache for weeks",
    f18="A1",
    f19="RP1",
    f24="MR",
    f30="WALK",
    f31="R51^Headache^I10",
    f36="202609051130",
    f44="24590-2^MR Brain^LN",
    f46="SUP^Supplement^L",
)
NTE = "NTE|1||Claustrophobic.~Please call."
NEW = (PID, ORC, OBR, NTE)


def test_a_full_order_becomes_a_full_service_request() -> None:
    made = order_of(orders(*NEW))
    assert complaints(made) == []
    assert [(one.get("system"), one["value"]) for one in made["identifier"]] == [
        ("https://h.example/ids/his", "P1"),
        ("https://h.example/ids/ris", "F1"),
        (None, "A1"),
        (None, "RP1"),
    ]
    assert made["requisition"]["value"] == "G1"
    assert (made["status"], made["intent"], made["priority"]) == ("active", "order", "stat")
    assert [coding["code"] for coding in made["code"]["coding"]] == ["MRH", "24590-2"]
    assert made["code"]["text"] == "MR head"
    assert [detail["coding"][0]["code"] for detail in made["orderDetail"]] == ["MR", "SUP", "WALK"]
    assert made["authoredOn"] == "2026-09-05T11:00:00+02:00"
    assert made["occurrenceDateTime"] == "2026-09-05T11:30:00+02:00"
    assert made["requester"]["display"] == "DR Olga Sample"
    assert made["reasonCode"][0]["coding"][0]["code"] == "R51"
    assert made["supportingInfo"] == [{"display": "Headache for weeks"}]
    assert made["note"] == [{"text": "Claustrophobic.\nPlease call."}]
    assert made["extension"][0]["valueCodeableConcept"]["text"] == "Because"
    assert [label["code"] for label in made["meta"]["security"]] == ["R", "PSY"]


def test_an_order_that_is_sent_again_changes_nothing() -> None:
    first = order_of(orders(*NEW))
    assert order_of(orders(*NEW), first) == first


def test_a_message_of_orc_alone_changes_the_status_and_keeps_the_order() -> None:
    first = order_of(orders(*NEW))
    cancelled = order_of(orders("ORC|CA|P1^HIS|F1^RIS"), first)
    assert cancelled == first | {"status": "revoked"}


def test_a_report_completes_what_the_order_left_open_and_contradicts_nothing() -> None:
    told = obr(f2="P1^HIS", f3="F9^RIS", f4="CTX^Other^L", f19="RP9", f25="F", f31="J18^Cough^I10")
    message = reports(PID, told, obx("TX", "&IMP", "Fine."))
    order = message.patients[0].reports[0].orders[0]
    view = OrderView("s1", "completed", "Patient/p1", reported=True)
    first = order_of(orders(PID, segment("ORC", f1="NW", f2="P1^HIS"), obr(f4="MRH^MR head^L")))
    after = merge(first, order, view, context(message))
    assert after["status"] == "completed"
    assert after["code"] == first["code"]
    assert after["meta"] == first["meta"]
    assert after["reasonCode"][0]["coding"][0]["code"] == "J18"
    assert {one["value"] for one in after["identifier"]} == {"P1", "F9", "RP9"}


@pytest.mark.parametrize("reported_first", [True, False])
def test_order_and_report_make_the_same_resource_in_either_order(reported_first: bool) -> None:
    ordered = orders(*NEW, control="M1")
    told = reports(PID, obr(f2="P1^HIS", f3="F1^RIS", f4="X^Y^L", f7="20260906", f25="F"))
    answered = told.patients[0].reports[0].orders[0]

    def step(current: dict[str, Any] | None, reported: bool) -> dict[str, Any]:
        view = OrderView("s1", "completed", "Patient/p1", reported=reported)
        if reported:
            return merge(current, answered, view, context(told))
        return merge(current, ordered.orders[0], view, context(ordered))

    steps = (True, False) if reported_first else (False, True)
    expected = merge(
        None, ordered.orders[0], OrderView("s1", "completed", "Patient/p1"), context(ordered)
    )
    assert step(step(None, steps[0]), steps[1]) == expected


def test_several_steps_of_one_order_are_one_service_request() -> None:
    ipc = [
        segment("IPC", f1="A2^RIS", f2="RP2^RIS", f3="1.2.3", f5=modality, f6=f"P{modality}^^L")
        for modality in ("CT", "PT")
    ]
    made = order_of(orders(PID, "ORC|NW|P2", obr(f4="PETCT^PET-CT^L"), *ipc, kind="OMI^O23"))
    details = [detail["coding"][0] for detail in made["orderDetail"]]
    assert [one["code"] for one in details] == ["CT", "PT", "PCT", "PPT"]
    assert details[0]["system"].endswith("/DCM")
    assert [one["value"] for one in made["identifier"]] == ["P2", "A2", "RP2"]


@pytest.mark.parametrize(
    ("section", "modality"),
    [("PT", "PT"), ("MRI", "MR"), ("NMR", "MR"), ("RUS", "US"), ("RAD", None), ("LAB", None)],
)
def test_obr_24_stands_for_a_modality_where_it_names_one(
    section: str, modality: str | None
) -> None:
    made = order_of(orders(PID, "ORC|NW|P3", obr(f4="X", f24=section)))
    found = [detail["coding"][0]["code"] for detail in made.get("orderDetail", [])]
    assert found == ([modality] if modality else [])


def test_an_order_without_a_code_has_no_details() -> None:
    made = order_of(orders(PID, "ORC|NW|P3", obr(f24="MR")))
    assert "orderDetail" not in made
    assert complaints(made) == []


@pytest.mark.parametrize(
    ("code", "priority"),
    [
        *(("S", "stat"), ("A", "asap"), ("R", "routine"), ("T", "urgent"), ("P", "urgent")),
        *(("C", "urgent"), ("TM10", "urgent"), ("ROUTINE", "routine"), ("PRN", None)),
    ],
)
def test_priority_is_told_as_the_table_says(code: str, priority: str | None) -> None:
    made = order_of(orders(PID, segment("ORC", f1="NW", f2="P4", f7=f"^^^^^{code}")))
    assert made.get("priority") == priority


@pytest.mark.parametrize(
    ("code", "labels"),
    [("U", []), ("V", ["V"]), ("HIV", ["R", "HIV"]), ("VIP", ["R", "CEL"]), ("ODD", ["R"])],
)
def test_confidentiality_restricts_even_by_a_word_that_nobody_knows(
    code: str, labels: list[str]
) -> None:
    made = order_of(orders(PID, segment("ORC", f1="NW", f2="P5", f28=code)))
    assert [one["code"] for one in made["meta"].get("security", [])] == labels


def test_an_accession_that_no_image_can_carry_is_remarked() -> None:
    long = orders(PID, "ORC|NW|P3", obr(f18="ACC-2026-00000000008")).orders[0]
    assert len(warnings(long)) == 1
    assert warnings(orders(*NEW).orders[0]) == ()


def test_a_changed_order_tells_no_new_time_of_placing() -> None:
    first = order_of(orders(*NEW))
    changed = segment("ORC", f1="XO", f2="P1^HIS", f9="20260907080000")
    assert order_of(orders(PID, changed), first)["authoredOn"] == first["authoredOn"]


def test_numbers_without_an_authority_get_the_site_defaults() -> None:
    site = replace(
        SITE,
        placer_system="urn:placer",
        filler_system="urn:filler",
        accession_system="urn:accession",
    )
    message = orders(PID, "ORC|NW|P6|F6", obr(f18="A6"))
    systems = [one.get("system") for one in order_of(message, site=site)["identifier"]]
    assert systems == ["urn:placer", "urn:filler", "urn:accession"]


def test_replaced_orders_and_observations_are_referred_to_once() -> None:
    options: dict[str, Any] = {
        "replaces": ("ServiceRequest/s0",),
        "supporting": ("Observation/o1",),
        "encounter": "Encounter/e1",
    }
    first = order_of(orders(*NEW), **options)
    assert first["replaces"] == [{"reference": "ServiceRequest/s0"}]
    assert first["supportingInfo"][1] == {"reference": "Observation/o1"}
    assert order_of(orders(*NEW), first, **options) == first
    assert complaints(first) == []


REQUEST = Request(
    accession=Number("A1"),
    placer=Number("P1", Issuer("HIS")),
    filler=Number("F1", Issuer("RIS")),
    procedure_id="RP1",
    procedure=(Code("24590-2", "LN", "MR Brain"),),
    procedure_text="MR head",
    requester=Person("Sample^Olga"),
    reason_text="Headache",
)
VIEW = OrderView("s1", "completed", "Patient/p1")


def test_images_tell_of_an_order_that_never_came() -> None:
    made = of_request(None, REQUEST, VIEW, SITE, {})
    assert complaints(made) == []
    assert made["identifier"] == order_of(orders(*NEW))["identifier"]
    assert made["code"]["coding"][0]["system"] == "http://loinc.org"
    assert made["requester"] == {"type": "Practitioner", "display": "Olga Sample"}
    assert made["reasonCode"] == [{"text": "Headache"}]
    assert of_request(made, REQUEST, VIEW, SITE, {}) == made


def test_images_only_fill_what_the_order_left_open() -> None:
    sent = orders(PID, "ORC|NW|P1^HIS", obr(f4="MRH^MR head^L"))
    first = order_of(sent)
    filled = of_request(first, REQUEST, replace(VIEW, status="active"), SITE, {})
    assert filled["code"] == first["code"]
    assert filled["reasonCode"] == [{"text": "Headache"}]
    assert len(filled["identifier"]) == 4
    assert order_of(sent, of_request(None, REQUEST, VIEW, SITE, {})) == filled | {
        "status": "completed"
    }
