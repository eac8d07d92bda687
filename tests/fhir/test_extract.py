"""Index rows hold what searches compare: folded, normalised, and each once."""

from typing import Any

import pytest

from fhir.datetimes import BEGINNING, FOREVER, search_range
from fhir.extract import (
    EVERYWHERE,
    DateRow,
    ReferenceRow,
    StringRow,
    TokenRow,
    UriRow,
    rows,
    values,
)
from fhir.match_keys import sound
from fhir.search_params import TABLE

BASE = "https://h.example/fhir"


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", **members}


def study(**members: Any) -> dict[str, Any]:
    return {"resourceType": "ImagingStudy", "id": "s1", **members}


def found(resource: dict[str, Any], param: str) -> list[Any]:
    return [row for row in rows(resource, base=BASE) if row.param == param]


def test_every_part_of_a_name_is_found_under_name() -> None:
    name = {
        "use": "official",
        "text": "Dr. José Núñez",
        "family": "Núñez",
        "given": ["José", "María"],
        "prefix": ["Dr."],
        "suffix": ["Jr."],
    }
    resource = patient(name=[name])
    norms = [row.norm for row in found(resource, "name")]
    assert norms == ["dr. jose nunez", "nunez", "jose", "maria", "dr.", "jr."]
    assert found(resource, "family") == [StringRow("family", "nunez", "Núñez")]
    assert [row.exact for row in found(resource, "given")] == ["José", "María"]


def test_every_part_of_an_address_is_found_under_address_and_its_own() -> None:
    address = {
        "use": "home",
        "line": ["1 Main St", "Flat 2"],
        "city": "Köln",
        "postalCode": "50667",
        "country": "DE",
        "period": {"start": "2020"},
    }
    resource = patient(address=[address])
    norms = [row.norm for row in found(resource, "address")]
    assert norms == ["1 main st", "flat 2", "koln", "50667", "de"]
    assert found(resource, "address-city")[0].norm == "koln"
    assert found(resource, "address-use") == [TokenRow("address-use", "", "home")]


def test_an_identifier_is_kept_exactly_with_type_and_value_for_of_type() -> None:
    number = {
        "type": {
            "coding": [{"system": "http://x/0203", "code": "MR"}],
            "text": "Medical Record",
        },
        "system": "http://x/mrn",
        "value": "AbC-1",
    }
    resource = patient(identifier=[number, {"system": "http://x/none"}])
    assert found(resource, "identifier") == [
        TokenRow("identifier", "http://x/mrn", "AbC-1", "medical record")
    ]
    assert found(resource, "identifier:of-type") == [
        TokenRow("identifier:of-type", "http://x/0203", "MR|AbC-1")
    ]


@pytest.mark.parametrize("value", ["urn:oid:1.2.3", "1.2.3"])
def test_a_study_uid_is_kept_bare_however_it_was_written(value: str) -> None:
    resource = study(identifier=[{"system": "urn:dicom:uid", "value": value}])
    assert found(resource, "identifier") == [TokenRow("identifier", "urn:dicom:uid", "1.2.3")]


def test_a_concept_is_found_by_each_coding_and_by_its_text() -> None:
    reason = {
        "coding": [{"system": "http://s", "code": "A1", "display": "Chest Pain"}],
        "text": "pain in the chest",
    }
    assert found(study(reasonCode=[reason]), "reason") == [
        TokenRow("reason", "http://s", "a1", "chest pain"),
        TokenRow("reason", "", "", "pain in the chest"),
    ]
    assert found(study(reasonCode=[{"text": "cough"}]), "reason") == [
        TokenRow("reason", "", "", "cough")
    ]


def test_modalities_of_equal_series_make_one_row() -> None:
    series = [{"modality": {"system": "http://d", "code": "CT"}}] * 3
    assert found(study(series=series), "modality") == [TokenRow("modality", "http://d", "ct")]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "false"),
        ({"deceasedBoolean": False}, "false"),
        ({"deceasedBoolean": True}, "true"),
        ({"deceasedDateTime": "2020-01-01"}, "true"),
    ],
)
def test_deceased_is_whether_a_death_is_told(members: dict[str, Any], code: str) -> None:
    assert found(patient(**members), "deceased") == [TokenRow("deceased", "", code)]


def test_contact_points_are_found_by_number_without_punctuation_and_mail_without_case() -> None:
    telecom = [
        {"system": "phone", "value": "+1 (555) 010-99", "use": "home"},
        {"system": "email", "value": "Ann@Example.org"},
        {"system": "fax"},
    ]
    resource = patient(telecom=telecom)
    assert found(resource, "phone") == [TokenRow("phone", "home", "+155501099")]
    assert found(resource, "email") == [TokenRow("email", "", "ann@example.org")]
    assert len(found(resource, "telecom")) == 2


def test_dates_cover_their_precision_and_open_periods_have_no_end() -> None:
    assert found(patient(birthDate="1970"), "birthdate") == [
        DateRow("birthdate", *search_range("1970"))
    ]
    resource = study(started="2022-08-22T08:31:17+02:00")
    (row,) = found(resource, "started")
    assert row.high - row.low == 1_000_000


