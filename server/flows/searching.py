"""Searching FHIR resources behind the gate: one page, its includes, its total."""

from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from fhir import query as q
from fhir.search import parse
from server.flows import access, cursors, release
from server.flows.access import Grant
from server.flows.audit import Event, Reading
from server.flows.resources import TABLE, Version
from server.flows.sites import House
from server.store import identities
from server.store.search import Search
from server.store.search_conditions import Allowed, Reach
from server.store.search_includes import Includes
from server.store.shapes import Gate, Slots

_INCLUDES = 1000
_ROUNDS = 3
# So many patients' resources may be read and sorted for one page.
_FEW_PATIENTS = 1000
_COUNTED = ("accurate", "estimate")
# Parameters whose values the audit keeps: none of them can name a person.
_SAID = frozenset(
    [
        "modality",
        "status",
        "started",
        "bodysite",
        "dicom-class",
        "connection-type",
        "payload-type",
        "active",
        "gender",
        "_lastUpdated",
        "_tag",
        "_profile",
        "_include",
        "_include:iterate",
        "_revinclude",
        "_revinclude:iterate",
        "_sort",
        "_count",
        "_total",
        "_summary",
        "_elements",
    ]
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search. `next` is the cursor of the page after it, empty when it is the last.

    `total` is None when it was neither asked for nor known without counting.
    """

    matches: tuple[Version, ...]
    included: tuple[Version, ...]
    total: int | None
    next: str


def search(
    house: House, grant: Grant, query: q.Query, *, count: int, door: str = "fhir"
) -> tuple[Page, Reading]:
    """Answer a search; a patient named in it that the grant does not hold is refused first."""
    access.named(grant, patients_named(query))
    for resource_type in types_asked(query):
        access.may(grant, resource_type, "s")
    after = cursors.read(query)
    with house.database.read() as connection:
        query = _whole(connection, grant.organisation, query)
        store = Search(connection, grant.organisation, _gate(grant))
        total = store.total(query) if query.total in _COUNTED or not count else None
        found = store.page(query, count=count, after=after) if count else []
        page, more = found[:count], len(found) > count
        rows = [one.row for one in page]
        included = _include(connection, grant, query, rows)
        unseen = release.unseen(connection, grant, [*rows, *included])
    if total is None and not query.cursor and not more and query.total != "none":
        total = len(page)
    answer = Page(
        matches=tuple(_version(grant, row, unseen) for row in rows),
        included=tuple(_version(grant, row, unseen) for row in included),
        total=total,
        next=cursors.write(page[-1].place) if more else "",
    )
    return answer, _record(house, grant, query, door)


def understood(house: House, resource_type: str, words: list[tuple[str, str]]) -> q.Query:
    """A search of our own making."""
    return parse(resource_type, words, strict=True, base=house.config.fhir_base, table=TABLE)


def _gate(grant: Grant, letter: str = "s") -> Reach:
    """What the grant reaches, as a condition on rows, and whether that is little."""

    def allowed(of: Grant) -> Allowed:
        return lambda kind, table: access.resources(of, kind, table, letter)

    def shaped(slots: Slots) -> tuple[Hashable, Allowed]:
        shape = access.shape(grant, slots)
        return shape, allowed(shape)

    few = not grant.everyone and len(grant.patients) <= _FEW_PATIENTS
    return Gate(allowed(grant), few, shaped, veiled=not grant.sees_held)


def patients_named(query: q.Query) -> Iterator[str]:
    """The ids of Patients that the search names as the owner of what it looks for."""
    for condition in query.conditions:
        yield from _named(query.type, condition)


def _named(kind: str, condition: q.Condition) -> Iterator[str]:
    """In `patient=1`, `subject=Patient/1`, `target=Patient/1`, Patient `_id=1`, `patient._id=1`."""
    match condition:
        case q.Criterion(param=param, values=values, modifier=modifier) if modifier != "not":
            if kind == "Patient" and param.code == "_id":
                yield from (v.code for v in values if isinstance(v, q.TokenValue))
            owner = ("", "Patient") if param.code in ("patient", "subject") else ("Patient",)
            references = (v for v in values if isinstance(v, q.ReferenceValue))
            yield from (v.id for v in references if v.type in owner)
        case q.Chain(branches=branches):
            for target, inner in branches:
                yield from _named(target, inner)


def _whole(connection: Connection, organisation: int, query: q.Query) -> q.Query:
    """The search with each owner that it names as all the records that are this patient by now.

    So a retired id finds the survivor's data, and a merge counts before all of it has been moved.
    """
    conditions = tuple(_of_whole(connection, organisation, one) for one in query.conditions)
    return replace(query, conditions=conditions)


def _of_whole(connection: Connection, organisation: int, condition: q.Condition) -> q.Condition:
    match condition:
        case q.Criterion(param=param, values=values) if param.code in ("patient", "subject"):
            return replace(condition, values=tuple(_records(connection, organisation, values)))
        case q.Chain(branches=branches):
            inner = ((kind, _of_whole(connection, organisation, one)) for kind, one in branches)
            return replace(condition, branches=tuple(inner))
        case q.Reverse(condition=one):
            return replace(condition, condition=_of_whole(connection, organisation, one))
    return condition


def _records(
    connection: Connection, organisation: int, values: Iterable[q.Value]
) -> Iterator[q.Value]:
    """Each value, and beside a Patient the records that are one with it."""
    for value in values:
        yield value
        if isinstance(value, q.ReferenceValue) and value.id and value.type in ("", "Patient"):
            heir = identities.heir(connection, organisation, value.id)
            for one in (heir, *identities.parts_of(connection, organisation, heir)):
                if one != value.id:
                    yield replace(value, id=one)


def types_asked(query: q.Query) -> Iterator[str]:
    """The other types that chains and `_has` search through: each needs a scope of its own."""
    for condition in query.conditions:
        yield from _types(condition)


def _types(condition: q.Condition) -> Iterator[str]:
    match condition:
        case q.Chain(branches=branches):
            for target, inner in branches:
                yield target
                yield from _types(inner)
        case q.Reverse(type=source, condition=inner):
            yield source
            yield from _types(inner)


def _include(
    connection: Connection, grant: Grant, query: q.Query, page: Sequence[Any]
) -> Sequence[Any]:
    """What the includes add, each resource once; :iterate follows what was added, three times.

    Types that the grant has no scope to read are left out.
    """
    if not query.includes:
        return []
    types = access.includable(grant, TABLE)
    follow = Includes(connection, grant.organisation, _gate(grant, "r"), types).follow
    seen = {row.rid for row in page}
    added: list[Any] = []
    for number, includes in enumerate(_rounds(query.includes)):
        sources = [*page, *added] if number else page
        before = len(added)
        for include in includes:
            for row in follow(include, sources, _INCLUDES):
                if row.rid not in seen and len(added) < _INCLUDES:
                    seen.add(row.rid)
                    added.append(row)
        if number and len(added) == before:
            break
    return added


def _rounds(includes: Iterable[q.Include]) -> Iterator[list[q.Include]]:
    """All includes once, then those with :iterate again."""
    every = list(includes)
    yield every
    for _ in range(_ROUNDS if any(i.iterate for i in every) else 0):
        yield [i for i in every if i.iterate]


def _version(grant: Grant, row: Any, unseen: Container[str]) -> Version:
    text = release.shown(grant, row.type, row.text, unseen)
    return Version(row.type, row.id, row.version, row.updated, text)


def _record(house: House, grant: Grant, query: q.Query, door: str) -> Reading:
    """Every search is an event of its own; of values that could name a person it holds none."""
    words = "&".join(f"{name}={text}" if name in _SAID else name for name, text in query.used)
    return house.auditor.single(
        Event(
            organisation=grant.organisation,
            door=door,
            action="search",
            grant=grant.id,
            client=grant.client,
            patient=next(iter(grant.patients)) if len(grant.patients) == 1 else "",
            purpose=grant.purpose,
            address=grant.address,
            detail=f"{query.type}?{words}"[:2000],
        )
    )
