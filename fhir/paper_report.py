"""DiagnosticReport (R4) from a structured report or a verified document (mapping 1.8).

A report may have several versions, each an instance of its own; and messages may tell of the same
report. What each says is kept apart, and put together anew whenever one of them changes.
"""

from collections.abc import Sequence
from typing import Any

from dicom.facts import InstanceFacts
from fhir.codes import concept
from fhir.diagnostic_report import IMAGING_STUDY
from fhir.hl7_codes import ABSENT_REASON
from fhir.hl7_sections import categories
from fhir.identifiers import Site, distinct, in_order
from fhir.papers import (
    PaperView,
    enclosed_form,
    identifiers,
    interpreters,
    issued,
    status,
    text_form,
)
from fhir.references import named
from fhir.report_text import PLAIN, narrative, plain
from fhir.service_request import united
from fhir.sr_text import HTML, Told, page, told
from fhir.text import clean
from fhir.unique import unique

Json = dict[str, Any]
RANK = {"registered": 0, "partial": 1, "preliminary": 1, "cancelled": 1, "final": 2}
RANK |= {"amended": 3, "corrected": 3, "appended": 3, "entered-in-error": 4}
_UNSIGNED = "This report is preliminary: it is not verified."


def build(papers: Sequence[InstanceFacts], view: PaperView, site: Site) -> Json:
    """The DiagnosticReport of one report; the first of its versions is the one that counts."""
    paper = papers[0]
    content = told(paper.document)
    state = status(paper)
    fields = {
        "resourceType": "DiagnosticReport",
        "id": view.id,
        "language": content.language,
        "text": _narrative(content),
        "identifier": identifiers(papers),
        "basedOn": [{"reference": order} for order in view.orders],
        "status": state,
        "category": categories("", default=True),
        "code": _code(paper, view, site),
        "subject": {"reference": view.subject, "type": "Patient"},
        "encounter": {"reference": view.encounter} if view.encounter else None,
        **_effective(view),
        "issued": issued(paper, site),
        "performer": [found] if (found := named("Organization", paper.series.institution)) else [],
        "resultsInterpreter": interpreters(paper, view, site),
        "result": [{"reference": one} for one in view.results],
        "imagingStudy": [{"reference": view.study}] if view.study else [],
        "conclusion": content.conclusion,
        "conclusionCode": _conclusions(content, site),
        "presentedForm": _forms(paper, view, content, state),
    }
    return {key: value for key, value in fields.items() if value not in (None, "", [])}


def together(layers: Sequence[Json]) -> Json:
    """One DiagnosticReport of what several sources say of it; of equal status the first counts."""
    leading = max(layers, key=lambda one: RANK.get(one["status"], 0))
    others = [one for one in layers if one is not leading]
    body = dict(leading)
    numbers = [number for one in layers for number in one.get("identifier", [])]
    body["identifier"] = in_order(distinct(numbers))
    for one in others:
        body = {key: value for key, value in one.items() if key in _FILLED} | body
    if leading["status"] != "entered-in-error":
        body["result"] = unique(each for one in layers for each in one.get("result", []))
        forms = [form for one in others for form in one.get("presentedForm", []) if "url" in form]
        body["presentedForm"] = _by_kind([*leading.get("presentedForm", []), *forms])
    return {key: value for key, value in body.items() if value != []}


# What another source may add where the leading one is silent; labels come from messages alone.
_FILLED = frozenset({"meta", "encounter", "issued", "performer", "resultsInterpreter"})


def _by_kind(forms: Sequence[Json]) -> list[Json]:
    """Documents first, the text last; each once, by its hash."""
    kept: dict[str, Json] = {}
    for form in forms:
        kept.setdefault(str(form.get("hash") or form.get("url")), form)
    return sorted(kept.values(), key=lambda form: "data" in form)


def _narrative(content: Told) -> Json | None:
    if not content.sections:
        return None
    return {"status": "additional", "div": narrative(content.sections, content.language)}


def _code(paper: InstanceFacts, view: PaperView, site: Site) -> Json:
    """The procedure, the title where LOINC has it, and LOINC's word for every imaging report."""
    asked = [code for request in paper.requests for code in request.procedure]
    codes = [*paper.study.procedures, *asked]
    if paper.document.title.scheme == "LN":
        codes.append(paper.document.title)
    made = united([concept(dict.fromkeys(codes), base=site.base), {"coding": [IMAGING_STUDY]}])
    text = clean(view.description) or clean(paper.title)
    return (made or {}) | ({"text": text} if text else {})


def _effective(view: PaperView) -> Json:
    if view.started:
        return {"effectiveDateTime": view.started}
    return {"_effectiveDateTime": {"extension": [{"url": ABSENT_REASON, "valueCode": "unknown"}]}}


def _conclusions(content: Told, site: Site) -> list[Json]:
    found = (concept([code], base=site.base) for code in dict.fromkeys(content.codes))
    return unique(one for one in found if one)


def _forms(paper: InstanceFacts, view: PaperView, content: Told, state: str) -> list[Json]:
    """The document as it came, or the report as a page and as plain text."""
    if address := view.documents.get(paper.uid):
        return [enclosed_form(paper, address)]
    if not content.sections:
        return []
    unsigned = "" if RANK[state] > 1 else _UNSIGNED
    title = clean(paper.document.title.meaning)
    html = page(title, unsigned, content.sections, content.language)
    return [
        text_form(HTML, html, content.language, "Report as a page"),
        text_form(PLAIN, plain(content.sections), content.language, "Report as plain text"),
    ]
