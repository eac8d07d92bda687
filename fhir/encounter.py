"""Encounter (R4) from PV1 and PV2, merged into what is known of the visit (mapping 2.1, 2.2).

A visit without a number (PV1-19) cannot be found again and makes no Encounter.
"""

from dataclasses import dataclass
from typing import Any

from fhir.codes import PARTICIPATION, coded
from fhir.hl7_codes import ABSENT, ACT_CODE, concept, concept_of, one_line, table
from fhir.hl7_context import Context
from fhir.hl7_identifiers import visit_identifier
from fhir.hl7_people import practitioners
from fhir.hl7_times import period_of
from fhir.identifiers import distinct, in_order
from fhir.invariants import broken
from hl7.facts import VisitFacts
from hl7.moments import NEVER
from hl7.types import NO_NUMBER, Concept, Identifier, Place

Json = dict[str, Any]
CELEBRITY = coded(ACT_CODE, "CEL", "celebrity information sensitivity")
IN_PROGRESS, FINISHED, PLANNED, CANCELLED = "in-progress", "finished", "planned", "cancelled"

# Table 0004 where v3 has a word; all other classes keep their own.
_CLASS = {
    "E": ("EMER", "emergency"),
    "I": ("IMP", "inpatient encounter"),
    "O": ("AMB", "ambulatory"),
    "P": ("PRENC", "pre-admission"),
}
_ADMITS = frozenset({"A01", "A02", "A04", "A06", "A07", "A09", "A10"})
_CANCELS = frozenset({"A11", "A23"})
_PLANS = frozenset({"A05", "A14"})
_NOT_VIP = frozenset({"", "N", "NO", "0"})
_LOCATION_STATUS = {IN_PROGRESS: "active", FINISHED: "completed", PLANNED: "planned"}
_LASTING = frozenset({"resourceType", "id", "meta", "identifier"})


@dataclass(frozen=True, slots=True)
class EncounterView:
    """What was decided about a visit: its id, its status, its patient, and the event (A08, O01).

    `account` is PID-18. A `provisional` one was made from an order: of it only numbers count.
    """

    id: str
    status: str
    subject: str
    event: str = ""
    account: Identifier = NO_NUMBER
    provisional: bool = False


def next_status(old: str, event: str, visit: VisitFacts) -> str:
    """The status after an event; a visit that has ended is only opened again by A13."""
    if event in _CANCELS or (event == "A38" and old in ("", PLANNED)):
        return CANCELLED
    if event == "A13":
        return IN_PROGRESS
    if event == "A03" or old == FINISHED or visit.discharged:
        return FINISHED
    if event in _ADMITS:
        return IN_PROGRESS
    if event in _PLANS or (not old and visit.patient_class.code.upper() == "P"):
        return old if old == IN_PROGRESS else PLANNED
    return old or "unknown"


def merge(
    current: Json | None, visit: VisitFacts, view: EncounterView, context: Context
) -> Json | None:
    """The Encounter after a message, `current` is None for a new one; None without a number."""
    if not visit.number:
        return None
    old = current or {}
    if view.provisional:
        old = {key: value for key, value in old.items() if key in _LASTING}

    def sent(name: str, field: str, value: Any) -> Any:
        return value or (None if field in visit.nulls else old.get(name))

    fields = {
        "resourceType": "Encounter",
        "id": view.id,
        "meta": _meta(old, visit, context),
        "identifier": _identifiers(old, visit, view, context),
        "status": view.status,
        "class": _class(visit) or old.get("class") or coded(ABSENT, "unknown", "Unknown"),
        "type": sent("type", "PV1-4", _concepts(visit.admission_type, "0007", context)),
        "serviceType": sent("serviceType", "PV1-10", _concept(visit.service, "0069", context)),
        "subject": {"reference": view.subject, "type": "Patient"},
        "participant": _participants(old, visit, context),
        "period": _period(old, visit, view, context),
        "reasonCode": sent("reasonCode", "PV2-3", _reasons(visit, context)),
        "hospitalization": _hospitalization(old, visit, context),
        "location": sent("location", "PV1-3", _locations(visit, view)),
        "serviceProvider": sent("serviceProvider", "PV1-3", _provider(visit.location)),
    }
    rest = {key: value for key, value in old.items() if key not in fields}
    return {key: value for key, value in (fields | rest).items() if value not in (None, "", [], {})}


