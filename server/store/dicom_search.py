"""Searches over the DICOM index: every filter, the order and the page are in the SQL."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import Join

from dicom.query import Between, Match, OneOf, Wild
from server.store import shapes
from server.store.dicom_match import combined, fits, issued, slotted, start_of
from server.store.prepared import Prepared, among
from server.store.shapes import Ask, Gate, Slots, counted
from server.store.tables import instance, instance_json, series, study, study_key

# The gate: makes the condition on `study` rows.
Allowed = Callable[[], ColumnElement[bool]]
_DATE, _TIME, _ISSUER, _MODALITIES = "00080020", "00080030", "00100021", "00080061"
_ROLES = {"00100010": "patient", "00080090": "referrer", "00080050": "accession"}
_COLUMNS: Mapping[str, Any] = {
    "0020000D": study.c.uid,
    _DATE: study.c.date,
    _TIME: study.c.time,
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
# Keys that name studies, and keys that an index answers.
_UIDS = frozenset({"0020000D", "0020000E", "00080018"})
_PROBED = frozenset({"00080050", "00080061", "00080090", "00100010", "00100020", "00100030"})
FEW = 1000
_PATIENT = ("patient_number", "patient_issuer", "patient_name", "patient_birth_date", "patient_sex")
_STUDY = (
    "coerced",
    *_PATIENT,
    "date",
    "time",
    "accession",
    "number",
    "description",
    "referrer",
)
_SERIES = ("uid", "modality", "number", "description", "body_part", "date", "instances")


class _Then(Join):
    """A join that SQLite, which knows no statistics, makes in the order written: CROSS JOIN."""

    inherit_cache = True


@compiles(_Then, "sqlite")
def _cross_join(join: _Then, compiler: Any, **options: Any) -> str:
    left, right, on = (
        compiler.process(part, **options) for part in (join.left, join.right, join.onclause)
    )
    return f"{left} CROSS JOIN {right} ON {on}"


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: the level, what was named in the address, matches by tag, the page.

    `gate` makes its condition on `study` rows.
    """

    organisation: int
    level: str
    gate: Gate[Allowed]
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


def find(connection: Connection, search: Search) -> Sequence[Any]:
    """The rows of a page, newest study first, and one more if there are more."""
    return _rows(connection, search, _Statement.page)


def patients(connection: Connection, search: Search) -> Sequence[Any]:
    """Whom the studies of a search are of, each once, and one more if there are more."""
    return _rows(connection, replace(search, level="study"), _Statement.patients)


def _rows(
    connection: Connection, search: Search, make: Callable[["_Statement"], Select[Any]]
) -> Sequence[Any]:
    dialect, search = connection.dialect.name, replace(search, limit=search.limit + 1)

    def plain(ask: Ask) -> tuple[Any, None]:
        return make(_Statement(ask, dialect, search, search.gate.allowed)), None

    if any(_needs_value(tag, match) for tag, match in search.matches.items()):
        return shapes.anew(connection, plain)[0]
    slots = Slots()
    asked = _slotted(search, slots)
    gate, allowed = search.gate.shaped(slots)

    def build(ask: Ask) -> tuple[Any, None]:
        return make(_Statement(ask, dialect, asked, allowed)), None

    place = (search.organisation, search.level, asked.study, asked.series)
    shape = (make.__qualname__, *place, gate, search.gate.few, *asked.matches.items())
    return shapes.rows(connection, shape, slots, build, plain)[0]


def _needs_value(tag: str, match: Match) -> bool:
    """Whether the SQL of a match depends on what its values are."""
    numeric = tag in _COLUMNS and isinstance(_COLUMNS[tag].type, Integer)
    return isinstance(match, Wild) or numeric or tag == _ISSUER


def _slotted(search: Search, slots: Slots) -> Search:
    matches = {tag: slotted(match, slots) for tag, match in sorted(search.matches.items())}
    return replace(
        search,
        study=slots.text(search.study),
        series=slots.text(search.series),
        matches=matches,
        limit=slots.number(search.limit),
        offset=slots.number(search.offset),
    )


