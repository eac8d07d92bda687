"""Field by field beside other converters: the same, or different for a reason that is written here.

The pairs of messages and bundles are those of microsoft/FHIR-Converter, and the one admission of
HL7-v2-to-fhir. What they make of segments that carry no radiology (GT1, IN1, PRT, OBX in ADT) is
not compared.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fhir.datetimes import search_range
from hl7.message import parse
from tests.support.hl7_graph import graph
from tests.support.hl7_samples import hl7_sample
from tests.support.samples import samples

Json = dict[str, Any]
Pick = Callable[[Json], list[Any]]
PEER = "microsoft-FHIR-Converter"
IG_PEER, IG = "HL7-v2-to-fhir", "IG-test-ADT_A01"
IG_BUNDLE = "FHIR_bundle.hl7_ADT_A01.json"

ADT = ("ADT-A01-01", "ADT-A01-02", "ADT-A04-02", "ADT-A05-01", "ADT-A11-01", "ADT-A13-01")
REST = ("ADT-A13-02", "ADT-A28-01", "ADT04-23", "ADT04-251", "ADT04-28")
ORDERS = ("ORM-O01-01", "ORM-O01-02", "ORM-O01-03")
NAMES = (*ADT, *REST, *ORDERS, "LAB-ORU-2", IG)
GOOD_HEALTH = tuple(name for name in NAMES if name in (*ADT, *REST[:2], *ORDERS))


def codes(concept: Json) -> list[Any]:
    return [coding.get("code") for coding in concept.get("coding", [])]


def each(resource: Json, name: str, member: str) -> list[Any]:
    return [one.get(member) for one in resource.get(name, [])]


def begins(text: str) -> list[int]:
    """A time as the instant at which it begins, so that zones do not count."""
    return [search_range(text)[0]] if text else []


# What is compared, by its place in the resource.
ELEMENTS: dict[str, Pick] = {
    "Patient.identifier": lambda one: each(one, "identifier", "value"),
    "Patient.name.family": lambda one: each(one, "name", "family"),
    "Patient.name.given": lambda one: [" ".join(n.get("given", [])) for n in one.get("name", [])],
    "Patient.gender": lambda one: [one.get("gender")],
    "Patient.birthDate": lambda one: [one.get("birthDate")],
    "Patient.address.city": lambda one: [c.strip() for c in each(one, "address", "city") if c],
    "Patient.address.postalCode": lambda one: each(one, "address", "postalCode"),
    "Patient.telecom": lambda one: each(one, "telecom", "value"),
    "Patient.maritalStatus": lambda one: codes(one.get("maritalStatus", {})),
    "Patient.deceasedDateTime": lambda one: begins(one.get("deceasedDateTime", "")),
    "Patient.deceasedBoolean": lambda one: [one.get("deceasedBoolean")],
    "Patient.multipleBirthInteger": lambda one: [one.get("multipleBirthInteger")],
    "Encounter.identifier": lambda one: each(one, "identifier", "value"),
    "Encounter.class": lambda one: [one.get("class", {}).get("code")],
    "Encounter.status": lambda one: [one.get("status")],
    "Encounter.period.start": lambda one: begins(one.get("period", {}).get("start", "")),
    "Encounter.period.end": lambda one: begins(one.get("period", {}).get("end", "")),
    "Practitioner.identifier": lambda one: each(one, "identifier", "value"),
    "Practitioner.name.family": lambda one: each(one, "name", "family"),
    "Organization.name": lambda one: [one.get("name")],
    "ServiceRequest.identifier": lambda one: each(one, "identifier", "value"),
    "ServiceRequest.code": lambda one: codes(one.get("code", {})),
    "ServiceRequest.status": lambda one: [one.get("status")],
    "DiagnosticReport.code": lambda one: codes(one.get("code", {})),
    "DiagnosticReport.status": lambda one: [one.get("status")],
    "Observation.code": lambda one: codes(one.get("code", {})),
    "Observation.valueQuantity": lambda one: [str(one.get("valueQuantity", {}).get("value", ""))],
    "Observation.status": lambda one: [one.get("status")],
}
# The reason for each difference, and the messages that show it.
WITH_RELATIVES = ("ADT-A01-01", "ADT-A05-01", "ADT-A13-01", "ADT-A28-01")
WITH_RESULTS = (*WITH_RELATIVES, "ADT-A11-01")
_OTHERS = "guarantors, the insured and relatives (GT1, IN1, IN2) are not the patient"
_NO_ORDER = "ORC and OBX in an ADT message are no order and no result of radiology"
_UNNUMBERED = "whose number names no issuer stays a name"
_UNREAD = "PV1-52, PV2-13, DG1, PDA, PRT, ROL, FT1, GT1 and IN1 tell nothing for radiology"
_NO_VISIT = "a visit without a number (PV1-19) cannot be found again"
_STATES = "the states that R4 has are used, where the peer writes unknown"
DIFFERS: dict[str, dict[str, tuple[str, ...]]] = {
    "Patient.identifier": {
        "social security numbers stay out unless a site wants them": (
            *(*GOOD_HEALTH, "ADT04-28", "LAB-ORU-2"),
        ),
        "a licence (PID-20) is one of the patient's, an insurance (IN1) is not read": (IG,),
    },
    "Patient.name.family": {_OTHERS: WITH_RELATIVES},
    "Patient.name.given": {"XPN-14, a professional suffix, is no given name": GOOD_HEALTH},
    "Patient.birthDate": {"a time of birth is an extension of it": (IG,)},
    "Patient.address.city": {_OTHERS: ("ADT-A01-01",)},
    "Patient.address.postalCode": {_OTHERS: ("ADT-A01-01",)},
    "Patient.telecom": {
        "XTN-1 is the number; XTN-12 and the parts of XTN only count without it": GOOD_HEALTH,
        "all numbers of PID-13 and PID-14 are kept, not mail alone": (IG,),
        "a number of 2.3, with its use in the place of XTN-2, is a number": ("ADT04-23",),
    },
    "Patient.multipleBirthInteger": {"0 is no place in a birth order": ("ADT04-23",)},
    "Encounter.identifier": {
        "the account (PID-18) is one, because there is no Account": (
            *(name for name in GOOD_HEALTH if name != "ADT-A28-01"),
            *("ADT04-23", IG),
        ),
        "A28 tells of a person, not of a visit": ("ADT-A28-01",),
    },
    "Encounter.class": {
        "A28 tells of a person, not of a visit": ("ADT-A28-01",),
        _NO_VISIT: ("ADT04-251",),
    },
    "Encounter.status": {
        "A28 tells of a person, not of a visit": ("ADT-A28-01",),
        _NO_VISIT: ("ADT04-251",),
        "a visit with a discharge time has ended": ("ADT-A04-02",),
        "an order does not tell how far its visit is": ORDERS,
    },
    "Encounter.period.start": {
        "A28 tells of a person, not of a visit": ("ADT-A28-01",),
        _NO_VISIT: ("ADT04-251",),
        "PV1-44 has a time of day": (IG,),
        "PV1-44 is empty; PV2 tells what is expected": ("ADT-A05-01",),
    },
    "Encounter.period.end": {
        "A28 tells of a person, not of a visit": ("ADT-A28-01",),
        "PV1-45 is empty; PV2 tells what is expected": ("ADT-A05-01", "ADT-A11-01"),
    },
    "Practitioner.identifier": {
        _UNREAD: (*(name for name in ADT if name != "ADT-A01-02"), "ADT-A13-02", "ADT-A28-01"),
        "PV1-52 is not read": ("ADT-A01-02",),
        _UNNUMBERED: (*ORDERS, "ADT04-251"),
        "the doctors of the visit (PV1) are people too": (IG,),
    },
    "Practitioner.name.family": {
        _UNREAD: (*(name for name in ADT if name != "ADT-A01-02"), "ADT-A13-02", "ADT-A28-01"),
        _UNNUMBERED: (*ORDERS, "ADT04-23", "ADT04-251", "LAB-ORU-2"),
    },
    "Organization.name": {
        "who has no number (XON-10) stays a name, and MSH-21 names profiles": (
            *(*GOOD_HEALTH, "ADT04-28"),
        ),
        "the application that receives is no organisation": (IG,),
    },
    "ServiceRequest.identifier": {_NO_ORDER: WITH_RELATIVES},
    "ServiceRequest.status": {
        _NO_ORDER: WITH_RELATIVES,
        "a final report completes its order": ("LAB-ORU-2",),
    },
    "DiagnosticReport.code": {
        "LOINC 18748-4 says that a report is one of imaging": ("LAB-ORU-2",),
        "an order is no report": ("ORM-O01-02",),
    },
    "DiagnosticReport.status": {
        "OBR-25 tells the status": ("LAB-ORU-2",),
        "an order is no report": ("ORM-O01-02",),
    },
    "Observation.code": {_NO_ORDER: (*WITH_RESULTS, IG)},
    "Observation.valueQuantity": {_NO_ORDER: (IG,)},
    "Observation.status": {_NO_ORDER: (*WITH_RESULTS, IG), _STATES: ("ORM-O01-01",)},
}


def found(resources: list[Json], element: str) -> set[Any]:
    kind = element.partition(".")[0]
    values = (v for one in resources if one["resourceType"] == kind for v in ELEMENTS[element](one))
    return {value for value in values if value not in (None, "")}


def pair(name: str) -> tuple[list[Json], list[Json]]:
    """What we and what the peer make of a message."""
    peer, file = (PEER, f"{name}-expected.json") if name != IG else (IG_PEER, IG_BUNDLE)
    theirs = json.loads(samples("hl7", peer, "expected", file).read_text())
    return graph(parse(hl7_sample(peer, name))), [one["resource"] for one in theirs["entry"]]


def reasons(name: str, element: str) -> Iterator[str]:
    for reason, names in DIFFERS.get(element, {}).items():
        if name in names:
            yield reason


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_we_agree_with_the_peer_or_say_why_not(name: str, element: str) -> None:
    ours, theirs = pair(name)
    same = found(ours, element) == found(theirs, element)
    assert same != any(reasons(name, element)), (found(ours, element), found(theirs, element))
