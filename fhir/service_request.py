"""ServiceRequest (R4) from ORC, OBR, TQ1, IPC and NTE, or from what images say of their order.

Order messages are the authority: what they send replaces, what they leave out is kept. A report
only fills what no order message has told, so that both may come in any order (mapping 2.2).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dicom.facts import Request
from fhir import codes
from fhir.codes import DCM, SCT, coded
from fhir.hl7_codes import concept, confidentiality, one_line, table
from fhir.hl7_context import Context
from fhir.hl7_identifiers import order_number, untyped_number, visit_identifier
from fhir.hl7_people import practitioner
from fhir.hl7_sections import is_imaging, modality
from fhir.hl7_times import datetime_of
from fhir.identifiers import Site, distinct, in_order, order_identifier
from fhir.references import Directory
from fhir.references import practitioner as dicom_practitioner
from fhir.text import clean
from fhir.unique import unique
from hl7.facts import Note, OrderFacts
from hl7.types import Concept

Json = dict[str, Any]
STATUS_REASON = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
IMAGING = {"coding": [coded(SCT, "363679005", "Imaging")]}
TRANSPORT = table("0124")

# ORC-7.6, TQ1-9 (table 0485), and the words that some senders write instead.
PRIORITY = {
    **dict.fromkeys(("S", "STAT"), "stat"),
    **dict.fromkeys(("A", "ASAP"), "asap"),
    **dict.fromkeys(("R", "ROUTINE"), "routine"),
    **dict.fromkeys(("T", "P", "C", "U", "URGENT"), "urgent"),
}
_LONGEST_ACCESSION = 16  # of SH, which is what (0008,0050) is
_PLACED = frozenset({"NW", "RO"})
_KINDS = ("PLAC", "FILL", "ACSN")


@dataclass(frozen=True, slots=True)
class OrderView:
    """What was decided about an order: its id, its status, and what it refers to ("Patient/x").

    `supporting` are Observations that were sent with the order. `reported` marks facts told by a
    report and not by an order message.
    """

    id: str
    status: str
    subject: str
    encounter: str = ""
    replaces: tuple[str, ...] = ()
    supporting: tuple[str, ...] = ()
    reported: bool = False


def merge(current: Json | None, order: OrderFacts, view: OrderView, context: Context) -> Json:
    """The ServiceRequest after a message; `current` is None for a new one."""
    old = current or {}

    def told(name: str, value: Any) -> Any:
        return (old.get(name) or value) if view.reported else (value or old.get(name))

    code = told("code", _code(order, context))
    fields = {
        "resourceType": "ServiceRequest",
        "id": view.id,
        "meta": _meta(old, order, view, context),
        "extension": _extensions(old, order, view, context),
        "identifier": _identifiers(old, order, context),
        "replaces": _references(old.get("replaces", []), view.replaces),
        "requisition": told("requisition", _requisition(order, context)),
        "status": view.status,
        "intent": "order",
        "category": _category(old, order, context),
        "priority": told("priority", _priority(order.priority)),
        "code": code,
        "orderDetail": told("orderDetail", _details(order, context)) if code else None,
        "subject": {"reference": view.subject, "type": "Patient"},
        "encounter": {"reference": view.encounter} if view.encounter else old.get("encounter"),
        "occurrenceDateTime": told(
            "occurrenceDateTime", datetime_of(order.scheduled, context.zones)
        ),
        "authoredOn": told("authoredOn", _authored(order, view, context)),
        "requester": told("requester", _requester(order, context)),
        "reasonCode": told("reasonCode", _reasons(order, context)),
        "supportingInfo": _supporting(old, order, view),
        "note": told("note", None if view.reported else annotations(order.notes, context)),
    }
    rest = {key: value for key, value in old.items() if key not in fields}
    return {key: value for key, value in (fields | rest).items() if value not in (None, "", [], {})}


def warnings(order: OrderFacts) -> tuple[str, ...]:
    """What about an order will keep images from finding it; never the value itself."""
    if len(order.accession.value) > _LONGEST_ACCESSION:
        return ("the accession is longer than DICOM can carry: no image will have it",)
    return ()


def of_request(
    current: Json | None, request: Request, view: OrderView, site: Site, known: Directory
) -> Json:
    """The ServiceRequest of images (0040,0275 or 0040,A370); they only fill what nobody told."""
    numbered = zip(_KINDS, (request.placer, request.filler, request.accession), strict=True)
    identifiers = [order_identifier(n, kind, site) for kind, n in numbered if n.value.strip()]
    procedure = clean(request.procedure_id)
    coded_reasons = (codes.concept([code], base=site.base) for code in request.reasons)
    written = codes.concept([], clean(request.reason_text), base=site.base)
    old = current or {}
    united = distinct([*identifiers, *old.get("identifier", [])])
    if procedure and all(one["value"] != procedure for one in united):
        united.append({"value": procedure})
    fields = {
        "resourceType": "ServiceRequest",
        "id": view.id,
        "identifier": in_order(united),
        "status": view.status,
        "intent": "order",
        "category": [IMAGING],
        "code": codes.concept(request.procedure, clean(request.procedure_text), base=site.base),
        "subject": {"reference": view.subject, "type": "Patient"},
        "encounter": {"reference": view.encounter} if view.encounter else None,
        "requester": dicom_practitioner(request.requester, base=site.base, known=known),
        "reasonCode": [one for one in (*coded_reasons, written) if one],
    }
    decided = {name: fields[name] for name in ("identifier", "status", "subject")}
    made = {key: value for key, value in fields.items() if value not in (None, "", [])}
    return made | old | decided


def annotations(notes: Iterable[Note], context: Context) -> list[Json]:
    """Notes (NTE) with their author and time."""
    return [_annotation(note, context) for note in notes if note.text.strip()]


def _annotation(note: Note, context: Context) -> Json:
    author = practitioner(note.author, context) if note.author else None
    body: Json = {}
    if author and "reference" in author:
        body["authorReference"] = author
    elif author and "display" in author:
        body["authorString"] = author["display"]
    if when := datetime_of(note.entered, context.zones):
        body["time"] = when
    return body | {"text": note.text}


def _meta(old: Json, order: OrderFacts, view: OrderView, context: Context) -> Json:
    """The source is the order message, a report's only where there was none."""
    meta = dict(old.get("meta", {}))
    if context.source and not (view.reported and meta.get("source")):
        meta["source"] = context.source
    if labels := confidentiality(order.confidentiality):
        meta["security"] = unique([*meta.get("security", []), *labels])
    return meta


