"""A Patient follows its ADT feed: sent replaces, null removes, silence keeps (mapping 2.2, 2.9)."""

from dataclasses import replace

import pytest

from fhir.hl7_codes import RESTRICTED
from fhir.v2_patient import main_number, warnings
from hl7.types import NO_NUMBER
from tests.support.hl7_builder import segment
from tests.support.hl7_fhir import SITE, adt, context, facts_of, patient_of
from tests.support.outside import complaints

FULL = segment(
    "PID",
    f3="100^^^HOSP^MR~E7^^^EMPI^PI",
    f5="Curie^Marie^Salomea^JR^DR^PHD^L~Manya^^^^^^N",
    f6="Boguska^Bronislawa",
    f7="186711071015",
    f8="F",
    f9="Sklodowska^Maria^^^^^M",
    f11="5 Rue Cuvier^^Paris^IDF^75005^FR^H",
    f13="^PRN^PH^^33^1^445566~^NET^Internet^marie@example.org",
    f14="0155443322",
    f15="fr^French^ISO639",
    f16="W",
    f24="Y",
    f25="2",
    f29="19340704",
    f30="Y",
)
PD1 = segment(
    "PD1",
    f3="Curie Clinic^^555^^^NPPES^NPI",
    f4="1234567890^Becquerel^Henri^^^DR^^^NPPES^^^^NPI",
    f12="Y",
)
NK1 = "NK1|1|Curie^Pierre|SPO^Spouse^HL70063|5 Rue Cuvier^^Paris|5550001||N"


def test_a_full_pid_becomes_a_full_patient() -> None:
    made = patient_of(adt(FULL, PD1, NK1))
    assert complaints(made) == []
    assert [one["value"] for one in made["identifier"]] == ["100", "E7"]
    assert made["identifier"][0]["use"] == "usual"
    assert made["identifier"][0]["system"] == "https://h.example/ids/hosp"
    assert made["name"][0] == {
        "use": "official",
        "text": "DR Marie Salomea Curie JR PHD",
        "family": "Curie",
        "given": ["Marie", "Salomea"],
        "prefix": ["DR"],
        "suffix": ["JR", "PHD"],
    }
    assert [name.get("use") for name in made["name"]] == ["official", "nickname", "maiden"]
    assert made["gender"] == "female"
    assert made["birthDate"] == "1867-11-07"
    assert made["_birthDate"]["extension"][0]["valueDateTime"].startswith("1867-11-07T10:15:00+")
    assert made["deceasedDateTime"] == "1934-07-04"
    assert made["multipleBirthInteger"] == 2


def test_where_and_how_a_person_is_reached_is_told() -> None:
    made = patient_of(adt(FULL, PD1, NK1))
    assert made["address"] == [
        {
            "use": "home",
            "line": ["5 Rue Cuvier"],
            "city": "Paris",
            "state": "IDF",
            "postalCode": "75005",
            "country": "FR",
        }
    ]
    assert made["telecom"] == [
        {"system": "phone", "value": "+33 1 445566", "use": "home"},
        {"system": "email", "value": "marie@example.org", "use": "home"},
        {"system": "phone", "value": "0155443322", "use": "work"},
    ]
    assert made["communication"][0]["language"]["coding"][0] == {
        "system": "urn:ietf:bcp:47",
        "code": "fr",
    }
    assert made["maritalStatus"]["coding"][0]["code"] == "W"
    assert made["contact"][0]["name"]["text"] == "Pierre Curie"
    assert made["contact"][0]["relationship"][0]["coding"][0]["code"] == "SPO"
    assert made["generalPractitioner"][0]["identifier"] == {
        "system": "http://hl7.org/fhir/sid/us-npi",
        "value": "1234567890",
    }
    assert made["meta"] == {"source": "urn:hl7v2:RIS:HOSP#MSG1", "security": [RESTRICTED]}


