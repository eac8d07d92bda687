"""FHIR searches as SQL: every condition, the gate's limits, the order and the page.

A condition that few resources meet drives the query (`rid IN`); all others are tested row by row
(`EXISTS`). Which ones are few is probed, up to a thousand rows, because neither form is right for
both a rare identifier and a status that most resources have.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from sqlalchemy import (
    Connection,
    Select,
    and_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.sql.elements import ColumnElement

from fhir import query as q
from fhir.search_params import TABLE
from server.store.fhir_tables import index_reference, resource
from server.store.resources import param_id
from server.store.search_values import KINDS, Clause, date_clause, table_of, value_clause
from server.store.tables import instance, series, study

FEW = 1000

# The gate: the condition on rows of a type, over `resource` or an alias of it.
Allowed = Callable[[str, Any], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Matches:
    """Rows of some table that meet a condition; `key` of theirs equals `column` of a resource."""

    query: Select[Any]
    key: ColumnElement[Any]
    column: str = "rid"


@dataclass(frozen=True, slots=True)
class Search:
    """What compiles and runs one search within an organisation."""

    connection: Connection
    organisation: int
    allowed: Allowed

    def page(self, query: q.Query, *, count: int, after: int | None, offset: int) -> Sequence[Any]:
        """Rows of a page and one more if there are more: the newest made first, or as sorted."""
        statement = self._matching(query, select(resource))
        if query.sort:
            order = [_order(query.type, sort, self.organisation) for sort in query.sort]
            statement = statement.order_by(*order, resource.c.rid.desc()).offset(offset)
        else:
            statement = statement.order_by(resource.c.rid.desc())
            if after is not None:
                statement = statement.where(resource.c.rid < after)
        return self.connection.execute(statement.limit(count + 1)).fetchall()

    def total(self, query: q.Query) -> int:
        """How many resources match."""
        statement = self._matching(query, select(func.count()).select_from(resource))
        return self.connection.execute(statement).scalar() or 0

    def _matching(self, query: q.Query, statement: Select[Any]) -> Select[Any]:
        statement = statement.where(
            resource.c.organisation == self.organisation,
            resource.c.type == query.type,
            resource.c.deleted == false(),
            self.allowed(query.type, resource),
        )
        driven = False
        for condition in sorted(query.conditions, key=_rank):
            drive = not driven and self._few(query.type, condition)
            driven = driven or drive
            statement = statement.where(self._clause(query.type, condition, resource, drive))
        return statement

    def _few(self, kind: str, condition: q.Condition) -> bool:
        """Whether so few rows meet a condition that the query may start from them."""
        if _negative(condition) or _own_column(condition):
            return False
        some = self._matches(kind, condition).query.limit(FEW + 1).subquery()
        found = self.connection.execute(select(func.count()).select_from(some)).scalar() or 0
        return found <= FEW

    def _clause(self, kind: str, condition: q.Condition, table: Any, drive: bool = False) -> Clause:
        """The condition on rows of one type in `resource` or an alias of it."""
        if _own_column(condition):
            return _column_clause(condition, table)
        matches = self._matches(kind, condition)
        column = table.c[matches.column]
        if drive:
            return column.in_(matches.query)  # type: ignore[no-any-return]
        found = exists(matches.query.where(matches.key == column))
        return not_(found) if _negative(condition) else found

    def _matches(self, kind: str, condition: q.Condition) -> Matches:
        """What meets a condition, whether or not the condition is then denied."""
        match condition:
            case q.Criterion():
                return self._criterion(kind, condition)
            case q.Chain():
                return self._chain(kind, condition)
            case q.Reverse():
                return self._reverse(kind, condition)

    def _criterion(self, kind: str, criterion: q.Criterion) -> Matches:
        if criterion.param.answer in ("instance", "series"):
            return self._dicom(criterion)
        table = table_of(criterion).alias()
        query = select(table.c.rid).where(
            table.c.organisation == self.organisation,
            table.c.param == param_id(kind, criterion.rows),
        )
        if criterion.values:
            query = query.where(
                or_(*(value_clause(criterion, value, table) for value in criterion.values))
            )
        return Matches(query, table.c.rid)

    def _dicom(self, criterion: q.Criterion) -> Matches:
        """Studies by UIDs of their instances or series, from the DICOM index itself."""
        held = study.alias()
        if criterion.param.answer == "series":
            table = series.alias()
            own, column = table.c.study, table.c.uid
        else:
            table = instance.alias()
            own = table.c.study
            column = table.c.sop_class if criterion.param.code == "dicom-class" else table.c.uid
        codes = [v.code for v in criterion.values if isinstance(v, q.TokenValue)]
        query = (
            select(held.c.id)
            .join(
                table,
                (table.c.organisation == held.c.organisation)
                & (own == held.c.uid)
                & (table.c.claim == held.c.claim),
            )
            .where(held.c.organisation == self.organisation)
        )
        if criterion.param.answer == "instance":
            query = query.where(table.c.copy == 0)
        if codes:
            query = query.where(column.in_(codes))
        return Matches(query, held.c.id, "id")

    def _chain(self, kind: str, chain: q.Chain) -> Matches:
        """Resources that refer to one that meets the condition, and that the caller may see."""
        link = index_reference.alias()
        branches = []
        for target_type, condition in chain.branches:
            target = resource.alias()
            branches.append(
                exists(
                    select(target.c.rid).where(
                        target.c.organisation == self.organisation,
                        target.c.type == target_type,
                        target.c.id == link.c.target,
                        target.c.deleted == false(),
                        link.c.target_type == target_type,
                        self.allowed(target_type, target),
                        self._clause(target_type, condition, target),
                    )
                )
            )
        query = select(link.c.rid).where(
            link.c.organisation == self.organisation,
            link.c.param == param_id(kind, chain.param.code),
            or_(*branches),
        )
        return Matches(query, link.c.rid)

    def _reverse(self, kind: str, reverse: q.Reverse) -> Matches:
        """Resources to which one refers that meets the condition, and that the caller may see."""
        link, source = index_reference.alias(), resource.alias()
        query = (
            select(link.c.target)
            .join(
                source,
                (source.c.organisation == link.c.organisation) & (source.c.rid == link.c.rid),
            )
            .where(
                link.c.organisation == self.organisation,
                link.c.param == param_id(reverse.type, reverse.param.code),
                link.c.target_type == kind,
                source.c.deleted == false(),
                self.allowed(reverse.type, source),
                self._clause(reverse.type, reverse.condition, source),
            )
        )
        return Matches(query, link.c.target, "id")

    def included(self, include: q.Include, rows: Sequence[Any], most: int) -> Sequence[Any]:
        """The resources that an include adds for these rows, at most so many."""
        link, other = index_reference.alias(), resource.alias()
        query = select(other).where(
            link.c.organisation == self.organisation,
            other.c.organisation == self.organisation,
            other.c.deleted == false(),
        )
        if include.param is not None:
            query = query.where(link.c.param == param_id(include.source, include.param.code))
        side = self._pointing_here if include.reverse else self._pointed_at
        clause = side(include, link, other, rows)
        if clause is None:
            return []
        return self.connection.execute(query.where(clause).distinct().limit(most)).fetchall()

    def _pointed_at(
        self, include: q.Include, link: Any, other: Any, rows: Sequence[Any]
    ) -> Clause | None:
        sources = [row.rid for row in rows if row.type == include.source]
        if not sources:
            return None
        return and_(
            link.c.rid.in_(sources),
            other.c.type == link.c.target_type,
            other.c.id == link.c.target,
            self._any_of([include.target] if include.target else list(TABLE), other),
        )

    def _pointing_here(
        self, include: q.Include, link: Any, other: Any, rows: Sequence[Any]
    ) -> Clause | None:
        by_type: dict[str, list[str]] = {}
        for row in rows:
            if include.target in ("", row.type):
                by_type.setdefault(row.type, []).append(row.id)
        if not by_type:
            return None
        return and_(
            other.c.rid == link.c.rid,
            or_(
                *(
                    (link.c.target_type == type_) & link.c.target.in_(ids)
                    for type_, ids in by_type.items()
                )
            ),
            self._any_of(list(TABLE) if include.source == "*" else [include.source], other),
        )

    def _any_of(self, types: list[str], table: Any) -> Clause:
        """Rows of these types that the caller may see."""
        return or_(*((table.c.type == t) & self.allowed(t, table) for t in types if t in TABLE))


def _rank(condition: q.Condition) -> int:
    """Which conditions are likely to be met by few: those are probed first."""
    if not isinstance(condition, q.Criterion):
        return 4
    if condition.param.flavour == "identifier" or condition.param.answer in ("instance", "series"):
        return 0
    return {"reference": 1, "string": 2, "date": 3}.get(condition.param.kind, 5)


def _negative(condition: q.Condition) -> bool:
    """Whether a resource meets the condition by having no such row."""
    return isinstance(condition, q.Criterion) and (
        condition.modifier == "not" or condition.missing is True
    )


def _own_column(condition: q.Condition) -> TypeGuard[q.Criterion]:
    return isinstance(condition, q.Criterion) and condition.param.answer == "column"


def _column_clause(criterion: q.Criterion, table: Any) -> Clause:
    """`_id` and `_lastUpdated`, which are columns of the resource's own row."""
    if criterion.missing is not None:
        return false() if criterion.missing else true()
    if criterion.param.code == "_lastUpdated":
        low, high = table.c.updated, table.c.updated + 1
        return or_(
            *(date_clause(v, low, high) for v in criterion.values if isinstance(v, q.DateValue))
        )
    codes = [v.code for v in criterion.values if isinstance(v, q.TokenValue)]
    found: Clause = table.c.id.in_(codes)
    return not_(found) if criterion.modifier == "not" else found


def _order(kind: str, sort: q.Sort, organisation: int) -> Any:
    """One key of the order; resources without a value come last ascending, first descending."""
    if sort.param.answer == "column":
        column = resource.c.updated if sort.param.code == "_lastUpdated" else resource.c.id
        return column.desc() if sort.descending else column.asc()
    table = KINDS[sort.param.kind].alias()
    column = table.c[{"date": "low", "string": "norm", "token": "code"}[sort.param.kind]]
    end = func.max(column) if sort.descending else func.min(column)
    value = (
        select(end)
        .where(
            table.c.organisation == organisation,
            table.c.rid == resource.c.rid,
            table.c.param == param_id(kind, sort.param.code),
        )
        .correlate(resource)
        .scalar_subquery()
    )
    return value.desc().nulls_first() if sort.descending else value.asc().nulls_last()
