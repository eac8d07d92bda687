"""Good R4 resources to break one thing at a time in."""

from typing import Any

DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Ann</p></div>'


def patient() -> dict[str, Any]:
    """A Patient with one of each kind of member that the gate looks at."""
    return {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"lastUpdated": "2026-11-24T03:45:15.123Z", "tag": [{"code": "settled"}]},
        "text": {"status": "generated", "div": DIV},
        "contained": [{"resourceType": "Organization", "id": "org", "name": "Home"}],
        "extension": [{"url": "http://x.example/e", "valueBoolean": True}],
        "identifier": [{"system": "http://x.example/mrn", "value": "42"}],
        "active": True,
        "name": [{"family": "Curie", "given": ["Ann", None], "_given": [None, {"id": "g"}]}],
        "telecom": [{"system": "phone", "value": "555", "rank": 1, "period": {"start": "2020"}}],
        "gender": "female",
        "birthDate": "1980-02-29",
        "_birthDate": {"extension": [{"url": "http://x.example/t", "valueDateTime": "1980"}]},
        "deceasedBoolean": False,
        "contact": [{"name": {"text": "Bob"}}],
        "managingOrganization": {"reference": "#org"},
        "photo": [{"contentType": "image/png", "data": "AAAA"}],
        "link": [{"other": {"reference": "Patient/p2"}, "type": "seealso"}],
    }


def study() -> dict[str, Any]:
    """An ImagingStudy as a PACS would tell it."""
    return {
        "resourceType": "ImagingStudy",
        "id": "s1",
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "started": "2022-08-22T08:31:17+02:00",
        "numberOfSeries": 1,
        "endpoint": [{"reference": "https://h.example/fhir/Endpoint/e1"}],
        "note": [{"time": "2022-08-22", "text": "*fine*"}],
        "series": [
            {
                "uid": "1.2.3.1",
                "number": 0,
                "modality": {
                    "system": "http://dicom.nema.org/resources/ontology/DCM",
                    "code": "CT",
                },
                "instance": [{"uid": "1.2.3.1.1", "sopClass": {"code": "urn:oid:1.2.840"}}],
            }
        ],
    }


def observation() -> dict[str, Any]:
    """An Observation with a decimal, a time and a range."""
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "73569-6"}]},
        "effectivePeriod": {"start": "2020-01-01", "end": "2020-01-02T10:00:00Z"},
        "issued": "2020-01-02T10:00:00.000+02:00",
        "valueQuantity": {"value": 72.5, "system": "http://unitsofmeasure.org", "code": "mGy"},
        "referenceRange": [{"low": {"value": 1}, "high": {"value": 2}}],
    }