@dataclass(frozen=True, slots=True)
class _Statement:
    """Makes the SQL of a search."""

    ask: Ask
    dialect: str
    search: Search
    allowed: Allowed

    def page(self) -> Select[Any]:
        """What is found, from a place on."""
        return self._paged(self._whole())

    def patients(self) -> Select[Any]:
        """Whom it is of, by name."""
        found = self._whole().order_by(None).subquery()
        columns = [found.c[name] for name in _PATIENT]
        return self._paged(select(*columns).distinct().order_by(*columns[2::-1]))

    def _paged(self, query: Select[Any]) -> Select[Any]:
        return query.limit(counted(self.search.limit)).offset(counted(self.search.offset))

    def _whole(self) -> Select[Any]:
        search, sharp = self.search, self._sharp()
        few = search.gate.few or bool(search.study or sharp)
        query = _level(search.level, _newest(few)).where(self.allowed(), *_named(search))
        matches = dict(search.matches)
        date, time = matches.get(_DATE), matches.get(_TIME)
        if isinstance(date, Between) and isinstance(time, Between):
            del matches[_TIME]
            query = query.where(combined(date, time))
        for tag, match in matches.items():
            if tag in _ROLES or (tag == _MODALITIES and tag in sharp):
                keys = self._keys(tag, match)
                query = query.where(tuple_(study.c.uid, study.c.claim).in_(keys))
            else:
                query = query.where(self._condition(tag, match))
        return query

    def _sharp(self) -> frozenset[str]:
        """The keys by which an index finds few studies: better sorted than met on a walk by date.

        What a value leaves is probed, up to FEW, because no statistics know it.
        """
        uids = _UIDS.intersection(self.search.matches)
        return uids.union(
            tag
            for tag, match in self.search.matches.items()
            if tag in _PROBED
            and (not isinstance(match, Wild) or start_of(match.pattern))
            and self._few(self._keys(tag, match))
        )

    def _few(self, keys: Select[Any]) -> bool:
        some = keys.limit(FEW).subquery()
        return self.ask(select((func.count() < FEW).label("few")).select_from(some))

    def _keys(self, tag: str, match: Match) -> Select[Any]:
        """UID and claim of the studies that an indexed key finds."""
        if tag in _ROLES:
            table, role = study_key, study_key.c.role == _ROLES[tag]
            found = select(table.c.study, table.c.claim).where(role)
            column: Any = table.c.value
        elif tag == _MODALITIES:
            table, column = series, series.c.modality
            found = select(table.c.study, table.c.claim)
        else:
            table, column = study, _COLUMNS[tag]
            found = select(table.c.uid, table.c.claim)
        mine = table.c.organisation == self.search.organisation
        return found.where(mine, fits(self.dialect, column, match))

    def _condition(self, tag: str, match: Match) -> ColumnElement[bool]:
        if tag == _MODALITIES:
            return exists().where(_inside(series), fits(self.dialect, series.c.modality, match))
        if tag == _ISSUER:
            return issued(self.dialect, match)
        return fits(self.dialect, _COLUMNS[tag], match)


def _level(level: str, newest: list[Any]) -> Select[Any]:
    """The rows of a level, in their order."""
    of_study = [study.c.uid.label("study"), study.c.claim, *(study.c[name] for name in _STUDY)]
    of_series = [series.c[name].label(f"series_{name}") for name in _SERIES]
    if level == "study":
        return select(*of_study).order_by(*newest)
    if level == "series":
        return (
            select(*of_study, *of_series)
            .select_from(_Then(study, series, _inside(series)))
            .order_by(*newest, series.c.number, series.c.uid)
        )
    visible = _inside(instance) & (instance.c.copy == 0)
    own = _inside(series) & (series.c.uid == instance.c.series)
    return (
        select(*of_study, *of_series, instance.c.uid.label("instance"))
        .select_from(_Then(_Then(study, instance, visible), series, own))
        .order_by(*newest, instance.c.series, instance.c.number, instance.c.uid)
    )


def _newest(few: bool) -> list[Any]:
    """Newest study first. The appended "" keeps SQLite from the walk by date if few are meant."""
    first = study.c.date + "" if few else study.c.date
    return [first.desc(), study.c.time.desc(), study.c.uid.desc(), study.c.claim.desc()]


def _inside(table: Any) -> ColumnElement[bool]:
    """The condition that joins series or instances to their study."""
    return and_(
        table.c.organisation == study.c.organisation,
        table.c.study == study.c.uid,
        table.c.claim == study.c.claim,
    )


def _named(search: Search) -> list[ColumnElement[bool]]:
    """What the address names, and the studies of the series and instances that are named."""
    found: list[ColumnElement[bool]] = []
    if search.study:
        found.append(study.c.uid == search.study)
    if search.series:
        found.append(series.c.uid == search.series)
    for tag, table in (("0020000E", series), ("00080018", instance)):
        match = search.matches.get(tag)
        if isinstance(match, OneOf):
            inner = select(table.c.study).where(
                table.c.organisation == search.organisation, table.c.uid.in_(match.values)
            )
            found.append(study.c.uid.in_(inner))
    return found


