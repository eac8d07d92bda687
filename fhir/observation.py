"""Observation (R4) from a discrete OBX: a number, a code, a date or a word (mapping 2.2 to 2.4).

Lines of report text are no Observations: nobody asks for lines, and they would leak what is not
signed.
"""

import re
from dataclasses import dataclass
from typing import Any

from fhir.codes import coded
from fhir.hl7_codes import ABSENT, concept, concept_of, release_labels
from fhir.hl7_context import Context
from fhir.hl7_identifiers import order_number, untyped_number
from fhir.hl7_people import organisation, practitioners
from fhir.hl7_quantities import numeric
from fhir.hl7_times import datetime_of, instant_of
from fhir.service_request import annotations
from fhir.unique import unique
from hl7.facts import Numeric, ObservationFacts
from hl7.moments import NEVER, Moment
from hl7.report_facts import Mark
from hl7.types import Concept

Json = dict[str, Any]
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
NOT_PERFORMED = {"coding": [coded(ABSENT, "not-performed", "Not Performed")]}

# Table 0085. O and N tell of no result at all.
STATUS = {
    **dict.fromkeys(("F", "V", "U"), "final"),
    **dict.fromkeys(("P", "R", "S"), "preliminary"),
    "C": "corrected",
    **dict.fromkeys(("A", "B"), "amended"),
    "X": "cancelled",
    **dict.fromkeys(("D", "W"), "entered-in-error"),
    "I": "registered",
}
_NO_RESULT = frozenset({"O", "N"})
_HIDES = frozenset({"entered-in-error", "cancelled"})
# A result without a status has that of its report.
_BY_REPORT = {"partial": "preliminary", "appended": "amended"}
# Codes that mean the same in table 0078 and in v3.
_FLAGS = frozenset(
    {"<", ">", "A", "AA", "AC", "B", "D", "DET", "H", "HH", "HM", "HU", "I", "IE", "IND", "L", "LL"}
    | {"LU", "MS", "N", "ND", "NEG", "NR", "NS", "POS", "QCF", "R", "RR", "S", "SDD", "SYN-R"}
    | {"SYN-S", "TOX", "U", "VS", "W", "WR"}
)
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)?(?:\.\d*)?(?:[+-]\d{4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ObservationView:
    """What was decided about a result: its id, and what it refers to ("Patient/x").

    `report_status`, `started`, `issued` and the security `labels` are those of its report,
    `category` is a code of observation-category.
    """

    id: str
    subject: str
    encounter: str = ""
    based_on: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    report_status: str = "final"
    started: Moment = NEVER
    issued: Moment = NEVER
    labels: tuple[Json, ...] = ()
    category: str = "imaging"


def place(told: ObservationFacts | Mark) -> tuple[str, str, str]:
    """What a result is known by within its report: system and code of OBX-3, and OBX-4."""
    first = next(iter(told.code.codings), None)
    system = first.system if first else ""
    return system, told.code.code or told.code.text, told.sub_id


def build(told: ObservationFacts, view: ObservationView, context: Context) -> Json | None:
    """The Observation of a result; None where OBX-11 says that there is none."""
    if told.status in _NO_RESULT:
        return None
    base = context.site.base
    report = _BY_REPORT.get(view.report_status, view.report_status)
    status = STATUS.get(told.status, report)
    number = order_number(told.number, "FILL", context.site)
    fields = {
        "resourceType": "Observation",
        "id": view.id,
        "meta": _meta(told, view, context),
        "identifier": [number] if number else [],
        "basedOn": [{"reference": order} for order in view.based_on],
        "status": status,
        "category": [{"coding": [coded(CATEGORY, view.category)]}],
        "code": concept(told.code, base=base) or {"text": "Result"},
        "subject": {"reference": view.subject, "type": "Patient"},
        "encounter": {"reference": view.encounter} if view.encounter else None,
        "effectiveDateTime": datetime_of(told.observed or view.started, context.zones),
        "issued": instant_of(view.issued, context.zones),
        "performer": _performers(told, context),
        **_values(told, status, context),
        "interpretation": [_flag(flag, base) for flag in told.flags],
        "note": annotations(told.notes, context),
        "bodySite": _first(told.body_sites, base),
        "method": _first(told.methods, base),
        "device": _device(told, context),
        "referenceRange": [{"text": told.reference_range}] if told.reference_range else [],
        "derivedFrom": [{"reference": study} for study in view.studies],
    }
    return {key: value for key, value in fields.items() if value not in (None, "", [], {})}


def marked(current: Json, mark: Mark) -> Json:
    """A stored Observation of which a later OBX-11 says D, W, X or U.

    What was deleted, was another patient's or cannot be had shows no value any more.
    """
    status = STATUS.get(mark.status, "")
    if status in _HIDES:
        kept = {key: v for key, v in current.items() if not key.startswith(("value", "component"))}
        why = {"dataAbsentReason": NOT_PERFORMED} if status == "cancelled" else {}
        return kept | {"status": status} | why
    confirmed = mark.status == "U" and current["status"] in ("registered", "preliminary")
    return current | {"status": status} if confirmed else current


def _meta(told: ObservationFacts, view: ObservationView, context: Context) -> Json:
    own = release_labels([told.access], [told.release])
    labels = unique([*view.labels, *own])
    source = {"source": context.source} if context.source else {}
    return source | ({"security": labels} if labels else {})


def _values(told: ObservationFacts, status: str, context: Context) -> Json:
    """The value; of several each is a component, because R4 has room for one."""
    if status == "cancelled":
        return {"dataAbsentReason": NOT_PERFORMED}
    if status == "entered-in-error":
        return {}
    values = [_value(value, told, context) for value in told.values]
    if len(values) == 1:
        return values[0]
    code = concept(told.code, base=context.site.base) or {"text": "Result"}
    return {"component": [{"code": code, **value} for value in values]}


def _value(value: object, told: ObservationFacts, context: Context) -> Json:
    match value:
        case Numeric():
            return numeric(value, told.units)
        case Concept():
            return {"valueCodeableConcept": concept(value, base=context.site.base)}
        case Moment():
            return {"valueDateTime": datetime_of(value, context.zones)}
    text = str(value)
    if told.kind == "TM" and (match := _TIME.fullmatch(text)):
        return {"valueTime": f"{match[1]}:{match[2]}:{match[3] or '00'}"}
    return {"valueString": text}


def _flag(flag: Concept, base: str) -> Json:
    """OBX-8 (table 0078), in the system of v3 where both have the code."""
    body = concept_of(flag, "0078", base=base) or {}
    if (code := flag.code.upper()) in _FLAGS:
        body = body | {"coding": [coded(INTERPRETATION, code)]}
    return body


def _first(told: tuple[Concept, ...], base: str) -> Json | None:
    return next((found for one in told if (found := concept(one, base=base))), None)


def _performers(told: ObservationFacts, context: Context) -> list[Json]:
    people = practitioners(told.performers, context)
    place = organisation(told.organisation, context)
    return [*people, place] if place else people


def _device(told: ObservationFacts, context: Context) -> Json | None:
    numbers = (untyped_number(number, context.site) for number in told.devices)
    found = next((number for number in numbers if number), None)
    return {"type": "Device", "identifier": found} if found else None
