"""ImagingStudy (R4) computed whole from the facts of a study's visible instances (mapping 1.3).

Nothing in it comes from a clock or a chance: equal facts give an equal resource, so that a study
which did not change is not written again.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dicom.facts import Code, InstanceFacts, Number, Person, Request, StudyFacts
from fhir.codes import DCM, TAGS, coded, concept
from fhir.datetimes import fhir_datetime
from fhir.identifiers import (
    Site,
    accession_identifier,
    patient_system,
    study_identifier,
)
from fhir.imaging_series import Series, group, series_json, started
from fhir.references import Directory, named, practitioner
from fhir.text import clean
from fhir.unique import unique

SETTLED = "settled"
ARRIVING = "arriving"
IDENTITY_NOT_CONFIRMED = "identity-not-confirmed"
UNIDENTIFIED = "unidentified"

Json = dict[str, Any]
_NO_NUMBER = Number()


@dataclass(frozen=True, slots=True)
class Order:
    """A ServiceRequest that asked for this study, and the accession number it goes by."""

    reference: str
    accession: Number = _NO_NUMBER


@dataclass(frozen=True, slots=True)
class StudyView:
    """All that is known of one study: its visible instances and what others decided about it.

    `subject`, `encounter` and `endpoints` are references ("Patient/x"). `wrong` means withdrawn
    as wrong patient or unsafe, `cancelled` that the order was, `elsewhere` maps a RetrieveURL to
    an Endpoint, `known` finds people and devices by identifier. `tags` are codes such as SETTLED.
    """

    id: str
    uid: str
    subject: str
    instances: Sequence[InstanceFacts] = ()
    subject_number: Number = _NO_NUMBER
    encounter: str = ""
    endpoints: tuple[str, ...] = ()
    orders: tuple[Order, ...] = ()
    cancelled: bool = False
    wrong: bool = False
    tags: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    known: Directory = field(default_factory=dict)


def build(study: StudyView, site: Site) -> Json:
    """The whole ImagingStudy, without versionId and lastUpdated, which the store adds."""
    series = group(study.instances)
    leading = _leading_first(series)
    facts = [instance.study for one in leading for instance in one.instances]
    accessions = _accessions(study, leading, site)
    fields = {
        "resourceType": "ImagingStudy",
        "id": study.id,
        "meta": {"tag": [coded(TAGS, code) for code in study.tags]} if study.tags else None,
        "identifier": [study_identifier(study.uid), *accessions, *_study_id(facts, site)],
        "status": status(study),
        "modality": [coded(DCM, code) for code in _modalities(leading)],
        "subject": _subject(study, site),
        "encounter": {"reference": study.encounter} if study.encounter else None,
        "started": _started(leading, site),
        "basedOn": _based_on(study, accessions),
        "referrer": _person((one.referrer for one in facts), study, site),
        "interpreter": _people((p for one in facts for p in one.readers), study, site),
        "endpoint": [{"reference": endpoint} for endpoint in study.endpoints],
        "numberOfSeries": len(series),
        "numberOfInstances": len(study.instances),
        "procedureCode": _procedures(facts, site),
        "location": named("Location", _first(facts, lambda one: one.location)),
        "reasonCode": _reasons(study, leading, site),
        "description": _first(facts, lambda one: one.description),
        "series": [
            series_json(one, site, known=study.known, elsewhere=study.elsewhere) for one in series
        ],
    }
    return {key: value for key, value in fields.items() if value not in (None, "", [])}


def without(body: Json, uids: Container[str]) -> Json:
    """An ImagingStudy as if some of its instances were not there, nor series that have no other."""
    left = list[Json]()
    for one in body.get("series", []):
        kept = [each for each in one.get("instance", []) if each["uid"] not in uids]
        if len(kept) == len(one.get("instance", [])):
            left.append(one)
        elif kept:
            left.append(one | {"instance": kept, "numberOfInstances": len(kept)})
    modalities = [one["modality"]["code"] for one in left]
    told = {
        "modality": [one for one in body.get("modality", []) if one["code"] in modalities],
        "numberOfSeries": len(left),
        "numberOfInstances": sum(one["numberOfInstances"] for one in left),
        "series": left,
    }
    found = {name: told.get(name, value) for name, value in body.items()}
    return {name: value for name, value in found.items() if value != []}


def status(study: StudyView) -> str:
    """The status by what is there and what was decided (mapping 1.9)."""
    if study.wrong:
        return "entered-in-error"
    if study.instances:
        return "available"
    return "cancelled" if study.cancelled else "registered"


def primary_modality(study: Json) -> str:
    """The modality that names a study to people: its first, and pictures come before documents."""
    modalities = study.get("modality") or [{}]
    return str(modalities[0].get("code", ""))


def _leading_first(series: list[Series]) -> list[Series]:
    """Pictures before documents, the earliest first: the order in which series speak for a study."""

    def rank(one: Series) -> tuple[bool, bool, tuple[str, str]]:
        return one.secondary, not one.start[0], one.start

    return sorted(series, key=rank)


def _first(facts: Iterable[StudyFacts], pick: Callable[[StudyFacts], str]) -> str:
    return next((text for one in facts if (text := clean(pick(one)))), "")


def _modalities(series: list[Series]) -> dict[str, None]:
    return dict.fromkeys(one.modality for one in series)


def _started(series: list[Series], site: Site) -> str:
    """Study Date and Time of the leading series that has them, else when the first one began."""
    for one in series:
        dated = [(i.study.date, i.study.time) for i in one.instances if i.study.date]
        day, time = min(dated, default=("", ""))
        if when := fhir_datetime(day, time, offset=one.offset, zone=site.zone):
            return when
    return next((when for one in series if (when := started(one, site))), "")


def _subject(study: StudyView, site: Site) -> Json:
    body: Json = {"reference": study.subject, "type": "Patient"}
    if number := study.subject_number.value.strip():
        system = patient_system(study.subject_number.issuer, site)
        body["identifier"] = ({"system": system} if system else {}) | {"value": number}
    return body


def _accessions(study: StudyView, series: list[Series], site: Site) -> list[Json]:
    """An identifier for each accession number, once; one with an issuer stands for one without."""
    numbers: dict[Number, None] = {}
    for one in series:
        for instance in one.instances:
            numbers[instance.study.accession] = None
            numbers |= dict.fromkeys(r.accession for r in _requests(instance, study.uid))
    numbers |= dict.fromkeys(order.accession for order in study.orders)
    made = [accession_identifier(number, site) for number in numbers if number.value.strip()]
    issued = {one["value"] for one in made if "system" in one}
    return unique(one for one in made if "system" in one or one["value"] not in issued)


def _requests(instance: InstanceFacts, uid: str) -> list[Request]:
    """The requests for this study; a document may name those of others (0040,A370)."""
    return [request for request in instance.requests if request.study in ("", uid)]


def _study_id(facts: list[StudyFacts], site: Site) -> list[Json]:
    number = _first(facts, lambda one: one.number) if site.study_id_system else ""
    return [{"system": site.study_id_system, "value": number}] if number else []


def _based_on(study: StudyView, accessions: list[Json]) -> list[Json]:
    """A reference for each accession, to its order where there is one, and for all other orders."""
    linked: list[Json] = []
    rest = [order.reference for order in study.orders]
    for identifier in accessions:
        own = [
            o.reference for o in study.orders if o.accession.value.strip() == identifier["value"]
        ]
        rest = [reference for reference in rest if reference not in own]
        targets: list[Json] = [{"reference": reference} for reference in own] or [{}]
        linked += [
            target | {"type": "ServiceRequest", "identifier": identifier} for target in targets
        ]
    return linked + [{"reference": reference, "type": "ServiceRequest"} for reference in rest]


def _person(people: Iterable[Person], study: StudyView, site: Site) -> Json | None:
    return next(iter(_people(people, study, site)), None)


def _people(people: Iterable[Person], study: StudyView, site: Site) -> list[Json]:
    references = (
        practitioner(person, base=site.base, known=study.known) for person in dict.fromkeys(people)
    )
    return [reference for reference in references if reference]


def _procedures(facts: list[StudyFacts], site: Site) -> list[Json]:
    codes = dict.fromkeys(code for one in facts for code in one.procedures)
    found = unique(each for code in codes if (each := concept([code], base=site.base)))
    text = _first(facts, lambda one: one.procedure_text) or _first(
        facts, lambda one: one.description
    )
    return found or ([{"text": text}] if text else [])


def _reasons(study: StudyView, series: list[Series], site: Site) -> list[Json]:
    """Why it was asked for, then why it was done (0040,1002, 0040,100A, 0040,1012), each once."""
    instances = [instance for one in series for instance in one.instances]
    asked = [request for one in instances for request in _requests(one, study.uid)]
    found: list[Json | None] = []
    for codes, text in dict.fromkeys((request.reasons, request.reason_text) for request in asked):
        found += _reason(codes, text, site)
    for codes in dict.fromkeys(one.study.reasons for one in instances):
        found += _reason(codes, "", site)
    return unique(one for one in found if one)


def _reason(codes: tuple[Code, ...], text: str, site: Site) -> list[Json | None]:
    """One code and its text are one reason; of several codes each is one, and so is the text."""
    if len(codes) < 2:
        return [concept(codes, clean(text), base=site.base)]
    return [*(concept([code], base=site.base) for code in codes), concept([], text, base=site.base)]
