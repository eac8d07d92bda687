"""The order of a FHIR search and where a page of it begins.

A page begins after a place: the sort values and the row id of the last resource that was shown. So
paging neither loses nor repeats what stays as it is while other resources come and go. What has no
value for a key comes after all that have one, whichever way the order goes. Equal values follow the
direction of the first key: the newest first if it is descending.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, false, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from fhir import query as q
from server.store import veil
from server.store.fhir_tables import resource
from server.store.resources import param_id
from server.store.search_terms import SORTED_BY, TABLES, Clause

Value = int | str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A resource within an order: its sort values, and its row id."""

    values: tuple[Value, ...]
    rid: int


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key over rows of `resource`; `column` holds the value, or None."""

    column: ColumnElement[Any]
    descending: bool

    @property
    def ordered(self) -> Any:
        """The key in an ORDER BY."""
        column = self.column
        return (column.desc() if self.descending else column.asc()).nulls_last()

    def same(self, value: Value) -> Clause:
        """Whether a row has the same value."""
        return self.column.is_(None) if value is None else self.column == value

    def after(self, value: Value) -> Clause:
        """Whether a row comes after a value, leaving aside those that are equal."""
        if value is None:
            return false()
        further = self.column < value if self.descending else self.column > value
        return or_(further, self.column.is_(None))


def keys(
    kind: str, organisation: int, sorts: Sequence[q.Sort], *, veiled: bool = False
) -> list[Key]:
    """The sort keys as expressions over `resource`; veiled, a tombstone has no value."""
    made = []
    for sort in sorts:
        value = _expression(kind, organisation, sort)
        if veiled and veil.covers(kind, sort.param.code):
            value = case((veil.withdrawn(resource), None), else_=value)
        made.append(Key(value, sort.descending))
    return made


def is_own(sort: q.Sort) -> bool:
    """Whether a key is a column of the resource itself."""
    return sort.param.answer == "column"


def own(sort: q.Sort) -> Any:
    """The column of the resource that a key is."""
    return resource.c.updated if sort.param.code == "_lastUpdated" else resource.c.id


def index_column(sort: q.Sort) -> tuple[Any, Any]:
    """An alias of the index table that holds a key's values, and its column of them."""
    table = TABLES[sort.param.kind].alias()
    return table, table.c[SORTED_BY[sort.param.kind]]


def _expression(kind: str, organisation: int, sort: q.Sort) -> ColumnElement[Any]:
    """A key of one resource: of several values the one that comes first in this order."""
    if is_own(sort):
        column = own(sort)
        # The column as a value: what is few is read by other means than the index of this order.
        value: ColumnElement[Any] = column + ("" if sort.param.kind == "token" else 0)
        return value
    table, value = index_column(sort)
    first = func.max(value) if sort.descending else func.min(value)
    return (
        select(first)
        .where(
            table.c.organisation == organisation,
            table.c.rid == resource.c.rid,
            table.c.param == param_id(kind, sort.param.code),
        )
        .correlate(resource)
        .scalar_subquery()
    )


def beyond(order: Sequence[Key], rid: ColumnElement[int], place: Place) -> Clause:
    """The condition on rows that come after a place in the order of several keys."""
    newest_first = order[0].descending
    clauses: list[Clause] = []
    level: list[Clause] = []
    for key, value in zip(order, place.values, strict=True):
        clauses.append(and_(*level, key.after(value)))
        level.append(key.same(value))
    further = rid < place.rid if newest_first else rid > place.rid
    return or_(*clauses, and_(*level, further))