def test_a_message_that_is_applied_again_changes_nothing() -> None:
    first = patient_of(adt(FULL, PD1, NK1))
    assert patient_of(adt(FULL, PD1, NK1), first) == first


def test_what_was_not_sent_is_kept() -> None:
    full = patient_of(adt(FULL, PD1, NK1))
    after = patient_of(adt("PID|1||100^^^HOSP^MR||Curie^Marie^^^^^L"), full)
    assert {key: value for key, value in after.items() if key not in ("name", "meta")} == {
        key: value for key, value in full.items() if key not in ("name", "meta")
    }
    assert after["meta"]["security"] == [RESTRICTED]
    assert [name["text"] for name in after["name"]] == [
        "Marie Curie",
        "Manya",
        "Maria Sklodowska",
    ]


def test_null_removes_what_was_known() -> None:
    full = patient_of(adt(FULL, PD1, NK1))
    pid = {f"f{number}": '""' for number in (5, 7, 8, 9, 11, 13, 14, 15, 16, 24, 25, 29, 30)}
    pd1 = {f"f{number}": '""' for number in (3, 4, 12)}
    message = adt(segment("PID", f3="100^^^HOSP^MR", **pid), segment("PD1", **pd1))
    after = patient_of(message, full)
    assert set(after) == {"resourceType", "id", "meta", "identifier", "active", "contact"}
    assert after["meta"] == {"source": "urn:hl7v2:RIS:HOSP#MSG1"}


def test_an_update_never_takes_an_identifier_away() -> None:
    full = patient_of(adt(FULL))
    after = patient_of(adt("PID|1||200^^^LAB^PI"), full)
    assert [one["value"] for one in after["identifier"]] == ["200", "E7", "100"]
    assert [one.get("use") for one in after["identifier"]] == ["usual", None, None]
    assert patient_of(adt('PID|1||""'), full)["identifier"] == full["identifier"]


def test_a_number_that_gains_an_issuer_is_one_number() -> None:
    bare = patient_of(adt("PID|1||100"), site=replace(SITE, default=""))
    after = patient_of(adt("PID|1||100^^^HOSP^MR"), bare)
    assert len(after["identifier"]) == 1
    assert after["identifier"][0]["system"] == "https://h.example/ids/hosp"


def test_a_patient_made_from_an_image_or_an_order_gives_way_to_adt() -> None:
    ordered = patient_of(adt(FULL, PD1, NK1))
    message = adt("PID|1||100^^^HOSP^MR||Curie^Marie")
    after = patient_of(message, ordered, provisional=True)
    assert set(after) == {"resourceType", "id", "meta", "identifier", "active", "name"}
    assert [one["value"] for one in after["identifier"]] == ["100", "E7"]


def test_what_people_and_other_services_wrote_survives() -> None:
    first = patient_of(adt(FULL))
    mine = first | {
        "photo": [{"url": "https://h.example/p"}],
        "link": [{"other": {"reference": "Patient/p2"}, "type": "seealso"}],
        "extension": [{"url": "https://h.example/e", "valueBoolean": True}],
        "active": False,
    }
    after = patient_of(adt(FULL), mine)
    for name in ("photo", "link", "extension", "active"):
        assert after[name] == mine[name]


def test_work_and_home_numbers_are_replaced_by_their_own_fields() -> None:
    both = patient_of(adt(segment("PID", f3="1", f13="111", f14="222")))
    home = patient_of(adt(segment("PID", f3="1", f13="333")), both)
    assert [one["value"] for one in home["telecom"]] == ["333", "222"]
    work = patient_of(adt(segment("PID", f3="1", f14="444")), home)
    assert [one["value"] for one in work["telecom"]] == ["333", "444"]


