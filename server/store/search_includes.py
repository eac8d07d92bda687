"""What a search adds to its page: resources that the page refers to, or that refer to it."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, desc, false, or_, select, union_all

from fhir import query as q
from server.store import shapes, veil
from server.store.fhir_tables import index_reference, resource
from server.store.prepared import among
from server.store.resources import param_id
from server.store.search_conditions import Allowed, Reach
from server.store.search_terms import Clause
from server.store.shapes import Ask, Slots


@dataclass(frozen=True, slots=True)
class Includes:
    """Follows references within an organisation, for one caller, to resources of some types."""

    connection: Connection
    organisation: int
    gate: Reach
    types: Collection[str]

    def follow(self, include: q.Include, rows: Sequence[Any], most: int) -> Sequence[Any]:
        """The resources that an include adds for these rows, at most so many, the newest first."""
        rows = [row for row in rows if _leads(include, row)]
        wanted = _wanted(include, self.types)
        if not rows or not wanted:
            return []
        dialect, veiled = self.connection.dialect.name, self.gate.veiled
        slots, sources = Slots(), _sources(include, rows)
        slotted = {type_: slots.text(listed) for type_, listed in sources.items()}
        gate, allowed = self.gate.shaped(slots)

        def build(_: Ask) -> tuple[Any, None]:
            of = _Branches(dialect, self.organisation, allowed, wanted, veiled)
            return of.statement(include, slotted, most), None

        def plain(_: Ask) -> tuple[Any, None]:
            of = _Branches(dialect, self.organisation, self.gate.allowed, wanted, veiled)
            return of.statement(include, sources, most), None

        shape = ("include", self.organisation, gate, include, wanted, veiled, *slotted, most)
        return shapes.rows(self.connection, shape, slots, build, plain)[0]


def _sources(include: q.Include, rows: Sequence[Any]) -> dict[str, str]:
    """What of rows tells where their references lead, or which lead to them: a list for each type."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.type, []).append(row.id if include.reverse else row.rid)
    return {type_: json.dumps(found[type_]) for type_ in sorted(found)}


def _leads(include: q.Include, source: Any) -> bool:
    """Whether a row can be the source of an include, or the target of a reverse one."""
    if include.reverse:
        return include.target in ("", source.type)
    return bool(source.type == include.source)


def _wanted(include: q.Include, types: Collection[str]) -> tuple[str, ...]:
    """The types that an include may lead to."""
    if include.reverse:
        return tuple(type_ for type_ in types if include.source in ("*", type_))
    targets = include.param.targets if include.param else ()
    only = (include.target,) if include.target else targets or types
    return tuple(type_ for type_ in types if type_ in only)


@dataclass(frozen=True, slots=True)
class _Branches:
    """Makes the statement of an include that leads to some types.

    Of what was withdrawn a `veiled` caller is told no reference but that to its owner.
    """

    dialect: str
    organisation: int
    allowed: Allowed
    types: tuple[str, ...]
    veiled: bool

    def statement(self, include: q.Include, sources: Mapping[str, str], most: int) -> Any:
        """One branch for each type: a planner looks each of them up by its own index."""
        found = self._pointing_here if include.reverse else self._pointed_at
        branches = [self._of(type_, clause) for type_, clause in found(include, sources)]
        return union_all(*branches).order_by(desc("rid")).limit(most)

    def _pointed_at(
        self, include: q.Include, sources: Mapping[str, str]
    ) -> Iterable[tuple[str, Clause]]:
        for type_ in self.types:
            link = index_reference.alias()
            targets = self._links(include, link, link.c.target).where(
                among(self.dialect, link.c.rid, sources[include.source]),
                link.c.target_type == type_,
            )
            yield type_, resource.c.id.in_(targets)

    def _pointing_here(
        self, include: q.Include, sources: Mapping[str, str]
    ) -> Iterable[tuple[str, Clause]]:
        link = index_reference.alias()
        pointed = [
            (link.c.target_type == type_) & among(self.dialect, link.c.target, listed)
            for type_, listed in sources.items()
        ]
        found = self._links(include, link, link.c.rid).where(or_(*pointed))
        for type_ in self.types:
            yield type_, resource.c.rid.in_(found)

    def _of(self, type_: str, clause: Clause) -> Select[Any]:
        """Rows of a type that the caller may see and that meet the clause."""
        return select(resource).where(
            resource.c.organisation == self.organisation,
            resource.c.type == type_,
            resource.c.deleted == false(),
            self.allowed(type_, resource),
            clause,
        )

    def _links(self, include: q.Include, link: Any, column: Any) -> Select[Any]:
        statement = select(column).where(link.c.organisation == self.organisation)
        if include.param is not None:
            which = param_id(include.source, include.param.code)
            statement = statement.where(link.c.param == which)
        return statement.where(veil.told(link)) if self.veiled else statement
