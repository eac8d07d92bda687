"""An Encounter follows the events of its visit (mapping 2.1, 2.2)."""

import pytest

from fhir.encounter import CELEBRITY, EncounterView, merge, next_status
from hl7.facts import VisitFacts
from tests.support.hl7_builder import segment
from tests.support.hl7_fhir import Json, adt, context
from tests.support.outside import complaints

PID = segment("PID", f3="1^^^HOSP^MR", f18="ACC7^^^HOSP^AN")
PV1 = segment(
    "PV1",
    f2="I",
    f3="4W^401^A^HOSP",
    f4="R",
    f5="PRE1^^^HOSP",
    f6="3E^301^B^HOSP",
    f7="1001^Sample^Olga^^^DR^^^HOSP",
    f8="^Refers^Rita",
    f9="^Consults^Carl",
    f10="MED",
    f16="1",
    f17="^Admits^Ada",
    f19="V1^^^HOSP^VN",
    f36="01^Home^HL70112",
    f44="202609010800",
    f50="ALT1^^^HOSP^VN",
)
PV2 = segment("PV2", f3="^Headache")


def visit_of(*segments: str, event: str = "A01") -> VisitFacts:
    visit = adt(*segments, event=event).visit
    assert visit
    return visit


def encounter_of(
    *segments: str, event: str = "A01", current: Json | None = None, provisional: bool = False
) -> Json | None:
    message = adt(*segments, event=event)
    assert message.visit
    assert message.patient
    status = next_status((current or {}).get("status", ""), event, message.visit)
    account = message.patient.account
    view = EncounterView("e1", status, "Patient/p1", event, account, provisional)
    return merge(current, message.visit, view, context(message))


def test_a_full_visit_becomes_a_full_encounter() -> None:
    made = encounter_of(PID, PV1, PV2)
    assert made
    assert complaints(made) == []
    assert [(one["type"]["coding"][0]["code"], one["value"]) for one in made["identifier"]] == [
        ("VN", "V1"),
        ("AN", "ACC7"),
        ("VN", "ALT1"),
    ]
    assert made["status"] == "in-progress"
    assert made["class"]["code"] == "IMP"
    assert made["type"][0]["coding"][0]["code"] == "R"
    assert made["period"] == {"start": "2026-09-01T08:00:00+02:00"}
    assert [one["type"][0]["coding"][0]["code"] for one in made["participant"]] == [
        *("ATND", "REF", "CON", "ADM"),
    ]
    assert made["participant"][0]["individual"]["identifier"]["value"] == "1001"
    assert made["location"] == [
        {"location": {"type": "Location", "display": "4W 401 A"}, "status": "active"},
        {"location": {"type": "Location", "display": "3E 301 B"}, "status": "completed"},
    ]
    assert made["serviceProvider"]["display"] == "HOSP"
    assert made["serviceType"]["coding"][0]["system"].endswith("v2-0069")
    assert made["reasonCode"] == [{"text": "Headache"}]
    assert made["hospitalization"]["preAdmissionIdentifier"]["value"] == "PRE1"
    assert made["hospitalization"]["dischargeDisposition"]["text"] == "Home"
    assert made["meta"]["security"] == [CELEBRITY]


def test_a_visit_without_a_number_makes_no_encounter() -> None:
    assert encounter_of(PID, segment("PV1", f2="O")) is None


@pytest.mark.parametrize(
    ("old", "event", "status"),
    [
        *(("", "A01", "in-progress"), ("", "A04", "in-progress"), ("", "A05", "planned")),
        *(("planned", "A01", "in-progress"), ("in-progress", "A03", "finished")),
        *(("finished", "A13", "in-progress"), ("finished", "A01", "finished")),
        *(("in-progress", "A11", "cancelled"), ("in-progress", "A12", "in-progress")),
        *(("planned", "A38", "cancelled"), ("in-progress", "A38", "in-progress")),
        *(("in-progress", "A05", "in-progress"), ("in-progress", "A08", "in-progress")),
        *(("", "A08", "unknown"), ("", "O01", "unknown"), ("in-progress", "A23", "cancelled")),
    ],
)
def test_the_status_follows_the_event(old: str, event: str, status: str) -> None:
    assert next_status(old, event, visit_of(PID, segment("PV1", f19="V1"))) == status


def test_a_discharge_time_ends_a_visit_and_class_p_plans_it() -> None:
    ended = visit_of(PID, segment("PV1", f19="V1", f45="20260902"))
    assert next_status("in-progress", "A08", ended) == "finished"
    planned = visit_of(PID, segment("PV1", f2="P", f19="V1"))
    assert next_status("", "O01", planned) == "planned"


def test_a_cancelled_discharge_has_no_end() -> None:
    out = segment("PV1", f3="4W", f19="V1^^^HOSP^VN", f44="20260901", f45="20260902")
    ended = encounter_of(PID, out, event="A03")
    assert ended
    assert ended["period"]["end"] == "2026-09-02"
    again = encounter_of(PID, out, event="A13", current=ended)
    assert again
    assert again["period"] == {"start": "2026-09-01"}
    assert again["location"][0]["status"] == "active"


def test_after_a_cancelled_transfer_the_patient_is_where_he_was() -> None:
    moved = encounter_of(PID, PV1)
    back = segment("PV1", f3="3E^301^B^HOSP", f6="4W^401^A^HOSP", f19="V1^^^HOSP^VN")
    after = encounter_of(PID, back, event="A12", current=moved)
    assert after
    assert [one["location"]["display"] for one in after["location"]] == ["3E 301 B"]


def test_what_was_not_sent_is_kept_and_null_removes() -> None:
    full = encounter_of(PID, PV1, PV2)
    assert full
    assert encounter_of(PID, PV1, PV2, current=full) == full
    bare = encounter_of(PID, segment("PV1", f19="V1^^^HOSP^VN"), event="A08", current=full)
    assert bare == full
    nulls = {f"f{number}": '""' for number in (3, 4, 7, 8, 9, 10, 16, 17, 44)}
    emptied = encounter_of(
        PID,
        segment("PV1", f19="V1^^^HOSP^VN", **nulls),
        segment("PV2", f3='""'),
        event="A08",
        current=full,
    )
    assert emptied
    assert not {"location", "type", "participant", "serviceType", "period"} & emptied.keys()
    assert "security" not in emptied["meta"]


def test_an_encounter_made_from_an_order_gives_way_to_adt() -> None:
    ordered = encounter_of(PID, PV1, PV2, event="O01")
    after = encounter_of(
        PID, segment("PV1", f2="O", f19="V1^^^HOSP^VN"), current=ordered, provisional=True
    )
    assert after
    assert after["class"]["code"] == "AMB"
    assert not {"participant", "location", "period"} & after.keys()
    assert len(after["identifier"]) == 3


@pytest.mark.parametrize(
    ("code", "system"),
    [("E", "v3-ActCode"), ("R", "v2-0004"), ("", "data-absent-reason"), ("X", "v2-0004")],
)
def test_a_class_is_told_in_v3_where_v3_has_it(code: str, system: str) -> None:
    made = encounter_of(PID, segment("PV1", f2=code, f19="V1"))
    assert made
    assert made["class"]["system"].endswith(system)
    assert complaints(made) == []
