"""What a search adds to its page: resources that the page refers to, or that refer to it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, false, or_, select

from fhir import query as q
from server.store.resources import param_id
from server.store.search_conditions import Allowed
from server.store.search_terms import Clause
from server.store.tables import index_reference, resource


@dataclass(frozen=True, slots=True)
class Includes:
    """Follows references within an organisation, for one caller, to resources of some types."""

    connection: Connection
    organisation: int
    allowed: Allowed
    types: Collection[str]

    def follow(self, include: q.Include, rows: Sequence[Any], most: int) -> Sequence[Any]:
        """The resources that an include adds for these rows, at most so many, the newest first."""
        found = self._pointing_here if include.reverse else self._pointed_at
        clauses = list(found(include, rows))
        if not clauses:
            return []
        here = [resource.c.organisation == self.organisation, resource.c.deleted == false()]
        statement = select(resource).where(*here, or_(*clauses))
        newest = statement.order_by((resource.c.rid + 0).desc())
        return self.connection.execute(newest.limit(most)).fetchall()

    def _pointed_at(self, include: q.Include, rows: Sequence[Any]) -> Iterable[Clause]:
        sources = [row.rid for row in rows if row.type == include.source]
        if not sources:
            return
        for type_ in self._wanted(include.target):
            link = index_reference.alias()
            targets = self._links(include, link, link.c.target).where(
                link.c.rid.in_(sources), link.c.target_type == type_
            )
            yield and_(self._of(type_), resource.c.id.in_(targets))

    def _pointing_here(self, include: q.Include, rows: Sequence[Any]) -> Iterable[Clause]:
        ids: dict[str, list[str]] = {}
        for row in rows:
            if include.target in ("", row.type):
                ids.setdefault(row.type, []).append(row.id)
        if not ids:
            return
        link = index_reference.alias()
        pointed = [(link.c.target_type == type_) & link.c.target.in_(ids[type_]) for type_ in ids]
        sources = self._links(include, link, link.c.rid).where(or_(*pointed))
        for type_ in self._wanted("" if include.source == "*" else include.source):
            yield and_(self._of(type_), resource.c.rid.in_(sources))

    def _wanted(self, only: str) -> list[str]:
        return [type_ for type_ in self.types if only in ("", type_)]

    def _of(self, type_: str) -> Clause:
        """Rows of a type that the caller may see."""
        return and_(resource.c.type == type_, self.allowed(type_, resource))

    def _links(self, include: q.Include, link: Any, column: Any) -> Select[Any]:
        statement = select(column).where(link.c.organisation == self.organisation)
        if include.param is not None:
            which = param_id(include.source, include.param.code)
            statement = statement.where(link.c.param == which)
        return statement
