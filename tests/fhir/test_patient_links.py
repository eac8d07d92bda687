"""Merges and renamings leave a trail in both records and lose no number (mapping 2.8)."""

from fhir.patient_links import absorbing, renumbered, retired
from tests.support.hl7_fhir import Json, adt, patient_of
from tests.support.outside import complaints


def patient(id_: str, number: str) -> Json:
    return patient_of(adt(f"PID|1||{number}^^^HOSP^MR||Sample^Ann")) | {"id": id_}


def test_the_survivor_keeps_the_numbers_of_the_other_as_old_ones() -> None:
    survivor = absorbing(patient("p1", "100"), patient("p2", "200"))
    assert [(one.get("use"), one["value"]) for one in survivor["identifier"]] == [
        *(("usual", "100"), ("old", "200")),
    ]
    assert survivor["link"] == [{"other": {"reference": "Patient/p2"}, "type": "replaces"}]
    assert complaints(survivor) == []
    assert absorbing(survivor, patient("p2", "200")) == survivor


def test_the_other_is_inactive_and_leads_to_the_survivor() -> None:
    gone = retired(patient("p2", "200"), "Patient/p1")
    assert gone["active"] is False
    assert gone["link"] == [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]
    assert retired(gone, "Patient/p3")["link"][0]["other"]["reference"] == "Patient/p3"
    assert complaints(gone) == []


def test_a_later_message_about_the_survivor_keeps_links_and_old_numbers() -> None:
    survivor = absorbing(patient("p1", "100"), patient("p2", "200"))
    after = patient_of(adt("PID|1||100^^^HOSP^MR||Other^Ann"), survivor)
    assert after["identifier"] == survivor["identifier"]
    assert after["link"] == survivor["link"]


def test_a_number_that_was_renamed_is_old() -> None:
    both = patient_of(adt("PID|1||300^^^HOSP^MR"), patient("p1", "100"))
    after = renumbered(both, {"system": "https://h.example/ids/hosp", "value": "100"})
    assert [(one.get("use"), one["value"]) for one in after["identifier"]] == [
        *(("usual", "300"), ("old", "100")),
    ]
