"""Searches over the DICOM index: every filter, the order and the page are in the SQL."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, and_, exists, func, or_, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from dicom.query import Between, Match, OneOf, Wild
from server.store.tables import instance, instance_json, series, study, study_name

_DATE, _TIME, _ISSUER, _MODALITIES = "00080020", "00080030", "00100021", "00080061"
_NAMES = {"00100010": "patient", "00080090": "referrer"}
_COLUMNS: Mapping[str, Any] = {
    "0020000D": study.c.uid,
    _DATE: study.c.date,
    _TIME: study.c.time,
    "00080050": study.c.accession,
    "00081030": study.c.description,
    "00100020": study.c.patient_number,
    "00100030": study.c.patient_birth_date,
    "00100040": study.c.patient_sex,
    "00200010": study.c.number,
    "0020000E": series.c.uid,
    "00080021": series.c.date,
    "00080060": series.c.modality,
    "0008103E": series.c.description,
    "00180015": series.c.body_part,
    "00200011": series.c.number,
    "00080018": instance.c.uid,
    "00080016": instance.c.sop_class,
    "00200013": instance.c.number,
}
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: the level, what was named in the address, matches by tag, the page."""

    level: str
    study: str = ""
    series: str = ""
    matches: Mapping[str, Match] = field(default_factory=dict)
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Whole:
    """What the series of a study add up to."""

    modalities: tuple[str, ...] = ()
    series: int = 0
    instances: int = 0


def find(
    connection: Connection, allowed: ColumnElement[bool], search: Search
) -> Sequence[Row[Any]]:
    """The rows of a page, newest study first, and one more if there are more.

    `allowed` is the gate's condition on `study` rows. `sample` is an instance of each row.
    """
    return connection.execute(statement(connection, allowed, search)).fetchall()


def statement(connection: Connection, allowed: ColumnElement[bool], search: Search) -> Select[Any]:
    """The SQL of a search."""
    query = _level(search.level).where(allowed)
    if search.study:
        query = query.where(study.c.uid == search.study)
    if search.series:
        query = query.where(series.c.uid == search.series)
    matches = dict(search.matches)
    date, time = matches.get(_DATE), matches.get(_TIME)
    if isinstance(date, Between) and isinstance(time, Between):
        del matches[_TIME]
        query = query.where(_combined(date, time))
    for tag, match in matches.items():
        query = query.where(_condition(connection, tag, match))
    return query.limit(search.limit + 1).offset(search.offset)


def _level(level: str) -> Select[Any]:
    """The rows of a level, in their order."""
    of_study = (
        study.c.uid.label("study"),
        study.c.claim,
        *(study.c[name] for name in _STUDY),
    )
    of_series = (
        series.c.uid.label("series"),
        *(series.c[name].label(f"series_{name}") for name in _SERIES),
    )
    newest = [column.desc() for column in (study.c.date, study.c.time, study.c.uid, study.c.claim)]
    if level == "study":
        return select(*of_study, _sample(study, study.c.uid)).order_by(*newest)
    if level == "series":
        return (
            select(*of_study, *of_series, _sample(series, series.c.study))
            .join(series, _inside(series))
            .order_by(*newest, series.c.number, series.c.uid)
        )
    return (
        select(*of_study, *of_series, instance.c.uid.label("sample"))
        .join(instance, _inside(instance) & (instance.c.copy == 0))
        .join(series, _inside(series) & (series.c.uid == instance.c.series))
        .order_by(*newest, instance.c.series, instance.c.number, instance.c.uid)
    )


_STUDY = (
    "patient_number",
    "patient_issuer",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "date",
    "time",
    "accession",
    "number",
    "description",
    "referrer",
)
_SERIES = ("modality", "number", "description", "body_part", "date", "instances")


def _inside(table: Any) -> ColumnElement[bool]:
    """The condition that joins series or instances to their study."""
    return and_(
        table.c.organisation == study.c.organisation,
        table.c.study == study.c.uid,
        table.c.claim == study.c.claim,
    )


def _sample(table: Any, uid: Any) -> ColumnElement[str]:
    """The first visible instance of a study or series, by the index that orders them."""
    query = select(instance.c.uid).where(
        instance.c.organisation == table.c.organisation,
        instance.c.study == uid,
        instance.c.claim == table.c.claim,
        instance.c.copy == 0,
    )
    if table is series:
        query = query.where(instance.c.series == series.c.uid)
    first = query.order_by(instance.c.series, instance.c.number).limit(1)
    return first.correlate(table).scalar_subquery().label("sample")


