"""FHIR searches as SQL: every condition, the gate's limits, the order, the page and its total.

Three plans. A search whose rows are few (a condition drives it, or the caller reaches few) reads
them all and sorts them. One without an order, or with one key, walks an index in that order and
stops when the page is full. Anything else reads all that match.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, exists, func, not_, select, tuple_

from fhir import query as q
from server.store import search_order, veil
from server.store.fhir_tables import resource
from server.store.resources import param_id
from server.store.search_conditions import Allowed, Conditions, rank
from server.store.search_order import Place
from server.store.search_terms import Clause

_COLUMNS = tuple(resource.c)
_ROWS = select(*_COLUMNS)


@dataclass(frozen=True, slots=True)
class Found:
    """A resource's row, and its place in the order."""

    row: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Search:
    """What compiles and runs searches within an organisation, for one caller.

    `few` says that the caller reaches so few resources that all of them may be looked at, `veiled`
    that of what was withdrawn only the tombstones are told.
    """

    connection: Connection
    organisation: int
    allowed: Allowed
    few: bool = False
    veiled: bool = False

    @property
    def _conditions(self) -> Conditions:
        return Conditions(self.connection, self.organisation, self.allowed, self.veiled)

    def total(self, query: q.Query) -> int:
        """How many resources match."""
        clauses, _ = self._where(query)
        statement = select(func.count()).select_from(resource).where(*clauses)
        return self.connection.execute(statement).scalar() or 0

    def page(self, query: q.Query, *, count: int, after: Place | None) -> list[Found]:
        """What follows a place, one more than `count` if there are more.

        Without an order of its own a search answers with what was made last first.
        """
        clauses, few = self._where(query)
        if not query.sort:
            return self._newest(clauses, few, count + 1, after)
        if few or len(query.sort) > 1 or self._veils(query):
            return self._sorted(query, clauses, count + 1, after)
        if search_order.is_own(query.sort[0]):
            return self._walk_own(query.sort[0], clauses, count + 1, after)
        return self._walk(query.type, query.sort[0], clauses, count + 1, after)

    def _where(self, query: q.Query) -> tuple[list[Clause], bool]:
        """The conditions on rows of `resource`, and whether so few are looked at that they fit."""
        compiler = self._conditions
        clauses = compiler.rows(query.type, resource)
        few = self.few
        for condition in sorted(query.conditions, key=rank):
            driver = None if few else compiler.driver(query.type, condition)
            if driver is not None:
                few = True
                clauses.append(driver.holds(resource))
            else:
                clauses.append(compiler.test(query.type, condition, resource))
            clauses += compiler.told(query.type, condition, resource)
        return clauses, few

    def _veils(self, query: q.Query) -> bool:
        """Whether the order tells of values that are not in tombstones."""
        codes = (sort.param.code for sort in query.sort)
        return self.veiled and any(veil.covers(query.type, code) for code in codes)

    def _newest(
        self, clauses: list[Clause], few: bool, limit: int, after: Place | None
    ) -> list[Found]:
        """By row id, which says when a resource was made."""
        # The sum keeps a planner from walking all rows in this order to save itself a small sort.
        order = (resource.c.rid + 0).desc() if few else resource.c.rid.desc()
        statement = _ROWS.where(*clauses).order_by(order)
        if after is not None:
            statement = statement.where(resource.c.rid < after.rid)
        return self._run(statement.limit(limit), 0)

    def _sorted(
        self, query: q.Query, clauses: list[Clause], limit: int, after: Place | None
    ) -> list[Found]:
        """Everything that matches, by its keys."""
        made = search_order.keys(query.type, self.organisation, query.sort, veiled=self.veiled)
        names = [f"key{number}" for number in range(len(made))]
        columns = [key.column.label(name) for key, name in zip(made, names, strict=True)]
        rows: Any = select(*_COLUMNS, *columns).where(*clauses).subquery()
        order = [
            search_order.Key(rows.c[name], key.descending)
            for key, name in zip(made, names, strict=True)
        ]
        rid = rows.c.rid.desc() if order[0].descending else rows.c.rid.asc()
        statement: Select[Any] = select(rows).order_by(*(key.ordered for key in order), rid)
        if after is not None:
            statement = statement.where(search_order.beyond(order, rows.c.rid, after))
        return self._run(statement.limit(limit), len(made))

    def _walk_own(
        self, sort: q.Sort, clauses: list[Clause], limit: int, after: Place | None
    ) -> list[Found]:
        """Along a column of the resource."""
        column = search_order.own(sort)
        statement: Select[Any] = select(*_COLUMNS, column.label("key0")).where(*clauses)
        statement = _along(statement, column, resource.c.rid, sort.descending, after)
        return self._run(statement.limit(limit), 1)

    def _walk(
        self, kind: str, sort: q.Sort, clauses: list[Clause], limit: int, after: Place | None
    ) -> list[Found]:
        """Along the index of a search parameter, then what has no value there."""
        found: list[Found] = []
        if after is None or after.values[0] is not None:
            found = self._walk_index(kind, sort, clauses, limit, after)
            after = None
        if len(found) < limit:
            found += self._without_value(kind, sort, clauses, limit - len(found), after)
        return found

    def _walk_index(
        self, kind: str, sort: q.Sort, clauses: list[Clause], limit: int, after: Place | None
    ) -> list[Found]:
        table, value = search_order.index_column(sort)
        here = [
            table.c.organisation == self.organisation,
            table.c.param == param_id(kind, sort.param.code),
        ]
        met = exists(select(resource.c.rid).where(resource.c.rid == table.c.rid, *clauses))
        statement = select(value.label("key0"), table.c.rid).where(
            *here, met, not_(self._earlier(sort, table, value))
        )
        statement = _along(statement.distinct(), value, table.c.rid, sort.descending, after)
        places = self.connection.execute(statement.limit(limit)).fetchall()
        rows = self._rows([place.rid for place in places])
        return [Found(rows[one.rid], Place((one.key0,), one.rid)) for one in places]

    def _earlier(self, sort: q.Sort, table: Any, value: Any) -> Clause:
        """Whether a resource has a value that comes before this one, which then stands for it."""
        other, another = search_order.index_column(sort)
        return exists(
            select(other.c.rid).where(
                other.c.organisation == self.organisation,
                other.c.rid == table.c.rid,
                other.c.param == table.c.param,
                another > value if sort.descending else another < value,
            )
        )

    def _without_value(
        self, kind: str, sort: q.Sort, clauses: list[Clause], limit: int, after: Place | None
    ) -> list[Found]:
        table, _ = search_order.index_column(sort)
        some = exists(
            select(table.c.rid).where(
                table.c.organisation == self.organisation,
                table.c.rid == resource.c.rid,
                table.c.param == param_id(kind, sort.param.code),
            )
        )
        rid = resource.c.rid
        statement = _ROWS.where(*clauses, not_(some))
        statement = statement.order_by(rid.desc() if sort.descending else rid.asc())
        if after is not None:
            statement = statement.where(rid < after.rid if sort.descending else rid > after.rid)
        rows = self.connection.execute(statement.limit(limit))
        return [Found(row, Place((None,), row.rid)) for row in rows]

    def _rows(self, rids: Sequence[int]) -> dict[int, Any]:
        here = resource.c.organisation == self.organisation
        statement = _ROWS.where(here, resource.c.rid.in_(rids))
        return {row.rid: row for row in self.connection.execute(statement)}

    def _run(self, statement: Select[Any], keys: int) -> list[Found]:
        rows = self.connection.execute(statement)
        return [
            Found(row, Place(tuple(getattr(row, f"key{n}") for n in range(keys)), row.rid))
            for row in rows
        ]


def _along(
    statement: Select[Any], column: Any, rid: Any, descending: bool, after: Place | None
) -> Select[Any]:
    """In the order of a column and the row id, both one way, from a place on."""
    order = (column.desc(), rid.desc()) if descending else (column.asc(), rid.asc())
    if after is not None:
        here, place = tuple_(column, rid), tuple_(after.values[0], after.rid)
        statement = statement.where(here < place if descending else here > place)
    return statement.order_by(*order)
