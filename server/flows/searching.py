"""Searching FHIR resources behind the gate: one page, its includes, its total."""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fhir import query as q
from server.errors import Invalid
from server.flows import access
from server.flows.access import Grant
from server.flows.audit import Event, Reading
from server.flows.resources import Version
from server.flows.sites import House
from server.store.search import Search

_INCLUDES = 1000
_ROUNDS = 3
_QUIET = ("name", "family", "given", "phonetic", "identifier", "address", "phone", "email", "birth")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search. `next` is the cursor of the page after it, empty when it is the last.

    `total` is None when it was neither asked for nor known without counting.
    """

    matches: tuple[Version, ...]
    included: tuple[Version, ...]
    total: int | None
    next: str


def search(house: House, grant: Grant, query: q.Query, *, count: int) -> tuple[Page, Reading]:
    """Answer a search; a patient named in it that the grant does not hold is refused first."""
    access.named(grant, patients_named(query))
    after, offset = _place(query.cursor)
    with house.database.read() as connection:
        store = _store(connection, grant)
        total = store.total(query) if query.total == "accurate" or not count else None
        rows = store.page(query, count=count, after=after, offset=offset) if count else []
        page, more = rows[:count], len(rows) > count
        included = _include(store, grant, query, page)
    if total is None and not query.cursor and not more and query.total != "none":
        total = len(page)
    found = Page(
        matches=tuple(map(_version, page)),
        included=tuple(map(_version, included)),
        total=total,
        next=_cursor(query, page, offset + count) if more else "",
    )
    return found, _record(house, grant, query)


def _store(connection: Connection, grant: Grant) -> Search:
    def allowed(resource_type: str, table: Any) -> Any:
        return access.resources(grant, resource_type, table)

    return Search(connection, grant.organisation, allowed)


def patients_named(query: q.Query) -> Iterator[str]:
    """The ids of Patients that the search names as the owner of what it looks for."""
    for condition in query.conditions:
        yield from _named(query.type, condition)


def _named(kind: str, condition: q.Condition) -> Iterator[str]:
    """In `patient=1`, `subject=Patient/1`, Patient `_id=1`, and `patient._id=1`."""
    match condition:
        case q.Criterion(param=param, values=values, modifier=modifier) if modifier != "not":
            if kind == "Patient" and param.code == "_id":
                yield from (v.code for v in values if isinstance(v, q.TokenValue))
            elif param.code in ("patient", "subject"):
                references = (v for v in values if isinstance(v, q.ReferenceValue))
                yield from (v.id for v in references if v.type in ("", "Patient"))
        case q.Chain(branches=branches):
            for target, inner in branches:
                yield from _named(target, inner)


def _include(store: Search, grant: Grant, query: q.Query, page: Sequence[Any]) -> Sequence[Any]:
    """What the includes add, each resource once; :iterate follows what was added, three times."""
    seen = {row.rid for row in page}
    added: list[Any] = []
    for number, includes in enumerate(_rounds(query.includes)):
        sources = [*page, *added] if number else page
        fresh: list[Any] = []
        for include in includes:
            for row in store.included(include, sources, _INCLUDES):
                if row.rid not in seen and len(added) + len(fresh) < _INCLUDES:
                    _require(grant, row.type)
                    seen.add(row.rid)
                    fresh.append(row)
        added += fresh
        if not fresh and number:
            break
    return added


def _rounds(includes: Iterable[q.Include]) -> Iterator[list[q.Include]]:
    """All includes once, then those with :iterate again."""
    every = list(includes)
    yield every
    for _ in range(_ROUNDS if any(i.iterate for i in every) else 0):
        yield [i for i in every if i.iterate]


def _require(grant: Grant, resource_type: str) -> None:
    """An include needs the scope to read what it adds, as a read of its own would."""
    access.may(grant, resource_type, "r")


def _version(row: Any) -> Version:
    return Version(row.type, row.id, row.version, row.updated, row.text)


def _cursor(query: q.Query, page: Sequence[Any], offset: int) -> str:
    """Where the next page begins: after a row, or in a sorted search after so many rows."""
    place = {"o": offset} if query.sort else {"r": page[-1].rid}
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[int | None, int]:
    if not cursor:
        return None, 0
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        after, offset = place.get("r"), place.get("o", 0)
        if isinstance(offset, int) and isinstance(after, int | None) and offset >= 0:
            return after, offset
    except (binascii.Error, ValueError, AttributeError):
        pass
    raise Invalid("this is no page of ours: start the search again", expression="_cursor")


def _record(house: House, grant: Grant, query: q.Query) -> Reading:
    """Every search is an event of its own; values that identify a person stay out of it."""
    words = "&".join(name if _tells(name) else f"{name}={text}" for name, text in query.used)
    return house.auditor.single(
        Event(
            organisation=grant.organisation,
            door="fhir",
            action="search",
            grant=grant.id,
            client=grant.client,
            patient=next(iter(grant.patients)) if len(grant.patients) == 1 else "",
            purpose=grant.purpose,
            address=grant.address,
            detail=f"{query.type}?{words}"[:2000],
        )
    )


def _tells(name: str) -> bool:
    return any(word in name for word in _QUIET)