def _extensions(old: Json, order: OrderFacts, view: OrderView, context: Context) -> list[Json]:
    """Why the order has the status that it has (ORC-16)."""
    known: list[Json] = old.get("extension", [])
    reason = None if view.reported else concept(order.control_reason, base=context.site.base)
    if reason is None:
        return known
    others = [one for one in known if one.get("url") != STATUS_REASON]
    return [*others, {"url": STATUS_REASON, "valueCodeableConcept": reason}]


def _identifiers(old: Json, order: OrderFacts, context: Context) -> list[Json]:
    """Every number of the order, whoever told it: placer, filler, accession, then the others."""
    found = [*numbers(order, context), *old.get("identifier", [])]
    return in_order(distinct(found))


def numbers(order: OrderFacts, context: Context) -> list[Json]:
    """The identifiers under which a message knows an order (ORC-2, ORC-3, IPC-1, IPC-2, …)."""
    site = context.site
    by_kind = zip(_KINDS, (order.placer, order.filler, order.accession), strict=True)
    found = [order_number(number, kind, site) for kind, number in by_kind]
    found += [
        visit_identifier(number, "PLAC", site, context.zones) for number in order.more_placers
    ]
    found.append(untyped_number(order.procedure_number, site))
    return [one for one in found if one]


def _category(old: Json, order: OrderFacts, context: Context) -> list[Json]:
    """Imaging, unless the service (OBR-24) or the feed says otherwise."""
    imaging = bool(order.steps) or is_imaging(order.section, context.imaging)
    known: list[Json] = old.get("category", [])
    return [IMAGING] if imaging else known