def wholes(
    connection: Connection, organisation: int, uids: Sequence[str]
) -> dict[tuple[str, int], Whole]:
    """What the series of these studies add up to, by UID and claim."""
    found: dict[tuple[str, int], Whole] = {}
    given = {"organisation": organisation, "uids": json.dumps(uids)}
    for row in _WHOLES.rows(connection, given):
        known = found.get((row.study, row.claim), Whole())
        found[row.study, row.claim] = Whole(
            known.modalities + ((row.modality,) if row.modality else ()),
            known.series + row.series,
            known.instances + int(row.instances),
        )
    return found


def _wholes(dialect: str) -> Select[Any]:
    columns = (series.c.study, series.c.claim, series.c.modality)
    return (
        select(
            *columns, func.count().label("series"), func.sum(series.c.instances).label("instances")
        )
        .where(
            series.c.organisation == bindparam("organisation"),
            among(dialect, series.c.study, bindparam("uids")),
        )
        .group_by(*columns)
        .order_by(series.c.modality)
    )


_WHOLES = Prepared(_wholes)


def seen(connection: Connection, search: Search, uids: Sequence[str]) -> Sequence[Any]:
    """Of studies the series of which a search for instances reaches any: study, claim, series,
    modality, and how many instances.
    """
    dialect, words = connection.dialect.name, json.dumps(uids)

    def plain(_ask: Ask) -> tuple[Any, None]:
        return _seen(dialect, search.organisation, words, search.gate.allowed), None

    slots = Slots()
    named, (gate, allowed) = slots.text(words), search.gate.shaped(slots)

    def build(_ask: Ask) -> tuple[Any, None]:
        return _seen(dialect, search.organisation, named, allowed), None

    shape = ("seen", search.organisation, gate)
    return shapes.rows(connection, shape, slots, build, plain)[0]


def _seen(dialect: str, organisation: int, uids: str, allowed: Allowed) -> Select[Any]:
    columns = (study.c.uid.label("study"), study.c.claim, series.c.uid, series.c.modality)
    visible = _inside(instance) & (instance.c.copy == 0)
    own = _inside(series) & (series.c.uid == instance.c.series)
    named = among(dialect, study.c.uid, literal(uids))
    return (
        select(*columns, func.count().label("instances"))
        .select_from(_Then(_Then(study, instance, visible), series, own))
        .where(study.c.organisation == organisation, named, allowed())
        .group_by(*columns)
        .order_by(series.c.modality)
    )


def samples(
    connection: Connection, search: Search, rows: Sequence[Row[Any]]
) -> dict[tuple[str, int, str], str]:
    """The DICOM JSON of one instance of each row's study or series.

    Keys are study UID, claim, and series UID ("" for a study).
    """
    of_series = search.level == "series"
    table = series if of_series else study
    uid = series.c.study if of_series else study.c.uid
    part = series.c.uid if of_series else literal("")
    query = (
        select(uid.label("study"), table.c.claim, part.label("series"), instance_json.c.json)
        .select_from(table)
        .join(
            instance_json,
            (instance_json.c.organisation == table.c.organisation)
            & (instance_json.c.uid == _first(table, uid))
            & (instance_json.c.copy == 0),
        )
        .where(
            table.c.organisation == search.organisation,
            uid.in_(sorted({row.study for row in rows})),
        )
    )
    if of_series:
        query = query.where(series.c.uid.in_(sorted({row.series_uid for row in rows})))
    return {(row.study, row.claim, row.series): row.json for row in connection.execute(query)}


def _first(table: Any, uid: Any) -> Any:
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
    return first.correlate(table).scalar_subquery()


def models(connection: Connection, organisation: int, uids: Sequence[str]) -> dict[str, str]:
    """The stored DICOM JSON of instances, by SOP Instance UID."""
    given = {"organisation": organisation, "uids": json.dumps(uids)}
    return {row.uid: row.json for row in _MODELS.rows(connection, given)}


def _models(dialect: str) -> Select[Any]:
    return select(instance_json.c.uid, instance_json.c.json).where(
        instance_json.c.organisation == bindparam("organisation"),
        among(dialect, instance_json.c.uid, bindparam("uids")),
        instance_json.c.copy == 0,
    )


_MODELS = Prepared(_models)
