"""FHIR searches as SQL: every condition, the gate's limits, the order, the page and its total.

Three plans. A search whose rows are few (a condition drives it, or the caller reaches few) reads
them all and sorts them. One without an order, or with one key, walks an index in that order and
stops when the page is full. Anything else reads all that match.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, exists, func, not_, select, tuple_

from fhir import query as q
from server.store import search_order, shapes, veil
from server.store.fhir_tables import resource
from server.store.resources import param_id
from server.store.search_conditions import Allowed, Conditions, Reach, rank, slotted
from server.store.search_order import Place
from server.store.search_terms import Clause
from server.store.shapes import Ask, Slots, counted

# How a page is ordered, where not by so many keys: along an index, which gives places without
# rows; and what comes behind it, having no value there.
_WALK, _LAST = -1, -2
_COLUMNS = tuple(resource.c)
_ROWS = select(*_COLUMNS)


@dataclass(frozen=True, slots=True)
class Found:
    """A resource's row, and its place in the order."""

    row: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Search:
    """What runs searches within an organisation, for one caller."""

    connection: Connection
    organisation: int
    gate: Reach

    def total(self, query: q.Query) -> int:
        """How many resources match."""
        rows, _ = self._run(_Statements.total, query)
        return int(rows[0][0])

    def page(self, query: q.Query, *, count: int, after: Place | None) -> list[Found]:
        """What follows a place, one more than `count` if there are more.

        Without an order of its own a search answers with what was made last first.
        """
        rows, order = self._run(_Statements.page, query, count + 1, after)
        if order != _WALK:
            return [_found(row, order) for row in rows]
        texts = self._rows([row.rid for row in rows])
        found = [Found(texts[row.rid], Place((row.key0,), row.rid)) for row in rows]
        if len(found) <= count:
            rest, _ = self._run(_Statements.without_value, query, count + 1, None)
            found += [_found(row, _LAST) for row in rest]
        return found[: count + 1]

    def _run(
        self,
        make: "_Make",
        query: q.Query,
        limit: int = 0,
        after: Place | None = None,
    ) -> tuple[Sequence[Any], int]:
        """The rows of a statement, and how they are ordered."""
        slots = Slots()
        asked = slotted(query, slots)
        place = None if after is None else _slotted_place(after, slots)
        gate, allowed = self.gate.shaped(slots)
        shape = (make.__name__, self.organisation, gate, asked.type, asked.conditions)
        few, veiled, most = self.gate.few, self.gate.veiled, slots.number(limit)

        def build(ask: Ask) -> tuple[Any, int]:
            statements = _Statements(ask, self.organisation, allowed, few, veiled, asked)
            return make(statements, most, place)

        def plain(ask: Ask) -> tuple[Any, int]:
            reached = self.gate.allowed
            statements = _Statements(ask, self.organisation, reached, few, veiled, query)
            return make(statements, limit, after)

        key = (*shape, asked.sort, few, veiled, place)
        return shapes.rows(self.connection, key, slots, build, plain)

    def _rows(self, rids: Sequence[int]) -> dict[int, Any]:
        here = resource.c.organisation == self.organisation
        statement = _ROWS.where(here, resource.c.rid.in_(rids))
        return {row.rid: row for row in self.connection.execute(statement)}


def _slotted_place(place: Place, slots: Slots) -> Place:
    values = (
        slots.text(one) if isinstance(one, str) else None if one is None else slots.number(one)
        for one in place.values
    )
    return Place(tuple(values), slots.number(place.rid))


def _found(row: Any, order: int) -> Found:
    """A row with its place among so many keys; of what comes last the one key has no value."""
    values = (None,) if order == _LAST else tuple(getattr(row, f"key{n}") for n in range(order))
    return Found(row, Place(values, row.rid))


_Make = Callable[["_Statements", int, Place | None], tuple[Any, int]]


