"""Observations (R4) from structured reports: dose (mapping 1.7) and measurements (TID 1500).

Numbers keep their spelling; a unit that is UCUM has its code. Nothing is added up or derived.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dicom.facts import Code, InstanceFacts, Item
from fhir.codes import DCM, SYSTEMS, coded, coding, concept
from fhir.datetimes import fhir_datetime_of_dt
from fhir.hl7_sections import LOINC
from fhir.identifiers import DICOM_UID, Site, uid_urn
from fhir.observation import CATEGORY
from fhir.papers import PaperView, interpreters
from fhir.papers import status as report_status
from fhir.references import device
from fhir.sr_text import value_of
from fhir.text import clean

Json = dict[str, Any]
XRAY_DOSE, NUCLEAR_DOSE = "113701", "113500"
_SUMMARY = coded(LOINC, "73569-6", "Radiation exposure and protection information")
_EVENT = coded(DCM, "113852", "Irradiation Event")
# What makes the totals, and what one event is (PS3.16 TID 10001 to 10025).
_TOTALS = frozenset({"113702", "113811"})
_EVENTS = frozenset({"113706", "113819", "113502"})
_EVENT_UIDS = frozenset({"113769", "113503"})
_EVENT_STARTED = frozenset({"111526", "123003"})
# What is told of totals and events; all else of the report is in the report.
_IN_TOTALS = frozenset(
    {"113813", "113722", "113726", "113727", "113725", "113730", "113731", "113812", "111637"}
)
_IN_EVENTS = frozenset({"113830", "113838", "113835", "122130", "113738", "113507", "111631"})
_PLANE = "113764"
_MEASUREMENT_GROUP = "125007"
_SITES = frozenset({"363698007", "G-C0E3"})
_METHODS = frozenset({"370129005", "G-C036"})
_TRACKING, _TRACKING_UID = "112039", "112040"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DIGITS = 40
_UCUM = SYSTEMS["UCUM"]
# What devices write for a unit under the name of UCUM, and what UCUM calls it.
_SPELLED = {"Gym2": "Gy.m2", "dGycm2": "dGy.cm2", "mGycm": "mGy.cm", "no units": "1"}
MOST = 500


@dataclass(frozen=True, slots=True)
class Part:
    """A container of a report with all that is in it."""

    container: Item
    items: tuple[Item, ...]

    def first(self, codes: Iterable[str]) -> Item | None:
        """The first item whose name is one of these codes."""
        return next((item for item in self.items if item.concept.value in codes), None)


@dataclass(frozen=True, slots=True)
class Found:
    """An Observation to be: what it is known by within its report, and its body without an id.

    `members` are the keys of those that it holds together.
    """

    key: str
    body: Json
    members: tuple[str, ...] = ()


def is_dose(paper: InstanceFacts) -> bool:
    """Whether a report tells of dose: by its root concept (mapping 1.7)."""
    return paper.document.title.value in (XRAY_DOSE, NUCLEAR_DOSE)


def parts(items: Sequence[Item], codes: frozenset[str]) -> Iterator[Part]:
    """Every container of these names, the outermost only."""
    index = 0
    while index < len(items):
        item = items[index]
        index += 1
        if item.kind != "CONTAINER" or item.concept.value not in codes:
            continue
        start = index
        while index < len(items) and items[index].depth > item.depth:
            index += 1
        yield Part(item, tuple(items[start:index]))


def dose(paper: InstanceFacts, view: PaperView, site: Site) -> list[Found]:
    """The summary of a dose report, and each of its events that has a UID."""
    items = paper.document.items
    common = _common(paper, view, site)
    seen: dict[str, Found] = {}
    for part in parts(items, _EVENTS):
        if len(seen) < MOST and (found := _event(part, paper, common, site)):
            seen.setdefault(found.key, found)
    totals = [c for part in parts(items, _TOTALS) for c in _components(part, _IN_TOTALS, site)]
    summary = common | {
        "identifier": [{"system": DICOM_UID, "value": uid_urn(paper.uid)}],
        "code": {"coding": [_SUMMARY]},
        "valueString": _in_words(totals) or clean(paper.document.title.meaning),
        "component": totals,
    }
    return [Found("", _filled(summary), tuple(seen)), *seen.values()]


def measurements(paper: InstanceFacts, view: PaperView, site: Site) -> list[Found]:
    """Every number of a measurement group as a result, and the group that holds them together."""
    common = _common(paper, view, site)
    found: list[Found] = []
    for number, part in enumerate(parts(paper.document.items, frozenset({_MEASUREMENT_GROUP}))):
        numbers = list(_measurements(part, f"{number}", common, site))
        if numbers and len(found) + len(numbers) < MOST:
            members = tuple(one.key for one in numbers)
            found += [Found(f"{number}", _filled(_group(part, common, site)), members), *numbers]
    return found


def _common(paper: InstanceFacts, view: PaperView, site: Site) -> Json:
    """What all Observations of a report say alike."""
    return {
        "resourceType": "Observation",
        "basedOn": [{"reference": order} for order in view.orders],
        "status": _status(paper),
        "category": [{"coding": [coded(CATEGORY, "imaging")]}],
        "subject": {"reference": view.subject, "type": "Patient"},
        "encounter": {"reference": view.encounter} if view.encounter else None,
        "effectiveDateTime": view.started,
        "performer": interpreters(paper, view, site),
        "device": device(paper.series, known=view.known) if is_dose(paper) else None,
        "derivedFrom": [{"reference": view.study}] if view.study else [],
    }


def _status(paper: InstanceFacts) -> str:
    """A dose report is made by a machine and complete or not; a measurement is signed or not."""
    if is_dose(paper):
        return "final" if paper.document.completion == "COMPLETE" else "preliminary"
    status = report_status(paper)
    return "preliminary" if status == "partial" else status


def _event(part: Part, paper: InstanceFacts, common: Json, site: Site) -> Found | None:
    """One irradiation or administration; None without a UID that tells it from others."""
    named = part.first(_EVENT_UIDS)
    components = _components(part, _IN_EVENTS, site)
    if named is None or not named.text or not components:
        return None
    began = part.first(_EVENT_STARTED)
    when = began.text if began else ""
    started = fhir_datetime_of_dt(when, offset=paper.offset_from_utc, zone=site.zone)
    body = common | {
        "identifier": [{"system": DICOM_UID, "value": uid_urn(named.text)}],
        "code": {"coding": [_EVENT]},
        "effectiveDateTime": started or common["effectiveDateTime"],
        "component": components,
    }
    return Found(named.text, _filled(body))


def _components(part: Part, codes: frozenset[str], site: Site) -> list[Json]:
    """The values of a container that are told, with the plane where there are several."""
    plane = part.first([_PLANE])
    suffix = f" ({clean(plane.code.meaning)})" if plane and plane.code.meaning else ""
    found = []
    for item in part.items:
        if item.concept.value in codes and (value := _value(item, site)):
            name = concept([item.concept], base=site.base) or {}
            text = clean(item.concept.meaning) + suffix
            found.append({"code": name | ({"text": text} if text else {}), **value})
    return found


def _value(item: Item, site: Site) -> Json:
    if item.kind == "NUM":
        return {"valueQuantity": quantity(item)} if quantity(item) else {}
    if item.kind == "CODE" and (found := concept([item.code], base=site.base)):
        return {"valueCodeableConcept": found}
    return {}


def quantity(item: Item) -> Json | None:
    """A NUM as Quantity; None where there is no number that can be told."""
    text = item.text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > _DIGITS:
        return None
    unit = item.code
    body: Json = {"value": _decimal(text)}
    if unit.scheme.upper() == "UCUM" and unit.value:
        code = _SPELLED.get(unit.value, unit.value)
        return body | {"unit": clean(unit.meaning) or code, "system": _UCUM, "code": code}
    shown = clean(unit.meaning or unit.value)
    return body | ({"unit": shown} if shown else {})


def _decimal(text: str) -> Decimal | int:
    value = Decimal(text)
    return int(value) if text.lstrip("+-").isdigit() else value


def _in_words(components: list[Json]) -> str:
    """The totals as a line of text, each as the report tells it."""
    said = []
    for one in components:
        if measured := one.get("valueQuantity"):
            unit = "" if measured.get("code") == "1" else measured.get("code", measured.get("unit"))
            said.append(f"{one['code']['text']}: {measured['value']} {unit or ''}".strip())
    return "; ".join(said)


def _measurements(part: Part, group: str, common: Json, site: Site) -> Iterator[Found]:
    """The numbers that stand directly in a measurement group."""
    depth = part.container.depth + 1
    about = [item for item in part.items if item.depth == depth]
    for number, item in enumerate(part.items):
        measured = quantity(item) if item.kind == "NUM" and item.depth == depth else None
        name = concept([item.concept], base=site.base)
        if measured and name:
            below = _below(part.items, number)
            body = common | {
                "code": name,
                "valueQuantity": measured,
                "bodySite": _concept(below, _SITES, site) or _concept(about, _SITES, site),
                "method": _concept(below, _METHODS, site) or _concept(about, _METHODS, site),
            }
            yield Found(f"{group}.{number}", _filled(body))


def _below(items: Sequence[Item], index: int) -> list[Item]:
    """What belongs to one item."""
    found = []
    for item in items[index + 1 :]:
        if item.depth <= items[index].depth:
            break
        found.append(item)
    return found


def _group(part: Part, common: Json, site: Site) -> Json:
    """The Observation of a group: what was found, where, and what the group is called."""
    depth = part.container.depth + 1
    about = [item for item in part.items if item.depth == depth]
    finding = next((i for i in about if i.concept.value == "121071" and i.kind == "CODE"), None)
    tracked = next((i for i in about if i.concept.value == _TRACKING_UID and i.text), None)
    name = next((value_of(i) for i in about if i.concept.value == _TRACKING), "")
    code = concept([part.container.concept], name, base=site.base)
    return common | {
        "identifier": [{"system": DICOM_UID, "value": uid_urn(tracked.text)}] if tracked else [],
        "code": code or {"text": "Measurement group"},
        "valueCodeableConcept": concept([finding.code], base=site.base) if finding else None,
        "bodySite": _concept(about, _SITES, site),
    }


def _concept(items: Iterable[Item], names: frozenset[str], site: Site) -> Json | None:
    """The coded value of the first item of such a name."""
    codes: list[Code] = [i.code for i in items if i.concept.value in names and i.kind == "CODE"]
    found = coding(codes[0], base=site.base) if codes else None
    return {"coding": [found]} if found else None


def _filled(body: Json) -> Json:
    return {key: value for key, value in body.items() if value not in (None, "", [])}
