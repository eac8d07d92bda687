"""DiagnosticReport (R4) from the OBR and OBX of a report (mapping 2.2, 2.4 to 2.6).

One report is one resource with versions. A message is a snapshot of its text and documents, but
for an addendum, which is added; all else that it does not tell is kept.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fhir.codes import PARTICIPATION, TAGS, coded
from fhir.datetimes import search_range
from fhir.hl7_codes import (
    ABSENT_REASON,
    RESTRICTED,
    concept,
    confidentiality,
    one_line,
    release_labels,
    table,
)
from fhir.hl7_context import Context
from fhir.hl7_identifiers import untyped_number
from fhir.hl7_people import practitioner, practitioners
from fhir.hl7_sections import LOINC, categories, is_imaging
from fhir.hl7_times import datetime_of, instant_of, period_of
from fhir.identifiers import DICOM_UID, distinct, in_order, uid_urn
from fhir.report_status import Held
from fhir.report_text import (
    PLAIN,
    contains,
    dated,
    extended,
    narrative,
    plain,
    sections_of,
    text_in,
)
from fhir.service_request import numbers, united
from fhir.unique import unique
from hl7.report_facts import Attachment, Pointer, ReportFacts, Section
from hl7.types import Person

Json = dict[str, Any]
FUNCTION = "http://hl7.org/fhir/StructureDefinition/event-performerFunction"
RESULT_STATUS = "urn:triptych:result-status"
RESTRICTION = "urn:triptych:restriction"
ALONE = coded(TAGS, "addendum-without-report")
IMAGING_STUDY = coded(LOINC, "18748-4", "Diagnostic imaging study")
_CONTENT = ("text", "conclusion", "conclusionCode", "presentedForm")
# US Core asks every report that tells something when its pictures were made (us-core-10).
_TELLS = frozenset({"partial", "preliminary", "final", "amended", "corrected", "appended"})


@dataclass(frozen=True, slots=True)
class ReportView:
    """What was decided about a report: its id, its status, and what it refers to ("Patient/x").

    `documents` are the addresses of its attachments, in their order, `hosts` those whose pointers
    (RP) are shown. `alone` is `fhir.report_status.Decision.alone`.
    """

    id: str
    status: str
    subject: str
    encounter: str = ""
    based_on: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    hosts: frozenset[str] = field(default_factory=frozenset)
    alone: bool = False


def merge(current: Json | None, report: ReportFacts, view: ReportView, context: Context) -> Json:
    """The DiagnosticReport after a message whose content counts; `current` is None for a new one."""
    old = current or {}
    section = _section(report)
    fields = {
        "resourceType": "DiagnosticReport",
        "id": view.id,
        "meta": _meta(old, report, view, context),
        "language": context.language or old.get("language"),
        **_content(old, report, view, context),
        "extension": _extensions(old, report),
        "identifier": _identifiers(old, report, context),
        "basedOn": _references(old.get("basedOn", []), view.based_on),
        "status": view.status,
        "category": _category(old, section, context),
        "code": _code(old, report, context) or {"text": "Report"},
        "subject": {"reference": view.subject, "type": "Patient"},
        "encounter": {"reference": view.encounter} if view.encounter else old.get("encounter"),
        **_effective(old, report, view, context),
        "issued": instant_of(report.issued, context.zones) or old.get("issued"),
        "performer": _performers(report, context) or old.get("performer"),
        "resultsInterpreter": _interpreters(report, context) or old.get("resultsInterpreter"),
        "result": _references(old.get("result", []), view.results),
        "imagingStudy": _references(old.get("imagingStudy", []), view.studies),
    }
    rest = {key: value for key, value in old.items() if key not in fields and not _managed(key)}
    return {key: value for key, value in (fields | rest).items() if value not in (None, "", [], {})}


def restated(current: Json, status: str) -> Json:
    """A report whose status changes while its content stays (Decision.applies is false)."""
    return {**current, "status": status}


def linked(current: Json, *, orders: Iterable[str] = (), studies: Iterable[str] = ()) -> Json:
    """A report that has found its orders or its pictures."""
    based_on = _references(current.get("basedOn", []), orders)
    pictures = _references(current.get("imagingStudy", []), studies)
    links = {"basedOn": based_on, "imagingStudy": pictures}
    return current | {key: value for key, value in links.items() if value}


def held(current: Json | None, *, sent: int | None = None) -> Held:
    """What is held of a report, for the next decision; `sent` is MSH-7 of its last message."""
    if current is None:
        return Held()
    issued = current.get("issued", "")
    return Held(
        status=current["status"],
        text=text_in(current),
        issued=search_range(issued)[0] if issued else None,
        sent=sent,
        alone=ALONE in current.get("meta", {}).get("tag", []),
    )


def identifiers(report: ReportFacts, context: Context) -> list[Json]:
    """Every number under which a message knows a report, those of its SOP instances too."""
    found = [number for order in report.orders for number in numbers(order, context)]
    found += filter(None, [untyped_number(report.number, context.site)])
    found += ({"system": DICOM_UID, "value": uid_urn(uid)} for uid in report.uids.instances)
    return distinct(found)


def labels(report: ReportFacts) -> list[Json]:
    """Security labels: privacy flags of the report, ORC-28, and what OBX-13 and OBX-26 say."""
    found = [RESTRICTED] if report.restrictions else []
    found += [coded(RESTRICTION, one_line(flag)) for flag in report.restrictions]
    found += [label for order in report.orders for label in confidentiality(order.confidentiality)]
    found += release_labels(report.access, report.releases)
    return unique(found)


def _managed(name: str) -> bool:
    return name in _CONTENT or name.removeprefix("_").startswith("effective")


def _meta(old: Json, report: ReportFacts, view: ReportView, context: Context) -> Json:
    meta = dict(old.get("meta", {}))
    if context.source:
        meta["source"] = context.source
    tags = [tag for tag in meta.get("tag", []) if tag != ALONE]
    meta["tag"] = [*tags, ALONE] if view.alone else tags
    meta["security"] = unique([*meta.get("security", []), *labels(report)])
    return {key: value for key, value in meta.items() if value}


def _extensions(old: Json, report: ReportFacts) -> list[Json]:
    """Corrected but not final (M) has no word in R4: the code stands beside preliminary."""
    others = [one for one in old.get("extension", []) if one.get("url") != RESULT_STATUS]
    if report.status != "M":
        return others
    code = coded(table("0123"), "M", "Corrected, not final")
    return [*others, {"url": RESULT_STATUS, "valueCoding": code}]


def _identifiers(old: Json, report: ReportFacts, context: Context) -> list[Json]:
    return in_order(distinct([*old.get("identifier", []), *identifiers(report, context)]))


def _references(known: list[Json], found: Iterable[str]) -> list[Json]:
    return unique([*known, *({"reference": one} for one in found)])


def _section(report: ReportFacts) -> str:
    return next((order.section for order in report.orders if order.section), "")


def _code(old: Json, report: ReportFacts, context: Context) -> Json | None:
    """The procedure (OBR-4, OBR-44) and, for imaging, LOINC's word for every imaging report."""
    base = context.site.base
    procedures = [report.code, *(order.procedure for order in report.orders[:1])]
    told = [found for one in procedures if (found := concept(one, base=base))]
    if not told and "code" in old:
        return dict(old["code"])
    imaging = is_imaging(_section(report), context.imaging)
    return united([*told, {"coding": [IMAGING_STUDY]}] if imaging else told)


