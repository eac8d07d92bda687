"""Merges and renamings leave a trail in both records and lose no number (mapping 2.8)."""

from fhir.patient_links import belonging, filled, renumbered, retired, revived, surviving
from tests.support.hl7_fhir import Json, adt, patient_of
from tests.support.outside import complaints

SYSTEM = "https://h.example/ids/hosp"
LENT = {(SYSTEM, "200")}


def patient(id_: str, number: str) -> Json:
    return patient_of(adt(f"PID|1||{number}^^^HOSP^MR||Sample^Ann")) | {"id": id_}


def test_the_survivor_keeps_the_numbers_of_the_other_as_old_ones() -> None:
    survivor = surviving(patient("p1", "100"), [patient("p2", "200")], set())
    assert [(one.get("use"), one["value"]) for one in survivor["identifier"]] == [
        *(("usual", "100"), ("old", "200")),
    ]
    assert survivor["link"] == [{"other": {"reference": "Patient/p2"}, "type": "replaces"}]
    assert complaints(survivor) == []
    assert surviving(survivor, [patient("p2", "200")], LENT) == survivor


def test_what_a_merge_lent_goes_when_it_is_undone_and_what_was_there_stays() -> None:
    before = patient("p1", "100")
    survivor = surviving(before, [patient("p2", "200")], set())
    assert surviving(survivor, [], LENT) == before
    both = surviving(before, [patient("p2", "200"), patient("p3", "300")], set())
    left = surviving(both, [patient("p3", "300")], {*LENT, (SYSTEM, "300")})
    assert left == surviving(before, [patient("p3", "300")], set())


def test_the_other_is_inactive_and_leads_to_the_survivor() -> None:
    gone = retired(patient("p2", "200"), "p1")
    assert gone["active"] is False
    assert gone["link"] == [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]
    assert retired(gone, "p3")["link"][0]["other"]["reference"] == "Patient/p3"
    assert complaints(gone) == []
    assert revived(gone, active=True) == patient("p2", "200")


def test_a_later_message_about_the_survivor_keeps_links_and_old_numbers() -> None:
    survivor = surviving(patient("p1", "100"), [patient("p2", "200")], set())
    after = patient_of(adt("PID|1||100^^^HOSP^MR||Other^Ann"), survivor)
    assert after["identifier"] == survivor["identifier"]
    assert after["link"] == survivor["link"]


def test_a_number_that_was_renamed_is_old() -> None:
    both = patient_of(adt("PID|1||300^^^HOSP^MR"), patient("p1", "100"))
    after = renumbered(both, {(SYSTEM, "100")})
    assert [(one.get("use"), one["value"]) for one in after["identifier"]] == [
        *(("usual", "300"), ("old", "100")),
    ]


def test_whoever_tells_of_a_person_first_fills_a_patient_of_whom_only_numbers_are_known() -> None:
    bare = {name: patient("p2", "200")[name] for name in ("resourceType", "id", "identifier")}
    told = patient("p2", "201")
    body = filled(retired(bare, "p1"), told)
    assert body["name"] == told["name"]
    assert body["active"] is False
    assert [one["value"] for one in body["identifier"]] == ["201", "200"]


def test_a_resource_of_another_patient_says_so_and_keeps_all_else() -> None:
    body = {"subject": {"reference": "Patient/p2", "type": "Patient"}, "status": "final"}
    assert belonging(body, "p1") == {
        "subject": {"reference": "Patient/p1", "type": "Patient"},
        "status": "final",
    }
    about = {"securityContext": {"reference": "DiagnosticReport/r"}}
    assert belonging(about, "p1") == about
