"""Conditions of a FHIR search as SQL, each in two forms: a driver and a test.

A driver is a query for the keys of all resources that meet a condition; a search may start from it
if they are few. A test asks of one resource whether it meets the condition. Neither form is right
for both a rare identifier and a status that most resources have, so whether they are few is probed,
up to a thousand rows; a number, and what belongs to a patient, are taken for few without asking.
Subqueries are nested rather than joined: that fixes which table is read first, whatever a planner
without statistics would guess.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from sqlalchemy import Select, and_, exists, false, func, not_, or_, select
from sqlalchemy.sql.elements import ColumnElement

from fhir import query as q
from server.store import veil
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
from server.store.shapes import Ask, Gate, Slots
from server.store.tables import instance, series, study

FEW = 1000

# The gate: the condition on rows of a type, over `resource` or an alias of it.
Allowed = Callable[[str, Any], ColumnElement[bool]]
Reach = Gate[Allowed]


@dataclass(frozen=True, slots=True)
class Driver:
    """The keys of few resources: values of their `column`, rid or id."""

    keys: Select[Any]
    column: str = "rid"

    def holds(self, table: Any) -> Clause:
        """The condition that a row of `resource`, or of an alias, is one of them."""
        found: Clause = table.c[self.column].in_(self.keys)
        return found


@dataclass(frozen=True, slots=True)
class Conditions:
    """Compiles conditions within one organisation, for one caller.

    `veiled` says that the caller is told the tombstones alone of what was withdrawn.
    """

    ask: Ask
    organisation: int
    allowed: Allowed
    veiled: bool = False

    def rows(self, kind: str, table: Any) -> list[Clause]:
        """What every row of a type that is found must be: present, and within the gate."""
        return [
            table.c.organisation == self.organisation,
            table.c.type == kind,
            table.c.deleted == false(),
            self.allowed(kind, table),
        ]

    def told(self, kind: str, condition: q.Condition, table: Any) -> list[Clause]:
        """What a row must be besides, so that the caller may know whether it meets a condition."""
        if isinstance(condition, q.Reverse):
            return []
        return self._told(kind, condition.param.code, table)

    def _told(self, kind: str, code: str, table: Any) -> list[Clause]:
        hidden = self.veiled and veil.covers(kind, code)
        return [not_(veil.withdrawn(table))] if hidden else []

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
        return self.ask(select((func.count() <= FEW).label("few")).select_from(some))

    def _listed(self, kind: str, criterion: q.Criterion) -> Driver:
        if _is_own(criterion):
            table = resource.alias()
            here = [table.c.organisation == self.organisation, table.c.type == kind]
            return Driver(select(table.c.rid).where(*here, own_column(criterion, plain(table))))
        if _is_dicom(criterion):
            return self._listed_dicom(criterion)
        table = table_of(criterion).alias()
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
        link = index_reference.alias()
        branches = []
        for target_type, condition in chain.branches:
            inner = self.driver(target_type, condition)
            if inner is None:
                return None
            target = resource.alias()
            rows = [*self.rows(target_type, target), inner.holds(target)]
            rows += self.told(target_type, condition, target)
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
        link, source = index_reference.alias(), resource.alias()
        rows = [*self.rows(reverse.type, source), inner.holds(source)]
        rows += self._told_reverse(reverse, source)
        here = self._rows_of(link, reverse.type, reverse.param.code)
        pointing = link.c.rid.in_(select(source.c.rid).where(*rows))
        return Driver(
            select(link.c.target).where(*here, link.c.target_type == kind, pointing), "id"
        )

    def _told_reverse(self, reverse: q.Reverse, source: Any) -> list[Clause]:
        found = self.told(reverse.type, reverse.condition, source)
        return found + self._told(reverse.type, reverse.param.code, source)

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
            index = table_of(criterion).alias()
            here = self._rows_of(index, kind, criterion.rows)
            same = index.c.rid == table.c.rid + 0
            met = any_value(criterion, apart(index))
            found = exists(select(index.c.rid).where(same, *here, met))
        return not_(found) if _is_negative(criterion) else found

    def _test_dicom(self, criterion: q.Criterion, table: Any) -> Clause:
        held = study.alias()
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
        link = index_reference.alias()
        branches = []
        for target_type, condition in chain.branches:
            target = resource.alias()
            branches.append(
                exists(
                    select(target.c.rid)
                    .where(
                        link.c.target_type == target_type,
                        target.c.id == link.c.target,
                        *self.rows(target_type, target),
                        *self.told(target_type, condition, target),
                        self.test(target_type, condition, target),
                    )
                    .correlate(link)
                )
            )
        here = self._rows_of(link, kind, chain.param.code)
        same = link.c.rid == table.c.rid + 0
        return exists(select(link.c.rid).where(same, *here, or_(*branches)))

    def _test_reverse(self, kind: str, reverse: q.Reverse, table: Any) -> Clause:
        link, source = index_reference.alias(), resource.alias()
        pointing = exists(
            select(source.c.rid)
            .where(
                source.c.rid == link.c.rid + 0,
                *self.rows(reverse.type, source),
                *self._told_reverse(reverse, source),
                self.test(reverse.type, reverse.condition, source),
            )
            .correlate(link)
        )
        here = self._rows_of(link, reverse.type, reverse.param.code)
        target = and_(link.c.target == table.c.id, link.c.target_type == kind)
        return exists(select(link.c.rid).where(target, *here, pointing))


def slotted(query: q.Query, slots: Slots) -> q.Query:
    """A search with slots in the place of all that is looked for."""
    conditions = tuple(_slotted(one, slots) for one in query.conditions)
    return q.Query(query.type, conditions, sort=query.sort)


def _slotted(condition: q.Condition, slots: Slots) -> q.Condition:
    match condition:
        case q.Criterion(values=values):
            return replace(condition, values=tuple(_slot(value, slots) for value in values))
        case q.Chain(branches=branches):
            inner = tuple((kind, _slotted(one, slots)) for kind, one in branches)
            return replace(condition, branches=inner)
        case q.Reverse(condition=one):
            return replace(condition, condition=_slotted(one, slots))


def _slot(value: Any, slots: Slots) -> Any:
    match value:
        case q.TokenValue(system, code, text):
            return q.TokenValue(slots.maybe(system), slots.text(code), slots.text(text))
        case q.StringValue(norm, exact):
            return q.StringValue(slots.text(norm), slots.text(exact))
        case q.DateValue(prefix, low, high):
            return q.DateValue(prefix, slots.number(low), slots.number(high))
        case q.ReferenceValue(kind, id_, url):
            return q.ReferenceValue(kind, slots.text(id_), slots.text(url))
        case q.UriValue(uri):
            return q.UriValue(slots.text(uri))
        case q.QuantityValue(prefix, low, high, system, code):
            number = slots.number(low), slots.number(high)
            return q.QuantityValue(prefix, *number, slots.maybe(system), slots.text(code))
        case q.PairValue(first, second):
            return q.PairValue(_slot(first, slots), _slot(second, slots))
    return value


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