def _condition(connection: Connection, tag: str, match: Match) -> ColumnElement[bool]:
    if tag in _NAMES:
        return _named(connection, _NAMES[tag], match)
    if tag == _MODALITIES:
        return exists().where(_inside(series), _fits(connection, series.c.modality, match))
    if tag == _ISSUER:
        return _issued(connection, match)
    return _fits(connection, _COLUMNS[tag], match)


def _named(connection: Connection, role: str, match: Match) -> ColumnElement[bool]:
    """Studies that have a name in this role: found by name, then fetched by key."""
    found = select(study_name.c.study, study_name.c.claim).where(
        study_name.c.organisation == study.c.organisation,
        study_name.c.role == role,
        _fits(connection, study_name.c.name, match),
    )
    return tuple_(study.c.uid, study.c.claim).in_(found)


def _issued(connection: Connection, match: Match) -> ColumnElement[bool]:
    """The namespace of a number's issuer, which stands first in a JSON list."""
    texts = (match.pattern,) if isinstance(match, Wild) else _values(match)
    starts = [json.dumps([text])[:-1] + ",*" for text in texts]
    return or_(*(_like(connection, study.c.patient_issuer, start) for start in starts))


def _values(match: Match) -> tuple[str, ...]:
    return match.values if isinstance(match, OneOf) else ()


def _fits(connection: Connection, column: Any, match: Match) -> ColumnElement[bool]:
    """One column against one match."""
    if isinstance(match, Wild):
        return _like(connection, column, match.pattern)
    if isinstance(match, OneOf):
        numeric = isinstance(column.type, Integer)
        values = [int(value) if numeric else value for value in match.values]
        return column.in_(values)  # type: ignore[no-any-return]
    # An open range must not match what is unknown: "" sorts before every date.
    ends = [column != ""]
    if match.low:
        ends.append(column >= match.low)
    if match.high:
        ends.append(column <= match.high)
    return and_(*ends)


def _like(connection: Connection, column: Any, pattern: str) -> ColumnElement[bool]:
    """Case matters and only * and ? are wild (PS3.4 C.2.2.2.4): SQLite spells that GLOB.

    SQLite is given the pattern's literal beginning as a range, so that an index serves it.
    """
    if connection.dialect.name != "sqlite":
        escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
        wild = escaped.replace("*", "%").replace("?", "_")
        return column.like(wild, escape="\\")  # type: ignore[no-any-return]
    fits = column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    start = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return and_(column >= start, column < start + _LAST, fits) if start else and_(fits)


def _combined(date: Between, time: Between) -> ColumnElement[bool]:
    """Date and time ranges given together are one range of moments (PS3.4 C.2.2.2.5.4)."""
    ends = [study.c.date != ""]
    if date.low:
        late = (study.c.date == date.low) & (study.c.time >= time.low)
        ends.append((study.c.date >= date.low) & ((study.c.date > date.low) | late))
    if date.high:
        early = (study.c.date == date.high) & (study.c.time <= (time.high or _LAST))
        ends.append((study.c.date <= date.high) & ((study.c.date < date.high) | early))
    return and_(*ends)


def wholes(
    connection: Connection, organisation: int, uids: Sequence[str]
) -> dict[tuple[str, int], Whole]:
    """What the series of these studies add up to, by UID and claim."""
    query = (
        select(
            series.c.study,
            series.c.claim,
            series.c.modality,
            func.count().label("series"),
            func.sum(series.c.instances).label("instances"),
        )
        .where(series.c.organisation == organisation, series.c.study.in_(uids))
        .group_by(series.c.study, series.c.claim, series.c.modality)
        .order_by(series.c.modality)
    )
    found: dict[tuple[str, int], Whole] = {}
    for row in connection.execute(query):
        known = found.get((row.study, row.claim), Whole())
        found[row.study, row.claim] = Whole(
            known.modalities + ((row.modality,) if row.modality else ()),
            known.series + row.series,
            known.instances + int(row.instances),
        )
    return found


def models(connection: Connection, organisation: int, uids: Sequence[str]) -> dict[str, str]:
    """The stored DICOM JSON of instances, by SOP Instance UID."""
    query = select(instance_json.c.uid, instance_json.c.json).where(
        instance_json.c.organisation == organisation,
        instance_json.c.uid.in_(uids),
        instance_json.c.copy == 0,
    )
    return {row.uid: row.json for row in connection.execute(query)}
