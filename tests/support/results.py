"""Observations, visits and documents with few different values: for searches by number and in pairs."""

from random import Random
from typing import Any

from tests.support.records import SCT, SYSTEMS, TIMES, some

Json = dict[str, Any]

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
CODES = (("8480-6", "Systolic"), ("8462-4", "Diastolic"), ("29463-7", "Weight"))
NUMBERS: tuple[Json, ...] = (
    {"value": 5.4, "unit": "mg", "system": UCUM, "code": "mg"},
    {"value": 5.40, "unit": "milligram", "system": UCUM, "code": "mg"},
    {"value": 5.45, "unit": "mg"},
    {"value": 5, "comparator": "<", "unit": "mm", "system": UCUM, "code": "mm"},
    {"value": 120, "comparator": ">=", "unit": "mm[Hg]", "system": UCUM, "code": "mm[Hg]"},
    {"value": 119.5, "unit": "mm[Hg]", "system": UCUM, "code": "mm[Hg]"},
    {"value": -3, "system": SYSTEMS[0], "code": "mm"},
    {"value": 0.0054},
    {"unit": "mm"},
)
# What is asked: numbers near to those, in as many digits as make a difference.
ASKED = ("5.4", "5.40", "5.45", "5", "120", "119.5", "100", "1e2", "-3", "5.4e-3", "0", "1000")
UNITS = ("", "", f"|{UCUM}|mg", f"|{UCUM}|mm", "||mg", "||milligram", f"|{SYSTEMS[0]}|mm")
_WORDS = ("Normal", "Nodule, upper", "normal lung")
_FINDINGS = (("27925004", "Nodule"), ("17621005", "Normal"))


def observation(dice: Random, id_: str, subject: str, study: str) -> Json:
    """An Observation of a patient, with a value of any kind, or components, or both."""
    body: Json = {
        "resourceType": "Observation",
        "id": id_,
        "status": dice.choice(("final", "preliminary")),
        "code": _code(dice),
        "subject": {"reference": f"Patient/{subject}"},
        **_value(dice),
        "component": [{"code": _code(dice)} | _value(dice) for _ in range(dice.randrange(3))],
        "derivedFrom": [{"reference": f"ImagingStudy/{study}"} for _ in some(dice, (1,), 0.5)],
    }
    for time in some(dice, TIMES):
        body["effectiveDateTime"] = time
    return {key: value for key, value in body.items() if value != []}


def _code(dice: Random) -> Json:
    code, shown = dice.choice(CODES)
    known = [{"system": SYSTEMS[0], "code": code} for _ in some(dice, (1,), 0.3)]
    return {"coding": [{"system": LOINC, "code": code, "display": shown}, *known], "text": shown}


def _value(dice: Random) -> Json:
    """Most often a number."""
    code, shown = dice.choice(_FINDINGS)
    coding = {"system": SCT, "code": code, "display": shown}
    others: tuple[Json, ...] = (
        {"valueCodeableConcept": {"coding": [coding], "text": f"{shown} seen"}},
        {"valueString": dice.choice(_WORDS)},
        {"valueDateTime": dice.choice(TIMES)},
        {"valuePeriod": {"start": dice.choice(TIMES)}},
        {},
    )
    return dice.choice(({"valueQuantity": dice.choice(NUMBERS)}, dice.choice(others)))


def encounter(dice: Random, id_: str, subject: str) -> Json:
    """A visit, perhaps with its length."""
    body: Json = {"resourceType": "Encounter", "id": id_, "status": "finished"}
    body |= {"class": {"code": dice.choice(("AMB", "IMP"))}}
    body["subject"] = {"reference": f"Patient/{subject}"}
    for hours in some(dice, (5, 5.4, 120)):
        body["length"] = {"value": hours, "unit": "h", "system": UCUM, "code": "h"}
    for time in some(dice, TIMES):
        body["period"] = {"start": time}
    return body


def letter(dice: Random, id_: str, subject: str, others: tuple[str, ...]) -> Json:
    """A document that may replace or append to others, of ours and of elsewhere."""
    related = [
        {"code": dice.choice(("replaces", "appends")), "target": {"reference": one}}
        for one in dice.sample((*others, "https://o.example/fhir/DocumentReference/9"), 2)
        if dice.random() < 0.7
    ]
    body: Json = {"resourceType": "DocumentReference", "id": id_, "status": "current"}
    body |= {"subject": {"reference": f"Patient/{subject}"}}
    body |= {"content": [{"attachment": {"contentType": "application/pdf"}}]}
    return body | ({"relatesTo": related} if related else {})