def test_death_is_not_forgotten_and_its_time_not_lost_to_a_mere_yes() -> None:
    dead = patient_of(adt(segment("PID", f3="1", f29="20200102030405+0100", f30="Y")))
    assert dead["deceasedDateTime"] == "2020-01-02T03:04:05+01:00"
    assert patient_of(adt(segment("PID", f3="1", f30="Y")), dead) == dead
    assert patient_of(adt("PID|1||1"), dead) == dead
    alive = patient_of(adt(segment("PID", f3="1", f30="N")), dead)
    assert alive["deceasedBoolean"] is False
    assert "deceasedDateTime" not in alive


@pytest.mark.parametrize(
    ("code", "gender"),
    [
        *(("M", "male"), ("f", "female"), ("A", "other"), ("N", "other"), ("U", "unknown")),
        *(("Female", "female"), ("X", None)),
    ],
)
def test_sex_is_told_as_the_table_says(code: str, gender: str | None) -> None:
    message = adt(f"PID|1||1|||||{code}")
    assert patient_of(message).get("gender") == gender
    assert bool(warnings(facts_of(message))) == (gender is None)


def test_marital_status_a_is_separated_and_not_annulled() -> None:
    made = patient_of(adt(segment("PID", f3="1", f16="A^Separated^HL70002")))
    assert made["maritalStatus"]["coding"] == [
        {
            "system": "http://terminology.hl7.org/CodeSystem/v2-0002",
            "code": "A",
            "display": "Separated",
        }
    ]


def test_a_place_of_birth_is_no_address() -> None:
    made = patient_of(adt(segment("PID", f3="1", f11="^^^^^^BDL^^63220~1 Road^^Town^^^^M")))
    assert made["address"] == [{"type": "postal", "line": ["1 Road"], "city": "Town"}]


def test_social_security_numbers_are_kept_only_where_a_site_says_so() -> None:
    message = adt(segment("PID", f3="100^^^HOSP^MR~999^^^SSA^SS", f19="888", f20="D1"))
    kept = replace(SITE, social_security_system="http://hl7.org/fhir/sid/us-ssn")
    assert [one["value"] for one in patient_of(message)["identifier"]] == ["100", "D1"]
    assert {one["value"] for one in patient_of(message, site=kept)["identifier"]} == {
        *("100", "999", "888", "D1")
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("100^^^HOSP^MR~200^^^OWN^MR", "200"),
        ("300^^^HOSP^PI~100^^^HOSP^MR", "100"),
        ("400^^^HOSP^XX~300^^^HOSP^PI", "300"),
        ("999^^^SSA^SS~400^^^HOSP^XX", "400"),
        ("999^^^SSA^SS~1^^^FR^NNFRA~2^^^X^INS", ""),
    ],
)
def test_the_number_that_names_a_patient_is_never_a_national_one(field: str, value: str) -> None:
    message = adt(f"PID|1||{field}")
    owned = ["https://h.example/ids/own"]
    assert main_number(facts_of(message), owned, context(message)).value == value


def test_a_patient_without_any_number_has_no_main_one() -> None:
    message = adt("PID|1||||Doe^J")
    assert main_number(facts_of(message), (), context(message)) == NO_NUMBER


def test_numbers_of_old_fields_count_once() -> None:
    made = patient_of(adt("PID|1|100^^^HOSP|100^^^HOSP^MR|7^^^OLD|Doe^J"))
    assert [one["value"] for one in made["identifier"]] == ["100", "7"]


def test_an_animal_is_told_to_be_one() -> None:
    made = patient_of(adt(segment("PID", f3="1", f35="CAN^Canine", f36="BEA^Beagle")))
    parts = {
        part["url"]: part["valueCodeableConcept"]["text"]
        for part in made["extension"][0]["extension"]
    }
    assert parts == {"species": "Canine", "breed": "Beagle"}


def test_warnings_never_repeat_a_value() -> None:
    message = adt(segment("PID", f3="1", f7="18671399", f8="Q", f29="19340704", f30="N"))
    told = warnings(facts_of(message))
    assert len(told) == 3
    assert not any("1867" in line or "1934" in line or "Q" in line for line in told)
