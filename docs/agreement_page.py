"""The page that sets what the server makes of HL7 v2 beside what other converters make of it.

The counts are measured (tests/support/agreement.py), the reasons are written here by hand. Tests hold
that no difference is without a reason, and no reason without a difference.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from docs.tables import NOTE, code, table

# By family of message and element: agreed, another value, ours alone, theirs alone.
Counts = dict[str, dict[str, list[int]]]
COUNTS = Path(__file__).parent / "agreement.json"
SEEN = "test_what_is_counted_is_what_the_server_makes"

_HEAD = ("Element", "Agree", "Differ", "Ours alone", "Theirs alone", "Why")
_UNREAD = "kept with the message, not read: nothing of radiology"
_NAMES = "number and name stand in the reference; a resource is made where the number has an issuer"
_BASE = "the site's own table, an OID or the site's base, so that HL7 and DICOM agree"
# Why we differ, by element or the beginning of its path; the longest that fits counts.
REASONS: Mapping[str, str] = {
    "Account": "no Account: PID-18 is an identifier of the Encounter",
    "AllergyIntolerance": f"AL1: {_UNREAD}",
    "ChargeItem": f"FT1: {_UNREAD}",
    "Condition": "DG1 of an order is its reasonCode; otherwise it is not read",
    "Coverage": f"IN1: {_UNREAD}",
    "Device": "the sender is in Provenance and meta.source, not a device of the patient's",
    "DiagnosticReport": "an order is no report",
    "DiagnosticReport._effectiveDateTime": "OBR-7 is empty, which US Core wants said",
    "DiagnosticReport.category": "a feed is one of imaging unless it has the trait not-imaging",
    "DiagnosticReport.code": "LOINC 18748-4 besides, which says that a report is one of imaging",
    "DiagnosticReport.language": "MSH-19",
    "DiagnosticReport.presentedForm": "the whole text, as it would be printed",
    "DiagnosticReport.resultsInterpreter": "OBR-32",
    "DiagnosticReport.specimen": f"SPM: {_UNREAD}",
    "DiagnosticReport.status": "OBR-25 tells it; the other writes unknown",
    "Encounter": "A28 and A29 tell of a person alone; a visit without PV1-19 cannot be found again",
    "Encounter.account": "no Account: PID-18 is an identifier of the Encounter",
    "Encounter.diagnosis": f"DG1: {_UNREAD}",
    "Encounter.episodeOfCare": f"PV1-54: {_UNREAD}",
    "Encounter.extension": f"PV2-38: {_UNREAD}",
    "Encounter.hospitalization": f"PV1-13, PV1-14, PV1-37, PV1-38 and PV1-16 as a courtesy: {_UNREAD}",
    "Encounter.hospitalization.preAdmissionIdentifier": f"its system is of CX-4: {_BASE}",
    "Encounter.identifier.assigner": "the name of who assigned it, without a resource for it",
    "Encounter.identifier.period": "CX-7 and CX-8 of the account",
    "Encounter.identifier.system": f"of CX-4: {_BASE}",
    "Encounter.identifier.type": "the account (PID-18) is one of the numbers",
    "Encounter.identifier.value": "the account (PID-18) is one of the numbers",
    "Encounter.length": f"PV2-11: {_UNREAD}",
    "Encounter.location": "PV1-11 and PV1-42, temporary and pending places, are not read; a place is a name",
    "Encounter.participant": "ROL and PV1-52 are not read; of one bundle the people have no name",
    "Encounter.period": "PV1-44 and PV1-45 alone, not what PV2 expects; with the time of day",
    "Encounter.priority": "PV1-4 is Encounter.type",
    "Encounter.serviceProvider": "the facility of PV1-3",
    "Encounter.status": "a discharge time ends a visit, and an order does not tell how far one is",
    "Encounter.subject": "one bundle leaves the patient out",
    "EpisodeOfCare": f"PV1-54: {_UNREAD}",
    "Linkage": "a merge is Patient.link on both sides, and subjects move",
    "Location": "a place is named in the Encounter; there is no Location",
    "MedicationDispense": f"RXD in an order: {_UNREAD}",
    "MessageHeader": "the message is kept as it came; Provenance and meta.source name it",
    "Observation": "OBX in an admission or an order is no result of radiology",
    "Observation.basedOn": "its report names the order",
    "Observation.category": "a feed is one of imaging unless it has the trait not-imaging",
    "Observation.extension": "OBX-11 is the status",
    "Observation.specimen": f"SPM: {_UNREAD}",
    "Observation.valueQuantity": "a unit that is UCUM is coded too",
    "Organization": "whoever has no issued number (XON-10) stays a name; MSH and IN1 make none",
    "Organization.active": "we say that a record is in use",
    "Patient": "after a merge, both Patients tell of it",
    "Patient._birthDate": "PID-7 has a time of day, which one bundle puts elsewhere",
    "Patient.active": "whether a record is in use: a merge and A29 end that, and delete nothing",
    "Patient.address": "GT1 and IN1 are not the patient",
    "Patient.address.district": "XAD-9 is a code: its first part; without it PID-12",
    "Patient.address.line": "house number and street (XAD-1) are one line; addressees are no line",
    "Patient.address.period": "XAD-12 is not read",
    "Patient.address.use": "each address (PID-11) is kept, with its own use",
    "Patient.birthDate": "a date; the time of day is an extension of it",
    "Patient.communication": "one code, the BCP 47 tag of PID-15",
    "Patient.contact": "NK1-2 to NK1-7 of an ADT message; relatives of GT1 and IN1 are not read",
    "Patient.extension": "not read, except birth time and animals",
    "Patient.extension(patient-birthTime)": "it belongs to birthDate",
    "Patient.extension(patient-mothersMaidenName)": "not unless a site needs it: an answer to questions",
    "Patient.extension(us-core-ethnicity)": "in the realm us alone",
    "Patient.extension(us-core-race)": "in the realm us alone",
    "Patient.generalPractitioner": "PD1-3 and PD1-4 as people and organisations, without roles",
    "Patient.identifier.assigner": "the name of who assigned it, without a resource for it",
    "Patient.identifier.period": "PID-20.3, the end of a licence, is not read",
    "Patient.identifier.system": f"of CX-4: {_BASE}",
    "Patient.identifier.type": "social security, insurance (IN1) and licence numbers, as below",
    "Patient.identifier.use": "the one that the site goes by is the usual one",
    "Patient.identifier.value": "social security numbers (PID-19) only if a site wants them, IN1 never",
    "Patient.multipleBirthInteger": "0 is no place in a birth order",
    "Patient.name": "GT1 and IN1 are not the patient",
    "Patient.name.given": "XPN-14 and XPN-15 are no given names",
    "Patient.name.period": "XPN-12 and XPN-13 are not read",
    "Patient.name.suffix": "XPN-4 and XPN-6, not XPN-14",
    "Patient.name.use": "an alias (PID-9) is old, unless it says what it is",
    "Patient.telecom": "XTN-1 is the number; XTN-12 and the parts only count without it",
    "Patient.telecom.period": "XTN-13 and XTN-14 are not read",
    "Patient.telecom.rank": "XTN-18 is not read",
    "Practitioner": _NAMES,
    "Practitioner.active": "we say that a record is in use",
    "Practitioner.identifier.system": f"of XCN-9: {_BASE}",
    "Practitioner.name.period": "XCN-19 and XCN-20 are not read",
    "Practitioner.name.suffix": "XCN-5 and XCN-7, not XCN-21",
    "Practitioner.name.use": "table 0200 as R4 maps it; codes that came later have no use",
    "PractitionerRole": "a person is named without a role",
    "Procedure": f"PR1: {_UNREAD}",
    "Provenance": "one for each patient: which versions a message wrote, when, who sent it",
    "Provenance.location": f"EVN-7: {_UNREAD}",
    "Provenance.reason": f"EVN-4: {_UNREAD}",
    "RelatedPerson": "NK1 is Patient.contact",
    "ResearchStudy": f"CTI: {_UNREAD}",
    "ServiceRequest": "ORC in an admission is no order of radiology",
    "ServiceRequest.basedOn": "ORC-8 and OBR-29, the parent, are not read",
    "ServiceRequest.category": "SNOMED CT 363679005, imaging",
    "ServiceRequest.identifier": f"of EI-2 to EI-4: {_BASE}",
    "ServiceRequest.intent": "an order is one, whoever tells of it",
    "ServiceRequest.locationCode": "ORC-29 is not read",
    "ServiceRequest.occurrenceDateTime": "when it is due, as one time",
    "ServiceRequest.occurrenceTiming": "ORC-7 as one time: examinations are not repeated",
    "ServiceRequest.quantityQuantity": "ORC-7.1 is not read: one order, one examination",
    "ServiceRequest.reasonCode": "DG1, without a Condition",
    "ServiceRequest.reasonReference": "DG1 is reasonCode",
    "ServiceRequest.requester": "a person without a role",
    "ServiceRequest.specimen": f"SPM: {_UNREAD}",
    "ServiceRequest.status": "a final report completes its order",
    "ServiceRequest.supportingInfo": f"CTI and FT1: {_UNREAD}",
    "Specimen": f"SPM: {_UNREAD}",
}  # fmt: skip


def page() -> str:
    """Return the whole page."""
    parts = (f"\n## {family}\n\n{_rows(rows)}" for family, rows in counts().items())
    return (
        f"# HL7 v2: beside other converters\n\n{NOTE}\n"
        "What the server makes of published example messages, beside the bundles that are published\n"
        "with them: microsoft/FHIR-Converter, and one admission of HL7-v2-to-fhir. By element: in how many\n"
        "messages both say the same, another value, or one alone says something, and why. Another\n"
        "converter's opinion is no target; [mapping](hl7.md) says what is chosen here. Compared are all\n"
        "values of an element in all resources of its type: a concept by its codes, a reference by its\n"
        "type, a time by its moment; ids, displays and generated text are left out. A type that one of\n"
        f"both does not write is one row. Counted and held by `{SEEN}`.\n" + "".join(parts)
    )


def counts() -> Counts:
    """Read what was measured."""
    found: Counts = json.loads(COUNTS.read_text())
    return found


def _rows(rows: Mapping[str, list[int]]) -> str:
    return table(_HEAD, (_row(element, told) for element, told in rows.items()))


def _row(element: str, told: list[int]) -> tuple[str, ...]:
    why = REASONS.get(key_of(element), "") if any(told[1:]) else ""
    return (code(element), *(str(number) if number else "" for number in told), why)


def key_of(element: str) -> str:
    """The longest beginning of an element's path that a reason is given for, "" without one."""
    return max((key for key in REASONS if is_under(element, key)), key=len, default="")


def is_under(element: str, key: str) -> bool:
    """Whether an element is what a reason is given for, or a part of it."""
    return element == key or element.startswith((f"{key}.", f"{key}("))


def differing() -> Iterator[str]:
    """Yield the elements in which somebody says something else."""
    for rows in counts().values():
        yield from (element for element, told in rows.items() if any(told[1:]))