def _meta(old: Json, visit: VisitFacts, context: Context) -> Json:
    meta = dict(old.get("meta", {}))
    if context.source:
        meta["source"] = context.source
    if visit.vip or "PV1-16" in visit.nulls:
        labels = [one for one in meta.get("security", []) if one != CELEBRITY]
        known = visit.vip.code.upper() not in _NOT_VIP
        meta["security"] = [*labels, CELEBRITY] if known else labels
    return {key: value for key, value in meta.items() if value}


def _identifiers(old: Json, visit: VisitFacts, view: EncounterView, context: Context) -> list[Json]:
    """The visit number, then all others that anybody told: its alternate, the account."""
    told = ((visit.number, "VN"), (visit.alternate, "VN"), (view.account, "AN"))
    made = [
        visit_identifier(number, kind, context.site, context.zones)
        for number, kind in told
        if number
    ]
    first, *rest = distinct([*made, *old.get("identifier", [])])
    return [first, *in_order(rest)]


def _class(visit: VisitFacts) -> Json | None:
    code = one_line(visit.patient_class.code).upper()
    if not code:
        return None
    return coded(ACT_CODE, *_CLASS[code]) if code in _CLASS else coded(table("0004"), code)


def _concept(told: Concept, number: str, context: Context) -> Json | None:
    return concept_of(told, number, base=context.site.base)


def _concepts(told: Concept, number: str, context: Context) -> list[Json]:
    found = _concept(told, number, context)
    return [found] if found else []


def _reasons(visit: VisitFacts, context: Context) -> list[Json]:
    found = concept(visit.reason, base=context.site.base)
    return [found] if found else []


def _participants(old: Json, visit: VisitFacts, context: Context) -> list[Json]:
    """Who attends, refers, consults and admits; each role is replaced by its own field."""
    roles = (
        ("ATND", "PV1-7", visit.attending),
        ("REF", "PV1-8", visit.referring),
        ("CON", "PV1-9", visit.consulting),
        ("ADM", "PV1-17", visit.admitting),
    )
    found: list[Json] = []
    for code, field, people in roles:
        kind = [{"coding": [coded(PARTICIPATION, code)]}]
        known = [one for one in old.get("participant", []) if one.get("type") == kind]
        made = [{"type": kind, "individual": one} for one in practitioners(people, context)]
        found += made or ([] if field in visit.nulls else known)
    return found


def _period(old: Json, visit: VisitFacts, view: EncounterView, context: Context) -> Json:
    """From admission to discharge; a discharge that is cancelled has no end."""
    gone = {
        "start": "PV1-44" in visit.nulls,
        "end": "PV1-45" in visit.nulls or view.event == "A13",
    }
    known = {key: text for key, text in old.get("period", {}).items() if not gone.get(key)}
    discharged = NEVER if gone["end"] else visit.discharged
    period = known | period_of(visit.admitted, discharged, context.zones)
    return {"start": period["start"]} if broken("per-1", period) else period


def _hospitalization(old: Json, visit: VisitFacts, context: Context) -> Json:
    known = dict(old.get("hospitalization", {}))
    if visit.preadmit:
        known["preAdmissionIdentifier"] = visit_identifier(
            visit.preadmit, "", context.site, context.zones
        )
    if disposition := _concept(visit.disposition, "0112", context):
        known["dischargeDisposition"] = disposition
    return known


def _locations(visit: VisitFacts, view: EncounterView) -> list[Json]:
    """Where the patient is, and was before; after a cancelled transfer (A12) there is no before."""
    if not visit.location:
        return []
    status = _LOCATION_STATUS.get(view.status, "")
    here = {"location": {"type": "Location", "display": _place(visit.location)}}
    before = _place(visit.prior_location) if view.event != "A12" else ""
    found = [here | ({"status": status} if status else {})]
    if before and before != _place(visit.location):
        place = {"type": "Location", "display": before}
        found.append({"location": place, "status": "completed"})
    return found


def _place(place: Place) -> str:
    """Ward, room and bed as people say them, else what the place is called."""
    parts = [part for part in (place.point_of_care, place.room, place.bed) if part]
    return " ".join(parts) or place.description or place.facility.namespace


def _provider(place: Place) -> Json | None:
    name = place.facility.namespace
    return {"type": "Organization", "display": name} if name else None
