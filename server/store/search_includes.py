"""What a search adds to its page: resources that the page refers to, or that refer to it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, desc, false, or_, select, union_all

from fhir import query as q
from server.store import veil
from server.store.fhir_tables import index_reference, resource
from server.store.resources import param_id
from server.store.search_conditions import Allowed
from server.store.search_terms import Clause


@dataclass(frozen=True, slots=True)
class Includes:
    """Follows references within an organisation, for one caller, to resources of some types.

    Of what was withdrawn a `veiled` caller is told no reference but that to its owner.
    """

    connection: Connection
    organisation: int
    allowed: Allowed
    types: Collection[str]
    veiled: bool = False

    def follow(self, include: q.Include, rows: Sequence[Any], most: int) -> Sequence[Any]:
        """The resources that an include adds for these rows, at most so many, the newest first."""
        found = self._pointing_here if include.reverse else self._pointed_at
        # One branch for each type: a planner looks each of them up by its own index.
        branches = [self._of(type_, clause) for type_, clause in found(include, rows)]
        if not branches:
            return []
        newest = union_all(*branches).order_by(desc("rid")).limit(most)
        return self.connection.execute(newest).fetchall()

    def _pointed_at(self, include: q.Include, rows: Sequence[Any]) -> Iterable[tuple[str, Clause]]:
        sources = [row.rid for row in rows if row.type == include.source]
        if not sources:
            return
        for type_ in self._wanted(include):
            link = index_reference.alias()
            targets = self._links(include, link, link.c.target).where(
                link.c.rid.in_(sources), link.c.target_type == type_
            )
            yield type_, resource.c.id.in_(targets)

    def _pointing_here(
        self, include: q.Include, rows: Sequence[Any]
    ) -> Iterable[tuple[str, Clause]]:
        ids: dict[str, list[str]] = {}
        for row in rows:
            if include.target in ("", row.type):
                ids.setdefault(row.type, []).append(row.id)
        if not ids:
            return
        link = index_reference.alias()
        pointed = [(link.c.target_type == type_) & link.c.target.in_(ids[type_]) for type_ in ids]
        sources = self._links(include, link, link.c.rid).where(or_(*pointed))
        for type_ in self._wanted(include):
            yield type_, resource.c.rid.in_(sources)

    def _wanted(self, include: q.Include) -> list[str]:
        """The types that an include may lead to."""
        if include.reverse:
            return [type_ for type_ in self.types if include.source in ("*", type_)]
        targets = include.param.targets if include.param else ()
        only = (include.target,) if include.target else targets or self.types
        return [type_ for type_ in self.types if type_ in only]

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
