"""Real messages become good FHIR, and the pairs that belong together say so (mapping 3)."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fhirclient.models.diagnosticreport import (
    DiagnosticReport,
)
from fhirclient.models.patient import Patient
from fhirclient.models.servicerequest import (
    ServiceRequest,
)
from pydicom.data import get_testdata_file

from fhir import order_status, service_request, v2_patient
from fhir.extract import rows
from fhir.hl7_context import context_of
from fhir.patient import build as patient_of_header
from fhir.report_text import text_in
from fhir.search_params import TABLE
from fhir.service_request import OrderView
from hl7.events import event_of
from hl7.message import parse
from hl7.orders import read_orders
from hl7.oru import read_reports
from tests.support.facts_reader import read_facts
from tests.support.hl7_fhir import SITE
from tests.support.hl7_graph import graph
from tests.support.hl7_samples import hl7_files, hl7_sample
from tests.support.outside import complaints

Json = dict[str, Any]
READERS = {"Patient": Patient, "ServiceRequest": ServiceRequest}
HOLG, BRIDGE, ANS = "holg-hl7v2", "hl7v2-fhir-bridge", "ansforge-teleradiologie"


@cache
def made(folder: str, name: str) -> dict[str, Json]:
    """What a sample becomes, the first of each type."""
    found: dict[str, Json] = {}
    for one in graph(parse(hl7_sample(folder, name))):
        found.setdefault(one["resourceType"], one)
    return found


@pytest.mark.filterwarnings("ignore")
def test_every_sample_of_a_mapped_event_becomes_good_fhir() -> None:
    counts: dict[str, int] = {}
    for path in hl7_files():
        message = parse(path.read_bytes())
        if event_of(message) is None:
            continue
        for one in graph(message):
            assert complaints(one) == [], path.name
            if reader := READERS.get(one["resourceType"]):
                assert reader(one).as_json() == _plain(one), path.name
            if one["resourceType"] in TABLE:
                assert rows(one, base="https://h.example/fhir")
            counts[one["resourceType"]] = counts.get(one["resourceType"], 0) + 1
    assert counts["Patient"] > 150
    assert counts["DiagnosticReport"] > 25
    assert counts["ServiceRequest"] > 50


def _plain(resource: Json) -> Json:
    """Without extensions of primitives, which the outside client does not know."""
    return {name: value for name, value in resource.items() if not name.startswith("_")}


def test_an_outside_client_reads_our_report() -> None:
    report = made(BRIDGE, "oru_r01_final")["DiagnosticReport"]
    assert DiagnosticReport(report).as_json() == report


def test_the_order_and_the_images_of_mr_small_name_one_patient_and_one_study() -> None:
    header = read_facts(Path(str(get_testdata_file("MR_small.dcm"))))
    message = parse(hl7_sample(HOLG, "order"))
    facts = read_orders(message)
    assert facts.patient
    around = context_of(facts.header, SITE)
    number = v2_patient.main_number(facts.patient, (), around)
    imaged = patient_of_header(header.patient, SITE, id="p1")
    assert number.value == imaged["identifier"][0]["value"] == "4MR1"
    assert facts.orders[0].uids.studies == (header.study.uid,)
    ordered = made(HOLG, "order")["Patient"]
    assert ordered["name"][0]["family"] == imaged["name"][0]["family"]


def test_the_order_of_mr_small_is_completed_by_its_result() -> None:
    ordered = made(HOLG, "order")["ServiceRequest"]
    assert [one["value"] for one in ordered["identifier"]] == [
        *("ORD-2026-0001", "FIL-2026-0001", "ACC-2026-0001", "RP-2026-0001"),
    ]
    assert ordered["status"] == "active"
    assert ordered["priority"] == "routine"
    assert ordered["occurrenceDateTime"] == "2026-09-05T11:00:00+02:00"
    message = parse(hl7_sample(HOLG, "order-oru"))
    facts = read_reports(message)
    (report,) = facts.patients[0].reports
    status = order_status.after_report(ordered["status"], "final").status
    view = OrderView("s1", status, "Patient/p1", reported=True)
    after = service_request.merge(ordered, report.orders[0], view, context_of(facts.header, SITE))
    assert after == ordered | {"status": "completed"}
    told = made(HOLG, "order-oru")["DiagnosticReport"]
    assert told["status"] == "final"
    assert {one["value"] for one in told["identifier"]} == {
        one["value"] for one in ordered["identifier"]
    }


def test_two_steps_of_one_imaging_order_are_one_order() -> None:
    order = made(HOLG, "omi-two-ipc")["ServiceRequest"]
    details = [detail.get("text") or detail["coding"][0]["code"] for detail in order["orderDetail"]]
    assert details == ["MR", "MRI head without contrast", "MRI head with contrast"]
    assert [one["value"] for one in order["identifier"]][2:] == ["ACC-2026-0004", "RP-2026-0004"]


def test_a_dental_report_has_its_words_and_its_measures() -> None:
    resources = graph(parse(hl7_sample(HOLG, "opg_report_ORU_R01")))
    (report,) = (one for one in resources if one["resourceType"] == "DiagnosticReport")
    values = [one["valueQuantity"] for one in resources if "valueQuantity" in one]
    assert report["effectiveDateTime"] == "2026-09-16T09:38:00+02:00"
    assert [(str(v["value"]), v["code"]) for v in values] == [
        *(("42", "deg"), ("38", "deg"), ("0.8", "mm"), ("1.6", "mm")),
    ]
    assert "Pell-Gregory 38" in text_in(report)
    assert "conclusion" not in report


def test_a_name_change_keeps_all_but_the_name() -> None:
    before = made(BRIDGE, "adt_a04_register")["Patient"]
    message = parse(hl7_sample(BRIDGE, "adt_a08_name_change"))
    after = made(BRIDGE, "adt_a08_name_change")["Patient"]
    assert event_of(message)
    assert before["name"][0]["family"] == "NÚÑEZ"
    assert after["name"][0]["family"] == "NÚÑEZ-GARCÍA"
    for name in ("identifier", "gender", "birthDate", "address", "telecom"):
        assert after[name] == before[name]


def test_a_message_in_latin_1_with_a_null_is_read() -> None:
    resources = made(BRIDGE, "adt_a04_v23_latin1")
    assert resources["Patient"]["name"][0]["text"] == "MARÍA JOSÉ MUÑOZ"
    assert "telecom" not in resources["Patient"]
    assert resources["Encounter"]["location"][0]["location"]["display"] == "4W 401 A"


def test_a_cancelled_order_is_revoked_and_keeps_what_it_asked() -> None:
    ordered = made(BRIDGE, "orm_o01_new")["ServiceRequest"]
    message = read_orders(parse(hl7_sample(BRIDGE, "orm_o01_cancel_orc_only")))
    order = message.orders[0]
    number = service_request.numbers(order, context_of(message.header, SITE))[0]
    assert number["value"] == "ORD1002"
    step = order_status.next_status(ordered["status"], order.control, order.status)
    assert step.status == "revoked"


def test_escapes_and_carets_of_a_report_are_text() -> None:
    report = made(BRIDGE, "oru_r01_ft_escapes")["DiagnosticReport"]
    assert "T2^weighted" in text_in(report)
    assert "(image 3|41)" in text_in(report)
    assert report["conclusion"].startswith("IMPRESSION:\nLung-RADS 2: benign")
    assert report["conclusionCode"][0]["coding"][0]["code"] == "LR2"


def test_an_answer_to_an_order_is_no_report() -> None:
    assert "DiagnosticReport" not in made(ANS, "03-ORU_R01_ORU_R01-exemples")
    cancelled = made(ANS, "02-ORM_O01_ORM_O01-exemples")["ServiceRequest"]
    assert cancelled["status"] == "revoked"
    reason = cancelled["extension"][0]["valueCodeableConcept"]
    assert reason["text"] == "Motif d'annulation de la demande"


def test_a_french_patient_is_not_named_by_the_national_number() -> None:
    message = read_orders(parse(hl7_sample(ANS, "01-ORM_O01_ORM_O01-exemples")))
    assert message.patient
    around = context_of(message.header, SITE)
    assert not v2_patient.main_number(message.patient, (), around)
    patient = made(ANS, "01-ORM_O01_ORM_O01-exemples")["Patient"]
    assert patient["identifier"][0]["system"] == "urn:oid:1.2.250.1.213.1.4.10"
    assert [one.get("city") for one in patient["address"]] == ["PARIS"]
