"""Who issued a number decides its system, in one order for every door (mapping 1.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom.facts import Issuer, Number
from fhir.identifiers import (
    Placeholders,
    Site,
    accession_identifier,
    bare_uid,
    patient_system,
    study_identifier,
    system_for,
    uid_urn,
)

BASE = "https://hospital.example/ids"


@pytest.mark.parametrize(
    ("issuer", "table", "system"),
    [
        (Issuer("ACME"), {"ACME": "http://acme.example/mrn"}, "http://acme.example/mrn"),
        (
            Issuer("", "1.2.3", "ISO"),
            {"1.2.3": "http://acme.example/mrn"},
            "http://acme.example/mrn",
        ),
        (Issuer("ACME", "1.2.3", "ISO"), {}, "urn:oid:1.2.3"),
        (
            Issuer("ACME", "550E8400-E29B-41D4-A716-446655440000", "UUID"),
            {},
            "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
        ),
        (Issuer("", "https://other.example/x", "URI"), {}, "https://other.example/x"),
        (Issuer("Acme Hospital"), {}, f"{BASE}/acme%20hospital"),
        (Issuer("ACME", "1.2.x", "ISO"), {}, f"{BASE}/acme"),
    ],
)
def test_an_issuer_becomes_a_system_in_the_agreed_order(
    issuer: Issuer, table: dict[str, str], system: str
) -> None:
    assert system_for(issuer, table=table, base=BASE) == (system, None)


def test_a_site_table_wins_over_the_oid_that_the_sender_gives() -> None:
    issuer = Issuer("ACME", "1.2.3", "ISO")
    assert system_for(issuer, table={"ACME": "urn:x"}, base=BASE)[0] == "urn:x"


@pytest.mark.parametrize(
    ("issuer", "default", "system"),
    [
        (Issuer("", "HQ.example", "DNS"), "", f"{BASE}/hq.example"),
        (Issuer(), "http://home.example/mrn", "http://home.example/mrn"),
        (Issuer(), "", ""),
    ],
)
def test_an_uncertain_choice_comes_with_a_warning(
    issuer: Issuer, default: str, system: str
) -> None:
    found, warning = system_for(issuer, table={}, base=BASE, default=default)
    assert found == system
    assert warning


def test_the_patient_default_is_no_default_for_accessions() -> None:
    site = Site(base=BASE, default="http://home.example/mrn")
    assert patient_system(Issuer(), site) == "http://home.example/mrn"
    assert "system" not in accession_identifier(Number("A1"), site)


def test_the_same_issuer_gives_the_same_system_whatever_its_case_or_padding() -> None:
    one = system_for(Issuer("Acme "), table={}, base=BASE + "/")
    assert one == system_for(Issuer("ACME"), table={}, base=BASE)


def test_a_study_identifier_is_official_and_says_that_it_is_a_study_uid() -> None:
    assert study_identifier("1.2.3") == {
        "use": "official",
        "type": {
            "coding": [
                {
                    "system": "http://dicom.nema.org/resources/ontology/DCM",
                    "code": "110180",
                    "display": "Study Instance UID",
                }
            ]
        },
        "system": "urn:dicom:uid",
        "value": "urn:oid:1.2.3",
    }


@given(st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,5})){1,8}", fullmatch=True))
def test_a_uid_comes_back_from_its_urn(uid: str) -> None:
    assert bare_uid(uid_urn(uid)) == uid
    assert bare_uid(uid) == uid


def test_what_is_no_oid_keeps_its_prefix() -> None:
    assert bare_uid("urn:oid:1.02") == "urn:oid:1.02"
    assert bare_uid("urn:uuid:1") == "urn:uuid:1"


@pytest.mark.parametrize("value", ["0", "1", "123456", "unknown", "TEST", "", " "])
def test_a_placeholder_number_is_known_as_one(value: str) -> None:
    assert Placeholders().number(value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DOE^JOHN", True),
        ("Baby Of^Smith", True),
        ("BABY OF SMITH^", True),
        ("", True),
        ("DOERING^ANNA", False),
        ("Unknowns^Anna", False),
    ],
)
def test_a_placeholder_name_is_known_as_one(name: str, expected: bool) -> None:
    assert Placeholders().name(name) is expected


def test_a_site_has_its_own_placeholder_table() -> None:
    site = Placeholders(numbers=frozenset({"999"}), dates=frozenset({"19010101"}))
    assert site.number("999")
    assert not site.number("1")
    assert site.date("19010101")
    assert not site.date("19800101")