def _category(old: Json, section: str, context: Context) -> Any:
    return categories(section, context.imaging) if section or not old else old.get("category")


def _effective(old: Json, report: ReportFacts, view: ReportView, context: Context) -> Json:
    """When the pictures were made (OBR-7, OBR-8); if nobody knows, that is said."""
    period = period_of(report.started, report.ended, context.zones)
    if len(period) == 2 and period["start"] != period["end"]:
        return {"effectivePeriod": period}
    if period:
        return {"effectiveDateTime": period.get("start") or period["end"]}
    known = {
        key: value for key, value in old.items() if key.removeprefix("_").startswith("effective")
    }
    if known or view.status not in _TELLS:
        return known
    return {"_effectiveDateTime": {"extension": [{"url": ABSENT_REASON, "valueCode": "unknown"}]}}


def _performers(report: ReportFacts, context: Context) -> list[Json]:
    """Who made the pictures (OBR-34) and who typed the report (OBR-35), each with that function."""
    people = (("SPRF", report.technicians), ("TRANS", report.transcriptionists))
    return [_performer(person, code, context) for code, some in people for person in some]


def _performer(person: Person, code: str, context: Context) -> Json:
    function = {"url": FUNCTION, "valueCodeableConcept": {"coding": [coded(PARTICIPATION, code)]}}
    return {"extension": [function], **(practitioner(person, context) or {})}


