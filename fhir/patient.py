"""Patient (R4) from a DICOM header, for people of whom nothing better is known (mapping 1.5)."""

from typing import Any

from dicom.facts import Number, PatientFacts
from fhir.codes import TAGS, coded
from fhir.datetimes import fhir_date
from fhir.identifiers import Site, patient_system, typed_identifier
from fhir.names import human_names
from fhir.text import clean

GENDER = {"M": "male", "F": "female", "O": "other"}
ANIMAL = "http://hl7.org/fhir/StructureDefinition/patient-animal"
DE_IDENTIFIED = "de-identified"

Json = dict[str, Any]


def build(patient: PatientFacts, site: Site, *, id: str, tags: tuple[str, ...] = ()) -> Json:
    """The Patient that a header describes; address, telecom and death are not taken from images."""
    codes = (*tags, *([DE_IDENTIFIED] if patient.removed else []))
    fields = {
        "resourceType": "Patient",
        "id": id,
        "meta": {"tag": [coded(TAGS, code) for code in codes]} if codes else None,
        "extension": _animal(patient),
        "identifier": identifiers(patient, site),
        "name": human_names(patient.name),
        "gender": GENDER.get(patient.sex.strip().upper()),
        "birthDate": fhir_date(patient.birth_date),
    }
    return {key: value for key, value in fields.items() if value not in (None, "", [])}


def identifiers(patient: PatientFacts, site: Site) -> list[Json]:
    """The patient's numbers, each once: the main one first, as medical record number."""
    found = [_identifier(patient.number, site, main=True)]
    found += [_identifier(number, site, main=False) for number in patient.others]
    by_key: dict[tuple[str, str], Json] = {}
    for one in found:
        if one["value"]:
            by_key.setdefault((one.get("system", ""), one["value"]), one)
    return list(by_key.values())


def warnings(patient: PatientFacts) -> tuple[str, ...]:
    """What of the header could not be told in FHIR, as tag and reason; never the value itself."""
    found = []
    if patient.birth_date.strip() and not fhir_date(patient.birth_date):
        found.append("(0010,0030) is not a calendar date")
    if patient.sex.strip() and patient.sex.strip().upper() not in GENDER:
        found.append("(0010,0040) is none of M, F, O")
    return tuple(found)


def _identifier(number: Number, site: Site, *, main: bool) -> Json:
    value, system = clean(number.value), patient_system(number.issuer, site)
    if main:
        body = typed_identifier(value, kind="MR", system=system, use="usual")
    else:
        body = ({"system": system} if system else {}) | {"value": value}
    namespace = clean(number.issuer.namespace)
    return body | ({"assigner": {"display": namespace}} if namespace else {})


def _animal(patient: PatientFacts) -> list[Json]:
    """The patient-animal extension (0010,2201 and 0010,2292); a breed needs its species."""
    species, breed = clean(patient.species), clean(patient.breed)
    if not species:
        return []
    parts = [("species", species)] + ([("breed", breed)] if breed else [])
    nested = [{"url": url, "valueCodeableConcept": {"text": text}} for url, text in parts]
    return [{"url": ANIMAL, "extension": nested}]
