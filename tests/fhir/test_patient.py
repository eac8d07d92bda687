"""A Patient from a header has what the header says and nothing invented (mapping 1.5)."""

import pytest

from dicom.facts import Issuer, Number, PatientFacts
from fhir.identifiers import Site
from fhir.names import display_name, human_names
from fhir.patient import build, warnings

SITE = Site(base="https://hospital.example/ids")
REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


def test_a_patient_has_number_name_sex_and_birth_date() -> None:
    facts = PatientFacts(
        name="Curie^Marie^Salomea^Dr^PhD",
        number=Number("42", Issuer("ACME")),
        birth_date="18671107",
        sex="F",
    )
    assert build(facts, SITE, id="p1") == {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [
            {
                "use": "usual",
                "type": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}
                    ]
                },
                "system": "https://hospital.example/ids/acme",
                "value": "42",
                "assigner": {"display": "ACME"},
            }
        ],
        "name": [
            {
                "text": "Dr Marie Salomea Curie PhD",
                "family": "Curie",
                "given": ["Marie", "Salomea"],
                "prefix": ["Dr"],
                "suffix": ["PhD"],
            }
        ],
        "gender": "female",
        "birthDate": "1867-11-07",
    }


def test_each_way_of_writing_a_name_is_a_name() -> None:
    names = human_names("Yamada^Tarou=山田^太郎=やまだ^たろう")
    assert [name["extension"][0]["valueCode"] for name in names] == ["ABC", "IDE", "SYL"]
    assert names[1]["text"] == "山田 太郎"
    assert names[0]["extension"][0]["url"] == REPRESENTATION


def test_a_name_written_one_way_only_is_not_labelled() -> None:
    assert human_names("Yamada^Tarou") == [
        {"text": "Tarou Yamada", "family": "Yamada", "given": ["Tarou"]}
    ]
    assert human_names("=山田^太郎")[0]["extension"][0]["valueCode"] == "IDE"


@pytest.mark.parametrize("empty", ["", "^^^^", "==", " ^ "])
def test_an_empty_name_is_no_name(empty: str) -> None:
    assert human_names(empty) == []
    assert display_name(empty) == ""


def test_other_numbers_are_kept_and_a_repeated_one_is_not() -> None:
    main = Number("42", Issuer("ACME"))
    facts = PatientFacts(number=main, others=(main, Number("7", Issuer("NHS")), Number("")))
    values = [one["value"] for one in build(facts, SITE, id="p")["identifier"]]
    assert values == ["42", "7"]


def test_a_number_that_nobody_issued_has_no_system() -> None:
    facts = PatientFacts(number=Number("42"))
    assert "system" not in build(facts, SITE, id="p")["identifier"][0]


@pytest.mark.parametrize(
    ("birth_date", "sex"), [("18671131", "F"), ("1867", ""), ("", "X"), ("18671107", "female")]
)
def test_what_is_no_date_or_no_sex_is_left_out_with_a_warning(birth_date: str, sex: str) -> None:
    facts = PatientFacts(birth_date=birth_date, sex=sex)
    assert warnings(facts)
    assert not any(birth_date and birth_date in line for line in warnings(facts))


def test_a_de_identified_patient_is_tagged() -> None:
    mine = build(PatientFacts(removed=True), SITE, id="p", tags=("unidentified",))
    assert [tag["code"] for tag in mine["meta"]["tag"]] == ["unidentified", "de-identified"]


def test_an_animal_is_told_to_be_one() -> None:
    mine = build(PatientFacts(species="Canine", breed="Beagle"), SITE, id="p")
    parts = {
        part["url"]: part["valueCodeableConcept"]["text"]
        for part in mine["extension"][0]["extension"]
    }
    assert parts == {"species": "Canine", "breed": "Beagle"}
