"""Audit rows become AuditEvents that an IHE BALP reader understands (house rule 6)."""

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fhir.audit_event import ACTIONS, DOORS, FAILED, REFUSED, SUCCESS, AuditView, build
from tests.support.outside import complaints

WHEN = datetime(2026, 11, 24, 3, 45, tzinfo=UTC)
READ = AuditView(
    id="a1",
    action="read",
    outcome=SUCCESS,
    when=WHEN,
    door="dicomweb",
    server="https://h.example/fhir",
    client="viewer",
    client_address="192.0.2.7",
    who="Practitioner/curie",
    who_name="Marie Curie",
    role="clinician",
    organisation="home",
    patient="Patient/p1",
    data="ImagingStudy/s1",
    study="1.2.3",
    purposes=("TREAT",),
    request_id="r-1",
)
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."


def agent_types(event: dict[str, object]) -> list[str]:
    return [agent["type"]["coding"][0]["code"] for agent in event["agent"]]  # type: ignore[attr-defined]


def test_a_read_of_pictures_names_client_server_user_patient_and_study() -> None:
    event = build(READ)
    assert event["meta"]["profile"] == [BALP + "PatientRead"]
    assert (event["action"], event["outcome"]) == ("R", "0")
    assert event["subtype"][0] == {
        "system": "http://hl7.org/fhir/restful-interaction",
        "code": "read",
    }
    assert agent_types(event) == ["110152", "110153", "IRCP"]
    assert [agent["requestor"] for agent in event["agent"]] == [False, False, True]
    kinds = [(one["type"]["code"], one.get("role", {}).get("code")) for one in event["entity"]]
    assert kinds == [("1", "1"), ("2", "4"), ("XrequestId", None)]
    assert event["entity"][1]["what"]["identifier"]["value"] == "urn:oid:1.2.3"
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"


def test_the_row_that_closes_a_window_tells_how_much_left() -> None:
    event = build(replace(READ, began=WHEN, instances=20, frames=40, octets=3))
    assert event["period"] == {
        "start": "2026-11-24T03:45:00.000Z",
        "end": "2026-11-24T03:45:00.000Z",
    }
    assert event["entity"][1]["detail"] == [
        {"type": "instances", "valueString": "20"},
        {"type": "frames", "valueString": "40"},
        {"type": "bytes", "valueString": "3"},
    ]


def test_a_search_keeps_its_raw_question_and_has_no_data_entity() -> None:
    raw = "patient=Patient/p1&_lastUpdated=gt2026"
    event = build(replace(READ, action="search-type", door="fhir", query=raw))
    assert event["meta"]["profile"] == [BALP + "PatientQuery"]
    assert agent_types(event) == ["110153", "110152", "IRCP"]
    query = event["entity"][1]
    assert b64decode(query["query"]).decode() == raw
    assert "what" not in query
    assert [one["type"]["code"] for one in event["entity"]] == ["1", "2", "XrequestId"]


def test_what_was_refused_claims_no_profile_of_success() -> None:
    event = build(replace(READ, outcome=REFUSED, reason="the token has no such scope"))
    assert "meta" not in event
    assert event["outcomeDesc"] == "the token has no such scope"


def test_an_event_without_a_person_is_requested_by_its_client() -> None:
    event = build(replace(READ, who="", who_name="", patient=""))
    assert event["meta"]["profile"] == [BALP + "Read"]
    assert [agent["requestor"] for agent in event["agent"]] == [True, False]


def test_a_person_may_be_an_opaque_salted_reference() -> None:
    event = build(replace(READ, who="9f3c", who_name="", organisation=""))
    assert event["agent"][2]["who"] == {"identifier": {"value": "9f3c"}}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("outcome", [SUCCESS, FAILED])
def test_every_kind_of_event_is_good_r4_to_an_outside_reader(
    door: str, action: str, outcome: str
) -> None:
    event = replace(READ, door=door, action=action, outcome=outcome, query="_id=1")
    assert complaints(build(event)) == []
