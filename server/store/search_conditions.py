"""Conditions of a FHIR search as SQL, each in two forms: a driver and a test.

A driver is a query for the keys of all resources that meet a condition; a search may start from it
if they are few. A test asks of one resource whether it meets the condition. Neither form is right
for both a rare identifier and a status that most resources have, so whether they are few is probed,
up to a thousand rows; a number, and what belongs to a patient, are taken for few without asking.
Subqueries are nested rather than joined: that fixes which table is read first, whatever a planner
without statistics would guess.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, TypeGuard

from sqlalchemy import Connection, Select, and_, exists, false, func, not_, or_, select
from sqlalchemy.sql.elements import ColumnElement

from fhir import query as q
from server.store.fhir_tables import index_reference, resource
from server.store.resources import param_id
from server.store.search_terms import (
    Clause,
    any_value,
    apart,
    codes_of,
    own_column,
    plain,
    table_of,
)
from server.store.tables import instance, series, study

FEW = 1000

# The gate: the condition on rows of a type, over `resource` or an alias of it.
Allowed = Callable[[str, Any], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Driver:
    """The keys of few resources: values of their `column`, rid or id."""

    keys: Select[Any]
    column: str = "rid"

    def holds(self, table: Any) -> Clause:
        """The condition that a row of `resource`, or of an alias, is one of them."""
        found: Clause = table.c[self.column].in_(self.keys)
        return found


@lru_cache(maxsize=256)
def _numbered(table: Any, _number: int) -> Any:
    """One of a table's aliases. To make one, with all its columns, takes as long as a small query."""
    alias = table.alias()
    len(alias.c)  # made now, before threads share it
    return alias


@dataclass(frozen=True, slots=True)
class Conditions:
    """Compiles conditions within one organisation, for one caller."""

    connection: Connection
    organisation: int
    allowed: Allowed
    _numbers: Iterator[int] = field(default_factory=count)

    def _alias(self, table: Any) -> Any:
        """An alias that nothing else in this search has."""
        return _numbered(table, next(self._numbers))

    def rows(self, kind: str, table: Any) -> list[Clause]:
        """What every row of a type that is found must be: present, and within the gate."""
        return [
            table.c.organisation == self.organisation,
            table.c.type == kind,
            table.c.deleted == false(),
            self.allowed(kind, table),
        ]

    # Drivers

    def driver(self, kind: str, condition: q.Condition) -> Driver | None:
        """The resources that meet a condition, None if they are many or cannot be listed."""
        match condition:
            case q.Criterion():
                found = None if _is_negative(condition) else self._listed(kind, condition)
            case q.Chain():
                found = self._chained(kind, condition)
            case q.Reverse():
                found = self._reversed(kind, condition)
        if found is None or _is_narrow(condition) or self._few(found):
            return found
        return None

    def _few(self, driver: Driver) -> bool:
        some = driver.keys.limit(FEW + 1).subquery()
        found = self.connection.execute(select(func.count()).select_from(some)).scalar() or 0
        return found <= FEW

    def _listed(self, kind: str, criterion: q.Criterion) -> Driver:
        if _is_own(criterion):
            table = self._alias(resource)
            here = [table.c.organisation == self.organisation, table.c.type == kind]
            return Driver(select(table.c.rid).where(*here, own_column(criterion, plain(table))))
        if _is_dicom(criterion):
            return self._listed_dicom(criterion)
        table = self._alias(table_of(criterion))
        here = self._rows_of(table, kind, criterion.rows)
        return Driver(select(table.c.rid).where(*here, any_value(criterion, plain(table))))

    def _rows_of(self, table: Any, kind: str, code: str) -> list[Clause]:
        """The rows of an index table that belong to one parameter."""
        return [
            table.c.organisation == self.organisation,
            table.c.param == param_id(kind, code),
        ]

    def _listed_dicom(self, criterion: q.Criterion) -> Driver:
        """Studies by UIDs of their instances or series, from the DICOM index itself."""
        table, column = _dicom(criterion)
        same = (study.c.uid == table.c.study) & (study.c.claim == table.c.claim)
        here = table.c.organisation == self.organisation
        found = select(study.c.id).where(study.c.organisation == self.organisation, same)
        owner = found.correlate(table).scalar_subquery()
        keys = select(owner).select_from(table).where(here, _shown(table))
        return Driver(
            keys.where(column.in_(codes_of(criterion))) if criterion.values else keys, "id"
        )

    def _chained(self, kind: str, chain: q.Chain) -> Driver | None:
        """What refers to one of few that meet the condition."""
        link = self._alias(index_reference)
        branches = []
        for target_type, condition in chain.branches:
            inner = self.driver(target_type, condition)
            if inner is None:
                return None
            target = self._alias(resource)
            rows = [*self.rows(target_type, target), inner.holds(target)]
            branches.append(
                (link.c.target_type == target_type)
                & link.c.target.in_(select(target.c.id).where(*rows))
            )
        here = self._rows_of(link, kind, chain.param.code)
        return Driver(select(link.c.rid).where(*here, or_(*branches)))

    def _reversed(self, kind: str, reverse: q.Reverse) -> Driver | None:
        """What few that meet the condition refer to."""
        inner = self.driver(reverse.type, reverse.condition)
        if inner is None:
            return None
        link, source = self._alias(index_reference), self._alias(resource)
        rows = [*self.rows(reverse.type, source), inner.holds(source)]
        here = self._rows_of(link, reverse.type, reverse.param.code)
        pointing = link.c.rid.in_(select(source.c.rid).where(*rows))
        return Driver(
            select(link.c.target).where(*here, link.c.target_type == kind, pointing), "id"
        )

    # Tests

    def test(self, kind: str, condition: q.Condition, table: Any) -> Clause:
        """The condition on rows of a type in `resource` or an alias of it."""
        match condition:
            case q.Criterion():
                return self._test(kind, condition, table)
            case q.Chain():
                return self._test_chain(kind, condition, table)
            case q.Reverse():
                return self._test_reverse(kind, condition, table)

    def _test(self, kind: str, criterion: q.Criterion, table: Any) -> Clause:
        if _is_own(criterion):
            return own_column(criterion, apart(table))
        if _is_dicom(criterion):
            found = self._test_dicom(criterion, table)
        else:
            index = self._alias(table_of(criterion))
            here = self._rows_of(index, kind, criterion.rows)
            same = index.c.rid == table.c.rid + 0
            met = any_value(criterion, apart(index))
            found = exists(select(index.c.rid).where(same, *here, met))
        return not_(found) if _is_negative(criterion) else found

    def _test_dicom(self, criterion: q.Criterion, table: Any) -> Clause:
        held = self._alias(study)
        part, column = _dicom(criterion)
        rows = [
            part.c.organisation == self.organisation,
            part.c.study == held.c.uid,
            part.c.claim == held.c.claim,
            _shown(part),
        ]
        if criterion.values:
            rows.append(column.in_(codes_of(criterion)))
        inner = exists(select(part.c.uid).where(*rows).correlate(held))
        here = held.c.organisation == self.organisation
        return exists(select(held.c.id).where(here, held.c.id == table.c.id, inner))

    def _test_chain(self, kind: str, chain: q.Chain, table: Any) -> Clause:
        link = self._alias(index_reference)
        branches = []
        for target_type, condition in chain.branches:
            target = self._alias(resource)
            branches.append(
                exists(
                    select(target.c.rid)
                    .where(
                        link.c.target_type == target_type,
                        target.c.id == link.c.target,
                        *self.rows(target_type, target),
                        self.test(target_type, condition, target),
                    )
                    .correlate(link)
                )
            )
        here = self._rows_of(link, kind, chain.param.code)
        same = link.c.rid == table.c.rid + 0
        return exists(select(link.c.rid).where(same, *here, or_(*branches)))

    def _test_reverse(self, kind: str, reverse: q.Reverse, table: Any) -> Clause:
        link, source = self._alias(index_reference), self._alias(resource)
        pointing = exists(
            select(source.c.rid)
            .where(
                source.c.rid == link.c.rid + 0,
                *self.rows(reverse.type, source),
                self.test(reverse.type, reverse.condition, source),
            )
            .correlate(link)
        )
        here = self._rows_of(link, reverse.type, reverse.param.code)
        target = and_(link.c.target == table.c.id, link.c.target_type == kind)
        return exists(select(link.c.rid).where(target, *here, pointing))


