"""What a search adds to its page: resources that the page refers to, or that refer to it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, desc, false, or_, select, union_all

from fhir import query as q
from server.store import shapes
from server.store.fhir_tables import index_reference, resource
from server.store.resources import param_id
from server.store.search_conditions import Allowed, Gate
from server.store.search_terms import Clause
from server.store.shapes import Ask, Slots


class _Source(NamedTuple):
    """What of a row tells where its references lead, and which lead to it."""

    type: str
    rid: int
    id: str


@dataclass(frozen=True, slots=True)
class Includes:
    """Follows references within an organisation, for one caller, to resources of some types."""

    connection: Connection
    organisation: int
    gate: Gate
    types: Collection[str]

    def follow(self, include: q.Include, rows: Sequence[Any], most: int) -> Sequence[Any]:
        """The resources that an include adds for these rows, at most so many, the newest first."""
        rows = [row for row in rows if _leads(include, row)]
        wanted = _wanted(include, self.types)
        if not rows or not wanted:
            return []
        sources = [_Source(row.type, row.rid, row.id) for row in rows]
        slots = Slots()
        slotted = [_Source(s.type, slots.number(s.rid), slots.text(s.id)) for s in sources]
        gate, allowed = self.gate.shaped(slots)

        def build(_: Ask) -> tuple[Any, None]:
            of = _Branches(self.organisation, allowed, wanted)
            return of.statement(include, slotted, most), None

        def plain(_: Ask) -> tuple[Any, None]:
            of = _Branches(self.organisation, self.gate.allowed, wanted)
            return of.statement(include, sources, most), None

        shape = ("include", self.organisation, gate, include, wanted)
        return shapes.rows(self.connection, (*shape, *slotted, most), slots, build, plain)[0]


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
    """Makes the statement of an include that leads to some types."""

    organisation: int
    allowed: Allowed
    types: tuple[str, ...]

    def statement(self, include: q.Include, rows: Sequence[_Source], most: int) -> Any:
        """One branch for each type: a planner looks each of them up by its own index."""
        found = self._pointing_here if include.reverse else self._pointed_at
        branches = [self._of(type_, clause) for type_, clause in found(include, rows)]
        return union_all(*branches).order_by(desc("rid")).limit(most)

    def _pointed_at(
        self, include: q.Include, rows: Sequence[_Source]
    ) -> Iterable[tuple[str, Clause]]:
        sources = [row.rid for row in rows]
        for type_ in self.types:
            link = index_reference.alias()
            targets = self._links(include, link, link.c.target).where(
                link.c.rid.in_(sources), link.c.target_type == type_
            )
            yield type_, resource.c.id.in_(targets)

    def _pointing_here(
        self, include: q.Include, rows: Sequence[_Source]
    ) -> Iterable[tuple[str, Clause]]:
        ids: dict[str, list[str]] = {}
        for row in rows:
            ids.setdefault(row.type, []).append(row.id)
        link = index_reference.alias()
        pointed = [(link.c.target_type == type_) & link.c.target.in_(ids[type_]) for type_ in ids]
        sources = self._links(include, link, link.c.rid).where(or_(*pointed))
        for type_ in self.types:
            yield type_, resource.c.rid.in_(sources)

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
        return statement
