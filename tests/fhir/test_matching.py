"""What a resource says is found by searching for it, and by nothing else (R4 3.1.1.4)."""

from typing import Any

import pytest

from fhir import query as q
from fhir.extract import EVERYWHERE, rows
from fhir.matching import matches
from fhir.search import parse

BASE = "https://h.example/fhir"
STUDY: dict[str, Any] = {
    "resourceType": "ImagingStudy",
    "id": "s1",
    "meta": {"lastUpdated": "2022-09-01T00:00:00Z", "profile": ["http://p.example/a/b"]},
    "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
    "status": "available",
    "subject": {"reference": "Patient/p1", "identifier": {"system": "http://x", "value": "7"}},
    "started": "2022-08-22T08:31:17+02:00",
    "reasonCode": [{"text": "Severe chest pain"}],
    "series": [
        {
            "uid": "1.2.3.1",
            "modality": {"system": "http://d", "code": "CT"},
            "instance": [{"uid": "1.2.3.1.1", "sopClass": {"code": "urn:oid:1.2.840"}}],
        }
    ],
}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Müller", "given": ["Ann Marie"]}],
    "birthDate": "1980-05",
    "gender": "female",
}


def meets(resource: dict[str, Any], name: str, text: str) -> bool:
    query = parse(resource["resourceType"], [(name, text)], strict=True, base=BASE)
    found = rows(resource, base=BASE, answers=EVERYWHERE)
    return all(isinstance(c, q.Criterion) and matches(c, found) for c in query.conditions)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_id", "s0,s1"),
        ("_lastUpdated", "gt2022-08-31"),
        ("_profile", "http://p.example/a/b"),
        ("_profile:below", "http://p.example/a"),
        ("_profile:above", "http://p.example/a/b/c"),
        ("identifier", "urn:dicom:uid|urn:oid:1.2.3"),
        ("identifier", "urn:dicom:uid|1.2.3"),
        ("identifier", "urn:oid:1.2.3"),
        ("identifier", "1.2.3"),
        ("identifier", "urn:dicom:uid|"),
        ("status", "registered,available"),
        ("status", "AVAILABLE"),
        ("status:not", "cancelled"),
        ("patient", "p1"),
        ("patient", "Patient/p1"),
        ("subject", f"{BASE}/Patient/p1"),
        ("subject:identifier", "http://x|7"),
        ("started", "2022-08-22"),
        ("started", "le2022-08-22T06:31:17Z"),
        ("started", "ge2022-08-22T06:31:17Z"),
        ("started", "sa2022-08-21"),
        ("started", "eb2022-08-23"),
        ("started", "ne2022-08-23"),
        ("started", "ap2022-08-22"),
        ("reason:text", "chest"),
        ("reason:text", "Severe ch"),
        ("modality", "ct"),
        ("modality", "http://d|CT"),
        ("instance", "urn:oid:1.2.3.1.1"),
        ("dicom-class", "1.2.840"),
        ("series", "1.2.3.1"),
        ("encounter:missing", "true"),
        ("subject:missing", "false"),
    ],
)
def test_a_study_is_found(name: str, text: str) -> None:
    assert meets(STUDY, name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_id", "S1"),
        ("identifier", "|1.2.3"),
        ("identifier", "urn:dicom:uid|1.2"),
        ("status:not", "available,cancelled"),
        ("patient", "p2"),
        ("subject", "Device/p1"),
        ("subject", "https://other.example/fhir/Patient/p1"),
        ("started", "2022-08-23"),
        ("started", "gt2022-08-22"),
        ("started", "lt2022-08-22"),
        ("started", "ne2022"),
        ("reason:text", "hest"),
        ("modality", "|CT"),
        ("encounter:missing", "false"),
        ("subject:missing", "true"),
    ],
)
def test_a_study_is_not_found_by_what_it_does_not_say(name: str, text: str) -> None:
    assert not meets(STUDY, name, text)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("name", "muller", True),
        ("name", "MÜL", True),
        ("name", "uller", False),
        ("name:contains", "ULL", True),
        ("name:exact", "Müller", True),
        ("name:exact", "Muller", False),
        ("given", "ann", True),
        ("phonetic", "Miller", True),
        ("phonetic", "Smith", False),
        ("birthdate", "1980-05", True),
        ("birthdate", "1980", True),
        ("birthdate", "1980-05-01", False),
        ("birthdate", "ap1980-05-01", True),
        ("birthdate", "lt1980-05-15", True),
        ("deceased", "false", True),
    ],
)
def test_a_patient_is_found_by_name_and_date(name: str, text: str, found: bool) -> None:
    assert meets(PATIENT, name, text) is found


UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"


def measured(code: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": value}


PRESSURE: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    **measured("85354-9", {"value": 5.4, "unit": "milligram", "system": UCUM, "code": "mg"}),
    "component": [
        measured("8480-6", {"value": 120, "unit": "mmHg"}),
        measured("8462-4", {"value": 60, "comparator": "<", "unit": "mmHg"}),
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("value-quantity", "5.4", True),
        ("value-quantity", "5.40", True),
        ("value-quantity", "5.41", False),
        ("value-quantity", f"5.4|{UCUM}|mg", True),
        ("value-quantity", f"5.4|{UCUM}|g", False),
        ("value-quantity", "5.4||milligram", True),
        ("value-quantity", "5.4||mg", True),
        ("value-quantity", "gt5.4", False),
        ("value-quantity", "ge5.4", True),
        ("value-quantity", "ap5.9", True),
        ("value-quantity", "ne6", True),
        ("value-quantity:missing", "true", False),
        ("component-value-quantity", "120||mmHg", True),
        # Less than 60 may be 50, and is not 60.
        ("component-value-quantity", "lt50", True),
        ("component-value-quantity", "60", False),
        ("component-value-quantity", "5.4", False),
        ("combo-value-quantity", "5.4,7", True),
        ("code-value-quantity", f"{LOINC}|85354-9$5.4", True),
        ("code-value-quantity", "8480-6$120", False),
        ("component-code-value-quantity", "8480-6$ge120", True),
        # Each is there, but not of one element.
        ("component-code-value-quantity", "8462-4$120", False),
        ("component-code-value-quantity:missing", "false", True),
        ("combo-code-value-quantity", "85354-9$lt6", True),
        ("combo-code-value-quantity", "8480-6$5.4", False),
    ],
)
def test_a_result_is_found_by_its_number(name: str, text: str, found: bool) -> None:
    """R4 3.1.1.4.16 and 3.1.1.4.17."""
    assert meets(PRESSURE, name, text) is found