def _interpreters(report: ReportFacts, context: Context) -> list[Json]:
    return practitioners((*report.interpreters, *report.assistants), context)


def _content(old: Json, report: ReportFacts, view: ReportView, context: Context) -> Json:
    """The text in all its forms: of this message, with what was there where that still counts."""
    sections, text = sections_of(report), text_in(old)
    documents = _documents(report, view, context)
    if report.addendum_only:
        sections = dated(sections, datetime_of(report.issued, context.zones))
        if "presentedForm" in old:
            return _with_addendum(old, sections, documents, context)
    if ALONE in old.get("meta", {}).get("tag", []) and sections:
        sections = (*sections, Section("addendum", "", text))
    elif not sections and (not documents or _supplements(old, report, view)):
        return _with_documents(old, documents)
    codes = (concept(one.answer, base=context.site.base) for one in report.conclusion_codes)
    return {
        "text": _narrative(narrative(sections, context.language)) if sections else None,
        "conclusion": report.conclusion,
        "conclusionCode": [code for code in codes if code],
        "presentedForm": [*documents, *_plain_form(plain(sections), context.language)],
    }


def _supplements(old: Json, report: ReportFacts, view: ReportView) -> bool:
    """Whether documents come beside a text that they do not correct."""
    return old.get("status") == view.status and report.status != "C"


def _with_documents(old: Json, documents: list[Json]) -> Json:
    """What is there, with further documents before its plain text."""
    forms: list[Json] = old.get("presentedForm", [])
    every = unique([*documents, *forms])
    presented = sorted(every, key=lambda one: one.get("contentType") == PLAIN)
    return {name: old.get(name) for name in _CONTENT} | {"presentedForm": presented}


def _with_addendum(
    old: Json, sections: Sequence[Section], documents: list[Json], context: Context
) -> Json:
    """What is there, with the addendum as a dated block at its end, once."""
    text, whole = text_in(old), _with_documents(old, documents)
    if contains(text, plain(sections)):
        return whole
    div = old["text"]["div"] if "text" in old else narrative((), context.language)
    forms = [one for one in whole["presentedForm"] if one.get("contentType") != PLAIN]
    grown = "\n\n".join(filter(None, (text, plain(sections))))
    return whole | {
        "text": _narrative(extended(div, sections)),
        "presentedForm": [*forms, *_plain_form(grown, old.get("language", ""))],
    }


def _narrative(div: str) -> Json:
    """The text of a report is in no coded element: it is more than was generated from them."""
    return {"status": "additional", "div": div}


def _documents(report: ReportFacts, view: ReportView, context: Context) -> list[Json]:
    """The documents that came with the report, PDF first, then pointers to hosts that are trusted."""
    attached = zip(view.documents, report.attachments, strict=True)
    forms = [_document(address, one, context.language) for address, one in attached]
    forms.sort(key=lambda form: form["contentType"] != "application/pdf")
    return forms + [_pointer(one) for one in report.pointers if _trusted(one, view.hosts)]


def _document(address: str, attachment: Attachment, language: str) -> Json:
    fields = {
        "contentType": attachment.content_type,
        "language": language,
        "url": address,
        "size": len(attachment.data),
        "hash": _hash(attachment.data),
        "title": attachment.title,
    }
    return {key: value for key, value in fields.items() if value}


def _pointer(pointer: Pointer) -> Json:
    return {"url": pointer.address} | ({"title": pointer.title} if pointer.title else {})


def _trusted(pointer: Pointer, hosts: frozenset[str]) -> bool:
    try:
        address = urlsplit(pointer.address)
        trusted = address.scheme in ("http", "https") and address.hostname in hosts
    except ValueError:
        return False
    return trusted and not any(letter.isspace() for letter in pointer.address)


def _plain_form(text: str, language: str) -> list[Json]:
    if not text:
        return []
    data = text.encode()
    form: Json = {"contentType": PLAIN} | ({"language": language} if language else {})
    form |= {"data": b64encode(data).decode(), "size": len(data), "hash": _hash(data)}
    return [form | {"title": "Report as plain text"}]


def _hash(data: bytes) -> str:
    """SHA-1 in Base64, which is what R4 asks of Attachment.hash."""
    return b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