def rank(condition: q.Condition) -> int:
    """Which conditions are likely to be met by few: those are probed first."""
    if not isinstance(condition, q.Criterion):
        return 4
    if condition.param.flavour in ("identifier", "exact") or _is_dicom(condition):
        return 0
    return {"reference": 1, "string": 2, "composite": 2, "date": 3, "quantity": 3}.get(
        condition.param.kind, 5
    )


def _is_narrow(condition: q.Condition) -> bool:
    """Whether a condition names a number, or whose resources are looked for."""
    if not isinstance(condition, q.Criterion) or not condition.values:
        return False
    if condition.param.flavour == "identifier":
        return all(isinstance(v, q.TokenValue) and v.code for v in condition.values)
    owner = condition.param.code in ("patient", "subject")
    return owner and all(isinstance(v, q.ReferenceValue) and v.id for v in condition.values)


def _is_negative(criterion: q.Criterion) -> bool:
    """Whether a resource meets the criterion by having no such row."""
    return criterion.modifier == "not" or criterion.missing is True


def _is_own(criterion: q.Criterion) -> bool:
    return criterion.param.answer == "column"


def _is_dicom(criterion: q.Criterion) -> TypeGuard[q.Criterion]:
    return criterion.param.answer in ("instance", "series")


def _dicom(criterion: q.Criterion) -> tuple[Any, Any]:
    """The table of the DICOM index and the column that answer a criterion."""
    if criterion.param.answer == "series":
        table = series.alias()
        return table, table.c.uid
    table = instance.alias()
    return table, table.c.sop_class if criterion.param.code == "dicom-class" else table.c.uid


def _shown(table: Any) -> Clause:
    """Of several contents under one UID the first is shown; a series has no such choice."""
    found: Clause = table.c.copy == 0 if "copy" in table.c else table.c.claim >= 0
    return found
