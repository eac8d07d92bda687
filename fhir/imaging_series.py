"""Series and instances of an ImagingStudy (R4 imagingstudy; mapping 1.4)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dicom.facts import InstanceFacts
from fhir.codes import DCM, PARTICIPATION, SCT, body_site, coded
from fhir.datetimes import fhir_datetime, fhir_datetime_of_dt
from fhir.identifiers import RFC_3986, Site, uid_urn
from fhir.references import Directory, device, named, practitioner
from fhir.text import clean

# Objects about pictures rather than pictures: never what a study is called or dated by.
SECONDARY = frozenset(
    {"SR", "KO", "PR", "DOC", "SEG", "OT", "ANN", "RWV", "REG", "FID", "PLAN", "ASMT"}
    | {"RTSTRUCT", "RTPLAN", "RTRECORD"}
)
LATERALITY = {
    "L": coded(SCT, "7771000", "Left"),
    "R": coded(SCT, "24028007", "Right"),
    "B": coded(SCT, "51440002", "Bilateral"),
}

Json = dict[str, Any]
_NUMBER = re.compile(r"\+?\d{1,10}", re.ASCII)
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Series:
    """The instances of one series, in the order in which they are listed."""

    uid: str
    number: int | None
    modality: str
    instances: tuple[InstanceFacts, ...]

    @property
    def secondary(self) -> bool:
        """Whether the series holds documents, states or segments instead of pictures."""
        return self.modality in SECONDARY

    @property
    def offset(self) -> str:
        """The offset from UTC of the series: that of its first instance that has one."""
        return next((i.offset_from_utc for i in self.instances if i.offset_from_utc), "")

    @property
    def start(self) -> tuple[str, str]:
        """The earliest Series Date and Time; empty when no instance has a date."""
        dated = [(i.series.date, i.series.time) for i in self.instances if i.series.date]
        return min(dated, default=("", ""))


def group(instances: Iterable[InstanceFacts]) -> list[Series]:
    """Sort instances into series by number, then UID: equal input, equal order."""
    by_uid: dict[str, list[InstanceFacts]] = {}
    for instance in instances:
        by_uid.setdefault(instance.series.uid, []).append(instance)
    series = [_series(uid, members) for uid, members in by_uid.items()]
    return sorted(series, key=lambda one: _rank(one.number, one.uid))


def series_json(
    series: Series, site: Site, *, known: Directory, elsewhere: Mapping[str, str]
) -> Json:
    """One ImagingStudy.series; `elsewhere` gives the Endpoint of a RetrieveURL (0008,1190)."""
    url = _first(i.series.retrieve_url for i in series.instances)
    fields = {
        "uid": series.uid,
        "number": series.number,
        "modality": coded(DCM, series.modality),
        "description": clean(_first(i.series.description for i in series.instances)),
        "numberOfInstances": len(series.instances),
        "endpoint": [{"reference": elsewhere[url]}] if url in elsewhere else None,
        "bodySite": _body_site(series, site),
        "laterality": _laterality(series),
        "specimen": _specimens(series),
        "started": started(series, site),
        "performer": _performers(series, site, known),
        "instance": [_instance(instance) for instance in series.instances],
    }
    return {key: value for key, value in fields.items() if value not in (None, "", [])}


def started(series: Series, site: Site) -> str:
    """When the series began: Series Date and Time, else the earliest acquisition, else ""."""
    day, time = series.start
    if when := fhir_datetime(day, time, offset=series.offset, zone=site.zone):
        return when
    acquired = min((i.acquisition for i in series.instances if i.acquisition), default="")
    return fhir_datetime_of_dt(acquired, offset=series.offset, zone=site.zone)


def unsigned(text: str) -> int | None:
    """An IS value as FHIR unsignedInt; None when absent, negative or too large."""
    number = int(text) if _NUMBER.fullmatch(text := text.strip()) else _LARGEST + 1
    return number if number <= _LARGEST else None


def _series(uid: str, members: list[InstanceFacts]) -> Series:
    ordered = tuple(sorted(members, key=lambda one: _rank(unsigned(one.number), one.uid)))
    numbers = (unsigned(one.series.number) for one in ordered)
    return Series(
        uid=uid,
        number=next((number for number in numbers if number is not None), None),
        modality=_first(one.series.modality.strip() for one in ordered) or "OT",
        instances=ordered,
    )


def _rank(number: int | None, uid: str) -> tuple[int, str]:
    return (_LARGEST + 1 if number is None else number), uid


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


def _body_site(series: Series, site: Site) -> Json | None:
    for instance in series.instances:
        facts = instance.series
        if found := body_site(facts.region, facts.body_part, base=site.base):
            return found
    return None


def _laterality(series: Series) -> Json | None:
    """The side, if every instance that names one agrees, and every image names its own."""
    declared = {i.series.laterality for i in series.instances if i.series.laterality}
    if not declared:
        sides = [set(i.image_laterality) for i in series.instances]
        declared = set().union(*sides) if all(sides) else set()
    return LATERALITY.get(declared.pop()) if len(declared) == 1 else None


def _specimens(series: Series) -> list[Json]:
    names = dict.fromkeys(i.series.specimen for i in series.instances)
    return [one for name in names if (one := named("Specimen", name))]


def _performers(series: Series, site: Site, known: Directory) -> list[Json]:
    """Who and what made the series, each once: physicians, operators, equipment, institution."""
    facts = [one.series for one in series.instances]
    physicians = dict.fromkeys(person for one in facts for person in one.performers)
    operators = dict.fromkeys(person for one in facts for person in one.operators)
    actors = [
        *(("PRF", practitioner(one, base=site.base, known=known)) for one in physicians),
        *(("SPRF", practitioner(one, base=site.base, known=known)) for one in operators),
        ("DEV", device(facts[0], known=known)),
        ("LOC", named("Organization", _first(one.institution for one in facts))),
    ]
    return [
        {"function": {"coding": [coded(PARTICIPATION, code)]}, "actor": actor}
        for code, actor in actors
        if actor
    ]


def _instance(instance: InstanceFacts) -> Json:
    body: Json = {"uid": instance.uid}
    body["sopClass"] = {"system": RFC_3986, "code": uid_urn(instance.sop_class)}
    number = unsigned(instance.number)
    if number is not None:
        body["number"] = number
    if title := clean(instance.title):
        body["title"] = title
    return body
