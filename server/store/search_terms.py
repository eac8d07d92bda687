"""What one criterion compares, as SQL: its values against index rows, or the resource's own columns."""

from typing import Any

from sqlalchemy import and_, false, literal, not_, or_, true
from sqlalchemy.sql.elements import ColumnElement

from fhir import query as q
from server.store.tables import (
    index_date,
    index_reference,
    index_string,
    index_token,
    index_uri,
)

Clause = ColumnElement[bool]

TABLES: dict[str, Any] = {
    "token": index_token,
    "string": index_string,
    "date": index_date,
    "reference": index_reference,
    "uri": index_uri,
}
# The column of an index table that resources are sorted by.
SORTED_BY = {"date": "low", "string": "norm", "token": "code"}

_LAST = "\U0010ffff"


def table_of(criterion: q.Criterion) -> Any:
    """The index table that holds the rows of a criterion."""
    if isinstance(next(iter(criterion.values), None), q.TokenValue):
        return index_token  # also of references, asked for by :identifier
    return TABLES[criterion.param.kind]


def any_value(criterion: q.Criterion, table: Any) -> Clause:
    """The condition that an index row meets one of the values; every row does if there are none."""
    clauses = [_value(criterion, value, table) for value in criterion.values]
    return or_(*clauses) if clauses else true()


def own_column(criterion: q.Criterion, table: Any) -> Clause:
    """`_id` and `_lastUpdated`, which are columns of the resource's own row."""
    if criterion.missing is not None:
        return false() if criterion.missing else true()
    if criterion.param.code == "_lastUpdated":
        moments = [value for value in criterion.values if isinstance(value, q.DateValue)]
        return or_(*(_moment(value, table.c.updated) for value in moments))
    # An id has no system: one that is asked for with a system is nobody's.
    codes = [value for value in criterion.values if isinstance(value, q.TokenValue)]
    plain = [value.code for value in codes if not value.system]
    found: Clause = table.c.id.in_(plain)
    return not_(found) if criterion.modifier == "not" else found


def codes_of(criterion: q.Criterion) -> list[str]:
    """The UIDs that a criterion on the DICOM index asks for: bare, as they stand there."""
    return [value.code for value in criterion.values if isinstance(value, q.TokenValue)]


def _value(criterion: q.Criterion, value: q.Value, table: Any) -> Clause:
    match value:
        case q.TokenValue():
            return _token(criterion, value, table)
        case q.StringValue():
            return _string(criterion, value, table)
        case q.DateValue():
            return _date(value, table.c.low, table.c.high)
        case q.ReferenceValue():
            return _reference(value, table)
        case q.UriValue():
            return _uri(criterion, value, table)


def _token(criterion: q.Criterion, value: q.TokenValue, table: Any) -> Clause:
    if criterion.modifier == "text":
        text = table.c.text
        return or_(starts(text, value.text), text.contains(f" {value.text}", autoescape=True))
    clauses = [table.c.code == value.code] if value.code else []
    if value.system is not None:
        clauses.append(table.c.system == value.system)
    return and_(true(), *clauses)


def _string(criterion: q.Criterion, value: q.StringValue, table: Any) -> Clause:
    if criterion.modifier == "exact":
        # The folded text is implied, and it is what the index is ordered by.
        return and_(table.c.norm == value.norm, table.c.exact == value.exact)
    if criterion.modifier == "contains":
        return and_(table.c.norm.contains(value.norm, autoescape=True))
    return starts(table.c.norm, value.norm)


def starts(column: Any, text: str) -> Clause:
    """Starts-with as a range, which an index can answer."""
    return and_(column >= text, column < text + _LAST)


def _date(value: q.DateValue, low: Any, high: Any) -> Clause:
    """See fhir.query.DateValue for what each prefix means of two ranges.

    No range ends before it begins, so some bounds are implied by others. They are written all the
    same: an index is ordered by one column only, and needs a bound on that one.
    """
    inside = and_(low >= value.low, low < value.high, high > value.low, high <= value.high)
    clauses: dict[str, Clause] = {
        "eq": inside,
        "ne": or_(low < value.low, high > value.high),
        "gt": and_(high > value.high),
        "lt": and_(low < value.low),
        "ge": and_(high > value.low, or_(high > value.high, low >= value.low)),
        "le": and_(low < value.high, or_(low < value.low, high <= value.high)),
        "sa": and_(low >= value.high, high > value.high),
        "eb": and_(high <= value.low, low < value.low),
        "ap": and_(low < value.high, high > value.low),
    }
    return clauses[value.prefix]


def _moment(value: q.DateValue, at: Any) -> Clause:
    """The same for a moment of one microsecond."""
    inside = and_(at >= value.low, at < value.high)
    clauses: dict[str, Clause] = {
        "eq": inside,
        "ne": not_(inside),
        "gt": and_(at >= value.high),
        "lt": and_(at < value.low),
        "ge": and_(at >= value.low),
        "le": and_(at < value.high),
        "sa": and_(at >= value.high),
        "eb": and_(at < value.low),
        "ap": inside,
    }
    return clauses[value.prefix]


def _reference(value: q.ReferenceValue, table: Any) -> Clause:
    if value.url:
        return and_(table.c.url == value.url)
    clauses = [table.c.target == value.id]
    if value.type:
        clauses.append(table.c.target_type == value.type)
    return and_(*clauses)


def _uri(criterion: q.Criterion, value: q.UriValue, table: Any) -> Clause:
    column = table.c.value
    if criterion.modifier == "below":
        return or_(column == value.value, starts(column, f"{value.value.rstrip('/')}/"))
    if criterion.modifier == "above":
        parent = literal(value.value).startswith(column.concat("/"), autoescape=False)
        return or_(column == value.value, parent)
    return and_(column == value.value)