def test_a_period_is_open_where_it_says_nothing() -> None:
    table = {"Endpoint": {"p": TABLE["Patient"]["birthdate"]}}
    for period, low, high in (
        ({"start": "2020"}, search_range("2020")[0], FOREVER),
        ({"end": "2020"}, BEGINNING, search_range("2020")[1]),
    ):
        resource = {"resourceType": "Endpoint", "birthDate": period}
        assert rows(resource, base=BASE, table=table) == [DateRow("birthdate", low, high)]
    empty = {"resourceType": "Endpoint", "birthDate": {"id": "x"}}
    assert rows(empty, base=BASE, table=table) == []


@pytest.mark.parametrize(
    ("reference", "kind", "ident", "url"),
    [
        ("Patient/p1", "Patient", "p1", ""),
        (f"{BASE}/Patient/p1", "Patient", "p1", ""),
        ("Patient/p1/_history/2", "Patient", "p1", ""),
        ("https://other.example/fhir/Patient/p1", "", "", "https://other.example/fhir/Patient/p1"),
        ("urn:uuid:1", "", "", "urn:uuid:1"),
        ("#p", "", "", "#p"),
    ],
)
def test_a_reference_is_ours_or_somebody_elses(
    reference: str, kind: str, ident: str, url: str
) -> None:
    resource = study(subject={"reference": reference})
    assert found(resource, "subject") == [ReferenceRow("subject", kind, ident, url)]


def test_patient_sees_patients_only_and_subject_sees_all() -> None:
    resource = study(subject={"reference": "Device/d1"})
    assert found(resource, "patient") == []
    assert found(resource, "subject") == [ReferenceRow("subject", "Device", "d1")]


def test_a_reference_by_identifier_is_found_by_it() -> None:
    accession = {"system": "http://x/acsn", "value": "A1"}
    resource = study(basedOn=[{"type": "ServiceRequest", "identifier": accession}])
    assert found(resource, "basedon") == [ReferenceRow("basedon", "ServiceRequest", "")]
    assert found(resource, "basedon:identifier") == [
        TokenRow("basedon:identifier", "http://x/acsn", "A1")
    ]


def test_tags_profiles_and_source_are_found() -> None:
    meta = {
        "profile": ["http://p|1"],
        "source": "urn:hl7v2:a:b#1",
        "tag": [{"system": "urn:triptych:tag", "code": "settled"}],
    }
    resource = patient(meta=meta)
    assert found(resource, "_tag") == [TokenRow("_tag", "urn:triptych:tag", "settled")]
    assert found(resource, "_profile") == [UriRow("_profile", "http://p|1")]
    assert found(resource, "_source") == [UriRow("_source", "urn:hl7v2:a:b#1")]


def test_what_is_joined_or_a_column_has_no_rows_unless_asked_for() -> None:
    instance = {
        "uid": "1.2.3.4",
        "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840"},
    }
    resource = study(series=[{"uid": "1.2.3", "instance": [instance]}])
    assert not {row.param for row in rows(resource, base=BASE)} & {"instance", "series", "_id"}
    everything = rows(resource, base=BASE, answers=EVERYWHERE)
    assert TokenRow("instance", "", "1.2.3.4") in everything
    assert TokenRow("dicom-class", "urn:ietf:rfc:3986", "1.2.840") in everything
    assert TokenRow("_id", "", "s1") in everything


def test_members_that_are_only_extended_make_no_row() -> None:
    resource = patient(
        name=[{"given": [None, "Ann"], "_given": [{"id": "a"}, None]}], _gender={"id": "g"}
    )
    assert [row.exact for row in found(resource, "given")] == ["Ann"]
    assert found(resource, "gender") == []


def test_a_path_that_is_no_path_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="no step"):
        list(values({}, "name.where(use='x')"))


def test_names_that_sound_alike_have_one_key() -> None:
    assert sound("Robert") == sound("Rupert") == "r163"
    assert sound("Ashcraft") == "a261"
    assert sound("Tymczak") == "t522"
    assert sound("Núñez Lee") == "n520 l000"
    assert sound("山田") == "山田"


def test_a_composite_pairs_what_stands_in_one_element_and_no_more_than_is_sane() -> None:
    def coded(number: int) -> dict[str, Any]:
        codings = [{"system": "http://c", "code": f"c{n}"} for n in range(number)]
        return {"code": {"coding": codings}, "valueCodeableConcept": {"coding": codings}}

    body = {"resourceType": "Observation", "id": "o1", "component": [coded(1), coded(2)]}
    pairs = found(body, "component-code-value-concept")
    assert [(row.code, row.value) for row in pairs] == [
        *(("c0", "c0"), ("c0", "c1")),
        *(("c1", "c0"), ("c1", "c1")),
    ]
    assert found(body, "code-value-concept") == []
    assert len(found(body | {"component": [coded(2000)]}, "component-code-value-concept")) == 400
