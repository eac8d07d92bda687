"""A house with many patients and studies, put in at once: for what must not grow with them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import insert

from fhir import extract
from server.flows.sites import HOME, House
from server.store import resources
from server.store.fhir_tables import resource
from tests.support.records import DCM
from tests.support.results import LOINC, UCUM

Json = dict[str, Any]

STUDIES_EACH, RESULTS = 3, 2000
_BATCH = 5000
_MODALITIES = ("CT", "MR", "US", "MG")


def bodies(people: int) -> Iterator[tuple[Json, str]]:
    """An Endpoint, and each patient with three studies, the first ones with a result; and whose it is."""
    yield {"resourceType": "Endpoint", "id": "e1", "status": "active", "name": "DICOMweb"}, ""
    for number in range(people):
        yield _patient(number), f"p{number}"
        if number < RESULTS:
            yield _result(number), f"p{number}"
        for place in range(STUDIES_EACH):
            yield _study(number * STUDIES_EACH + place, number), f"p{number}"


def _patient(number: int) -> Json:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": "http://m.example", "value": f"MRN{number}"}],
        "name": [{"family": f"Family{number % 997}", "given": ["Ann"]}],
        "birthDate": f"{1930 + number % 80}-0{1 + number % 9}-1{number % 9}",
        "gender": ("male", "female")[number % 2],
    }


def _result(number: int) -> Json:
    """A pressure of which no two are the same, in the one code and unit of all."""
    ucum = {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
        "subject": {"reference": f"Patient/p{number}"},
        "valueQuantity": {"value": 80 + number * 37 % RESULTS / 100, **ucum},
    }


def _study(number: int, person: int) -> Json:
    day = f"{2010 + number % 16}-0{1 + number % 9}-{10 + number % 18}"
    return {
        "resourceType": "ImagingStudy",
        "id": f"s{number}",
        "status": "available",
        "identifier": [
            {"system": "urn:dicom:uid", "value": f"urn:oid:1.2.{number}"},
            {"system": "http://a.example", "value": f"ACC{number}"},
        ],
        "subject": {"reference": f"Patient/p{person}"},
        "endpoint": [{"reference": "Endpoint/e1"}],
        "started": f"{day}T08:{number % 60:02d}:00Z",
        "series": [
            {
                "uid": f"1.2.{number}.1",
                "modality": {"system": DCM, "code": _MODALITIES[number // 7 % 4]},
            }
        ],
    }


def fill(house: House, people: int) -> None:
    """Put them in, one second after the other, with their index rows."""
    stored: list[Json] = []
    index: dict[Any, list[Json]] = {}
    for rid, (body, owner) in enumerate(bodies(people), 1):
        stored.append(_row(house, rid, body, owner))
        for row in extract.rows(body, base=house.config.fhir_base):
            table, values = resources.index_values(row)
            key = {"organisation": HOME, "rid": rid}
            param = {"param": resources.param_id(body["resourceType"], row.param)}
            index.setdefault(table, []).append(key | param | values)
    with house.database.write() as connection:
        for table, rows in ((resource, stored), *index.items()):
            for start in range(0, len(rows), _BATCH):
                connection.execute(insert(table), rows[start : start + _BATCH])


def _row(house: House, rid: int, body: Json, owner: str) -> Json:
    return {
        "organisation": HOME,
        "rid": rid,
        "type": body["resourceType"],
        "id": body["id"],
        "version": 1,
        "updated": 1_600_000_000_000_000 + rid * 1_000_000,
        "filed_under": owner,
        "text": "{}",
    }
