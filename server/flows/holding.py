"""What the holder of a Magic Link sees: studies, series, reports, each behind the gate.

A report that is not released yet is told to exist, unless it is marked as restricted or a row of the
release table hides it; so are pictures. Of a report that was withdrawn the tombstone is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, false, select

from fhir import binary, wire
from fhir.bundle import Found, collection
from fhir.names import display_name
from fhir.report_text import text_in
from server import clock
from server.errors import Missing
from server.flows import access, contents, opening, pixels, release
from server.flows.access import Grant
from server.flows.audit import Reading
from server.flows.contents import Content
from server.flows.opening import Opened
from server.flows.patients import load_facts
from server.flows.release import WITHDRAWN
from server.flows.sites import House
from server.store import index, people, resources, shares
from server.store.fhir_tables import resource
from server.store.index import StudyKey
from server.store.tables import study

Json = dict[str, Any]
REPORT = "DiagnosticReport"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose pictures these are. The birth date is as DICOM spells it."""

    name: str
    birth_date: str


@dataclass(frozen=True, slots=True)
class SeriesShown:
    """A series with pictures: how many, and where its first one is."""

    uid: str
    modality: str
    description: str
    pictures: int


@dataclass(frozen=True, slots=True)
class StudyShown:
    """A study; `settled` is False while pictures still arrive."""

    uid: str
    id: str
    date: str
    description: str
    modalities: tuple[str, ...]
    settled: bool
    series: tuple[SeriesShown, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a report: the id of its Binary, its title and type, its size in bytes."""

    id: str
    title: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class ReportShown:
    """A report. `state` is shown, awaited, waiting or withdrawn; only one that is shown has content.

    One that is waiting can be read `since` a moment, or, if that is 0, once somebody asks for it.
    """

    id: str
    state: str
    status: str = ""
    title: str = ""
    issued: str = ""
    language: str = ""
    conclusion: str = ""
    text: str = ""
    documents: tuple[Document, ...] = ()
    studies: tuple[str, ...] = ()
    since: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a series: which it is of how many, and where it is."""

    number: int
    count: int
    instance: str
    frame: int


def reading(house: House, opened: Opened, what: str, study_uid: str = "") -> Reading:
    """Cover a page of the link by an open event, durable before the page leaves."""
    event = opening.event(opened, "read", what, study=study_uid)
    return house.auditor.reading(event)


def person(house: House, opened: Opened) -> Person:
    """Whose link this is."""
    with house.database.read() as connection:
        row = people.patient_row(connection, opened.grant.organisation, opened.patient)
    facts = load_facts(row.facts) if row is not None else None
    return Person(display_name(facts.name), facts.birth_date) if facts else Person("", "")


def studies(house: House, grant: Grant) -> list[StudyShown]:
    """The studies that the link shows, the newest first."""
    with house.database.read() as connection:
        rows = _study_rows(connection, grant)
        return [_study(connection, grant, row) for row in rows]


def _study_rows(connection: Connection, grant: Grant) -> Sequence[Any]:
    query = select(study).where(access.studies(grant))
    return connection.execute(
        query.order_by(study.c.date.desc(), study.c.time.desc(), study.c.uid)
    ).fetchall()


def _study(connection: Connection, grant: Grant, row: Any) -> StudyShown:
    key = StudyKey(grant.organisation, row.uid, row.claim)
    described = {one.uid: one for one in index.series_of(connection, key)}
    counts: dict[str, int] = {}
    for one in index.visible(connection, key):
        counts[one.series] = counts.get(one.series, 0) + one.frames
    series = tuple(
        SeriesShown(uid, described[uid].modality, described[uid].description, counts[uid])
        for uid in sorted(counts, key=lambda uid: (described[uid].number or 0, uid))
        if counts[uid]
    )
    words = (row.date, row.description, tuple(filter(None, row.modalities.split(","))))
    return StudyShown(row.uid, row.id, *words, not row.settling, series)


def picture(house: House, grant: Grant, study_uid: str, series: str, number: int) -> Picture:
    """One picture of a series, by its number from 1; 0 is the middle one. Raises Missing, Denied."""
    rows = [row for row in pixels.select(house, grant, study_uid, series).rows if row.frames]
    count = sum(row.frames for row in rows)
    wanted = number or (count + 1) // 2
    before = 0
    for row in rows:
        if 0 < wanted - before <= row.frames:
            return Picture(wanted, count, row.uid, wanted - before)
        before += row.frames
    raise Missing("the series has no such picture")


def reports(house: House, grant: Grant) -> list[ReportShown]:
    """The reports on these studies: those that may be read, and that others exist."""
    with house.database.read() as connection:
        readable = connection.execute(_all(grant, REPORT)).fetchall()
        seen = {row.rid for row in readable}
        ids = shares.described(connection, grant.organisation, grant.studies or ())
        others = [
            row
            for row in shares.reports_of(connection, grant.organisation, ids)
            if row.rid not in seen and row.filed_under in grant.patients
        ]
        waiting = [told for row in others if (told := _waiting(connection, grant, row))]
    shown = [_report(grant, row) for row in readable]
    return sorted(shown, key=lambda one: one.issued, reverse=True) + waiting


def _waiting(connection: Connection, grant: Grant, row: Any) -> ReportShown | None:
    """What is told of a report that the link does not show yet, None if it does not exist for it."""
    held = release.waiting(connection, grant, row)
    if held is not None and held.secret:
        return None
    if row.hidden:
        return ReportShown(row.id, "awaited") if release.awaits(wire.read(row.text)) else None
    return ReportShown(row.id, "waiting", since=held.since) if held else None


def pictures_waiting(house: House, grant: Grant) -> list[int]:
    """Of each study whose pictures are held: since when they can be seen, 0 if one has to ask."""
    with house.database.read() as connection:
        ids = shares.described(connection, grant.organisation, grant.studies or ())
        rows = [
            resources.current(connection, grant.organisation, "ImagingStudy", id_) for id_ in ids
        ]
        mine = [row for row in rows if row and row.filed_under in grant.patients and not row.hidden]
        found = [release.waiting(connection, grant, row) for row in mine if not row.deleted]
    return sorted(one.since for one in found if one and not one.secret)


def report(house: House, grant: Grant, id_: str) -> ReportShown:
    """One report in full. Raises Missing for one that the link does not show."""
    found = [
        one
        for one in reports(house, grant)
        if one.id == id_ and one.state in ("shown", "withdrawn")
    ]
    if not found:
        raise Missing("there is no such report here")
    return found[0]


def _report(grant: Grant, row: Any) -> ReportShown:
    body = wire.read(release.shown(grant, REPORT, row.text))
    if body["status"] == WITHDRAWN:
        return ReportShown(row.id, "withdrawn", WITHDRAWN)
    return ReportShown(
        id=row.id,
        state="shown",
        status=body["status"],
        title=title_of(body),
        issued=body.get("issued") or body.get("effectiveDateTime", ""),
        language=body.get("language", ""),
        conclusion=body.get("conclusion", ""),
        text=text_in(body),
        documents=tuple(_documents(body)),
        studies=tuple(
            one.get("reference", "").removeprefix("ImagingStudy/")
            for one in body.get("imagingStudy", [])
        ),
    )


def title_of(body: Json) -> str:
    """What a report or an order is called: the words of its code."""
    code = body.get("code", {})
    shown = [coding.get("display", "") for coding in code.get("coding", [])]
    return next(filter(None, [code.get("text", ""), *shown]), "")


def _documents(body: Json) -> list[Document]:
    return [
        Document(
            one["url"].removeprefix("Binary/"),
            one.get("title", ""),
            one.get("contentType", ""),
            int(one.get("size", 0)),
        )
        for one in body.get("presentedForm", [])
        if one.get("url", "").startswith("Binary/")
    ]


def documents(house: House, grant: Grant) -> dict[str, Content]:
    """The documents that the link reaches and nobody withdrew, by the id of their Binary."""
    with house.database.read() as connection:
        rows = connection.execute(_all(grant, "Binary")).fetchall()
        good = [row.id for row in rows if not binary.is_withdrawn(wire.read(row.text))]
        found = {id_: contents.find(house, connection, grant.organisation, id_) for id_ in good}
    return {id_: content for id_, content in found.items() if content is not None}


_SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
# What a copy of a record says of the person: neither addresses nor numbers.
_OF_PERSON = ("resourceType", "id", "name", "gender", "birthDate")


def bundle(house: House, opened: Opened) -> str:
    """The link as a FHIR Bundle: studies, reports, documents, and whose they are (R4 bundle)."""
    grant, base = opened.grant, house.config.fhir_base
    with house.database.read() as connection:
        entries = [_person_entry(connection, opened)]
        for type_ in ("ImagingStudy", REPORT, "Binary", "Endpoint"):
            rows = connection.execute(_all(grant, type_)).fetchall()
            unseen = release.unseen(connection, grant, rows)
            entries += [
                (type_, row.id, release.shown(grant, type_, row.text, unseen)) for row in rows
            ]
    found = (Found(text, f"{base}/{type_}/{id_}") for type_, id_, text in entries if text)
    return collection(found, clock.instant(clock.now()))


def _person_entry(connection: Connection, opened: Opened) -> tuple[str, str, str]:
    row = resources.current(connection, opened.grant.organisation, "Patient", opened.patient)
    if row is None or row.deleted:
        return "Patient", opened.patient, ""
    body = wire.read(row.text)
    kept = {name: body[name] for name in _OF_PERSON if name in body}
    return "Patient", row.id, wire.write(kept | {"meta": {"tag": [_SUBSETTED]}})


def _all(grant: Grant, type_: str) -> Any:
    query = select(resource).where(
        resource.c.organisation == grant.organisation,
        resource.c.type == type_,
        resource.c.deleted == false(),
    )
    return access.limit(query, grant, type_).order_by(resource.c.rid)