def _requisition(order: OrderFacts, context: Context) -> Json | None:
    return order_number(order.group, "PGN", context.site)


def _references(known: list[Json], found: Iterable[str]) -> list[Json]:
    return unique([*known, *({"reference": reference} for reference in found)])


def _code(order: OrderFacts, context: Context) -> Json | None:
    """OBR-4, then the codings that OBR-44 adds to it."""
    base = context.site.base
    return united((concept(order.code, base=base), concept(order.procedure, base=base)))


def united(concepts: Iterable[Json | None]) -> Json | None:
    """One concept of several: each coding once, and the first text."""
    told = [one for one in concepts if one]
    codings: list[Json] = []
    for coding in (coding for one in told for coding in one.get("coding", [])):
        if not any(_same_code(coding, other) for other in codings):
            codings.append(coding)
    text = next((one["text"] for one in told if "text" in one), "")
    body: Json = {"coding": codings} if codings else {}
    return (body | ({"text": text} if text else {})) or None


def _same_code(one: Json, other: Json) -> bool:
    return one.get("system") == other.get("system") and one.get("code") == other.get("code")


def _details(order: OrderFacts, context: Context) -> list[Json]:
    """Modality, protocols, further procedure codes, and how the patient gets there."""
    protocols = (protocol for step in order.steps for protocol in step.protocols)
    told = dict.fromkeys((*protocols, *order.supplements))
    transport = one_line(order.transport)
    return [
        *({"coding": [coding]} for coding in modalities(order)),
        *(found for each in told if (found := concept(each, base=context.site.base))),
        *([{"coding": [coded(TRANSPORT, transport)]}] if transport else []),
    ]


def modalities(order: OrderFacts) -> list[Json]:
    """The modalities of an order: those of its steps (IPC-5), else what OBR-24 stands for."""
    steps = dict.fromkeys(step.modality for step in order.steps if step.modality.code)
    if steps:
        return [_modality(told) for told in steps]
    found = modality(order.section)
    return [found] if found else []


def _modality(told: Concept) -> Json:
    display = next((coding.text for coding in told.codings if coding.text), "")
    return coded(DCM, one_line(told.code).upper(), display)


def _priority(code: str) -> str:
    """Table 0485; TS10 and the like are within so many seconds, minutes or hours."""
    if code[:1] == "T" and code[2:].isdigit():
        return "urgent"
    return PRIORITY.get(code, "")


def _authored(order: OrderFacts, view: OrderView, context: Context) -> str:
    """When the order was placed; in any other message ORC-9 is the time of that message."""
    if view.reported or order.control not in _PLACED:
        return ""
    return datetime_of(order.entered, context.zones)


def _requester(order: OrderFacts, context: Context) -> Json | None:
    found = (practitioner(person, context) for person in order.requesters)
    return next((reference for reference in found if reference), None)


def _reasons(order: OrderFacts, context: Context) -> list[Json]:
    found = (concept(reason, base=context.site.base) for reason in order.reasons)
    return [one for one in found if one]


def _supporting(old: Json, order: OrderFacts, view: OrderView) -> list[Json]:
    """Observations by reference, and the clinical information (OBR-13) as it was written."""
    known: list[Json] = old.get("supportingInfo", [])
    written = [one for one in known if one.keys() == {"display"}]
    if order.clinical_information and not (view.reported and written):
        written = [{"display": order.clinical_information}]
    linked = _references([one for one in known if "reference" in one], view.supporting)
    return [*written, *linked]
