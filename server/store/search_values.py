"""What a value of a search means of an index row: one clause for each kind and modifier."""

from typing import Any

from sqlalchemy import and_, literal, not_, or_, true
from sqlalchemy.sql.elements import ColumnElement

from fhir import query as q
from server.store.fhir_tables import (
    index_date,
    index_reference,
    index_string,
    index_token,
    index_uri,
)

Clause = ColumnElement[bool]
_LAST = "\U0010ffff"

_TABLES: dict[type, Any] = {
    q.TokenValue: index_token,
    q.StringValue: index_string,
    q.DateValue: index_date,
    q.ReferenceValue: index_reference,
    q.UriValue: index_uri,
}
KINDS = {
    "token": index_token,
    "string": index_string,
    "date": index_date,
    "reference": index_reference,
    "uri": index_uri,
}


def table_of(criterion: q.Criterion) -> Any:
    """The index table that holds the rows of a criterion."""
    if criterion.values:
        return _TABLES[type(criterion.values[0])]
    return KINDS[criterion.param.kind]


def value_clause(criterion: q.Criterion, value: q.Value, table: Any) -> Clause:
    match value:
        case q.TokenValue():
            return _token(criterion, value, table)
        case q.StringValue():
            return _string(criterion, value, table)
        case q.DateValue():
            return date_clause(value, table.c.low, table.c.high)
        case q.ReferenceValue():
            return _reference(value, table)
        case q.UriValue():
            return _uri(criterion, value, table)


def _token(criterion: q.Criterion, value: q.TokenValue, table: Any) -> Clause:
    if criterion.modifier == "text":
        text = table.c.text
        return or_(_starts(text, value.text), text.contains(f" {value.text}", autoescape=True))
    clauses = [table.c.code == value.code] if value.code else []
    if value.system is not None:
        clauses.append(table.c.system == value.system)
    return and_(true(), *clauses)


def _string(criterion: q.Criterion, value: q.StringValue, table: Any) -> Clause:
    if criterion.modifier == "exact":
        return and_(table.c.exact == value.exact)
    if criterion.modifier == "contains":
        return and_(table.c.norm.contains(value.norm, autoescape=True))
    return _starts(table.c.norm, value.norm)


def _starts(column: Any, text: str) -> Clause:
    """Starts-with as a range, which an index can answer."""
    return and_(column >= text, column < text + _LAST)


def date_clause(value: q.DateValue, low: Any, high: Any) -> Clause:
    """See fhir.query.DateValue for what each prefix means of two ranges."""
    inside = and_(low >= value.low, high <= value.high)
    clauses: dict[str, Clause] = {
        "eq": inside,
        "ne": not_(inside),
        "gt": and_(high > value.high),
        "lt": and_(low < value.low),
        "ge": or_(high > value.high, inside),
        "le": or_(low < value.low, inside),
        "sa": and_(low >= value.high),
        "eb": and_(high <= value.low),
        "ap": and_(low < value.high, high > value.low),
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
    if criterion.modifier == "below":
        return or_(table.c.value == value.value, _starts(table.c.value, f"{value.value}/"))
    if criterion.modifier == "above":
        parent = literal(value.value).startswith(table.c.value + "/")
        return or_(table.c.value == value.value, parent)
    return and_(table.c.value == value.value)