@dataclass(frozen=True, slots=True)
class _Statements:
    """Makes the statements of one search, each with the number of its keys, or _WALK or _LAST."""

    ask: Ask
    organisation: int
    allowed: Allowed
    few: bool
    veiled: bool
    query: q.Query

    def total(self, _limit: int, _after: Place | None) -> tuple[Any, int]:
        """How many resources match."""
        clauses, _ = self._where()
        return select(func.count().label("total")).select_from(resource).where(*clauses), 0

    def page(self, limit: int, after: Place | None) -> tuple[Any, int]:
        """What follows a place."""
        clauses, few = self._where()
        sort = self.query.sort
        if not sort:
            return self._newest(clauses, few, limit, after)
        if few or len(sort) > 1 or self._veils():
            return self._sorted(clauses, limit, after)
        if search_order.is_own(sort[0]):
            return self._walk_own(sort[0], clauses, limit, after)
        if after is not None and after.values[0] is None:
            return self._without_value(sort[0], clauses, limit, after)
        return self._walk_index(sort[0], clauses, limit, after)

    def without_value(self, limit: int, after: Place | None) -> tuple[Any, int]:
        """What comes after all that have a value to be sorted by."""
        return self._without_value(self.query.sort[0], self._where()[0], limit, after)

    def _where(self) -> tuple[list[Clause], bool]:
        """The conditions on rows of `resource`, and whether so few are looked at that they fit."""
        compiler = Conditions(self.ask, self.organisation, self.allowed, self.veiled)
        kind, few = self.query.type, self.few
        clauses = compiler.rows(kind, resource)
        for condition in sorted(self.query.conditions, key=rank):
            driver = None if few else compiler.driver(kind, condition)
            if driver is not None:
                few = True
                clauses.append(driver.holds(resource))
            else:
                clauses.append(compiler.test(kind, condition, resource))
            clauses += compiler.told(kind, condition, resource)
        return clauses, few

    def _veils(self) -> bool:
        """Whether the order tells of values that are not in tombstones."""
        codes = (sort.param.code for sort in self.query.sort)
        return self.veiled and any(veil.covers(self.query.type, code) for code in codes)

    def _newest(
        self, clauses: list[Clause], few: bool, limit: int, after: Place | None
    ) -> tuple[Any, int]:
        """By row id, which says when a resource was made."""
        # The sum keeps a planner from walking all rows in this order to save itself a small sort.
        order = (resource.c.rid + 0).desc() if few else resource.c.rid.desc()
        statement = _ROWS.where(*clauses).order_by(order)
        if after is not None:
            statement = statement.where(resource.c.rid < after.rid)
        return statement.limit(counted(limit)), 0

    def _sorted(self, clauses: list[Clause], limit: int, after: Place | None) -> tuple[Any, int]:
        """Everything that matches, by its keys."""
        kind, sorts = self.query.type, self.query.sort
        made = search_order.keys(kind, self.organisation, sorts, veiled=self.veiled)
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
        return statement.limit(counted(limit)), len(made)

    def _walk_own(
        self, sort: q.Sort, clauses: list[Clause], limit: int, after: Place | None
    ) -> tuple[Any, int]:
        """Along a column of the resource."""
        column = search_order.own(sort)
        statement: Select[Any] = select(*_COLUMNS, column.label("key0")).where(*clauses)
        statement = _along(statement, column, resource.c.rid, sort.descending, after)
        return statement.limit(counted(limit)), 1

    def _walk_index(
        self, sort: q.Sort, clauses: list[Clause], limit: int, after: Place | None
    ) -> tuple[Any, int]:
        """Along the index of a search parameter: only the places of what has a value there."""
        table, value = search_order.index_column(sort)
        here = [
            table.c.organisation == self.organisation,
            table.c.param == param_id(self.query.type, sort.param.code),
        ]
        met = exists(select(resource.c.rid).where(resource.c.rid == table.c.rid, *clauses))
        statement = select(value.label("key0"), table.c.rid).where(
            *here, met, not_(self._earlier(sort, table, value))
        )
        statement = _along(statement.distinct(), value, table.c.rid, sort.descending, after)
        return statement.limit(counted(limit)), _WALK

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
        self, sort: q.Sort, clauses: list[Clause], limit: int, after: Place | None
    ) -> tuple[Any, int]:
        table, _ = search_order.index_column(sort)
        some = exists(
            select(table.c.rid).where(
                table.c.organisation == self.organisation,
                table.c.rid == resource.c.rid,
                table.c.param == param_id(self.query.type, sort.param.code),
            )
        )
        rid = resource.c.rid
        statement = _ROWS.where(*clauses, not_(some))
        statement = statement.order_by(rid.desc() if sort.descending else rid.asc())
        if after is not None:
            statement = statement.where(rid < after.rid if sort.descending else rid > after.rid)
        return statement.limit(counted(limit)), _LAST


def _along(
    statement: Select[Any], column: Any, rid: Any, descending: bool, after: Place | None
) -> Select[Any]:
    """In the order of a column and the row id, both one way, from a place on."""
    order = (column.desc(), rid.desc()) if descending else (column.asc(), rid.asc())
    if after is not None:
        here, place = tuple_(column, rid), tuple_(after.values[0], after.rid)
        statement = statement.where(here < place if descending else here > place)
    return statement.order_by(*order)
