"""What one criterion compares, as SQL: its values against index rows, or the resource's own columns."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Double, Integer, String, and_, false, func, literal, not_, or_, true
from sqlalchemy.sql.elements import ColumnElement

from fhir import query as q
from server.store.fhir_tables import (
    index_date,
    index_pair,
    index_reference,
    index_string,
    index_token,
    index_uri,
)

Clause = ColumnElement[bool]
Columns = Mapping[str, Any]

TABLES: dict[str, Any] = {
    "token": index_token,
    "string": index_string,
    "date": index_date,
    "reference": index_reference,
    "uri": index_uri,
    "quantity": index_pair,
    "composite": index_pair,
}
# The column of an index table that resources are sorted by.
SORTED_BY = {"date": "low", "string": "norm", "token": "code"}

_LAST = "\U0010ffff"


def table_of(criterion: q.Criterion) -> Any:
    """The index table that holds the rows of a criterion."""
    if isinstance(next(iter(criterion.values), None), q.TokenValue):
        return index_token  # also of references, asked for by :identifier
    return TABLES[criterion.param.kind]


def any_value(criterion: q.Criterion, columns: Columns) -> Clause:
    """The condition that an index row meets one of the values; every row does if there are none."""
    clauses = [_value(criterion, value, columns) for value in criterion.values]
    return or_(*clauses) if clauses else true()


def plain(table: Any) -> Columns:
    """The columns of a table as they are."""
    return {column.name: column for column in table.c}


def apart(table: Any) -> Columns:
    """The columns of a table as values, which no planner can find rows by.

    A test of one resource is to read that resource's rows, not all that have a value.
    """
    texts = {c.name: c + "" for c in table.c if isinstance(c.type, String)}
    return texts | {c.name: c + 0 for c in table.c if isinstance(c.type, Integer | Double)}


def own_column(criterion: q.Criterion, columns: Columns) -> Clause:
    """`_id` and `_lastUpdated`, which are columns of the resource's own row."""
    if criterion.missing is not None:
        return false() if criterion.missing else true()
    if criterion.param.code == "_lastUpdated":
        moments = [value for value in criterion.values if isinstance(value, q.DateValue)]
        return or_(*(_moment(value, columns["updated"]) for value in moments))
    # An id has no system: one that is asked for with a system is nobody's.
    codes = [value for value in criterion.values if isinstance(value, q.TokenValue)]
    plain = [value.code for value in codes if not value.system]
    found: Clause = columns["id"].in_(plain)
    return not_(found) if criterion.modifier == "not" else found


def codes_of(criterion: q.Criterion) -> list[str]:
    """The UIDs that a criterion on the DICOM index asks for: bare, as they stand there."""
    return [value.code for value in criterion.values if isinstance(value, q.TokenValue)]


def _value(criterion: q.Criterion, value: q.Value, columns: Columns) -> Clause:
    match value:
        case q.TokenValue():
            return _token(criterion, value, columns)
        case q.StringValue():
            return _string(criterion, value, columns)
        case q.DateValue():
            return _date(value, columns["low"], columns["high"])
        case q.ReferenceValue():
            return _reference(value, columns)
        case q.UriValue():
            return _uri(criterion, value, columns["value"])
        case q.QuantityValue():
            return and_(columns["code"] == "", _quantity(value, columns))
        case q.PairValue():
            return and_(_first(value.first, columns), _second(criterion, value.second, columns))


def _token(criterion: q.Criterion, value: q.TokenValue, columns: Columns) -> Clause:
    if criterion.modifier == "text":
        text = columns["text"]
        return or_(starts(text, value.text), text.contains(f" {value.text}", autoescape=True))
    clauses = [columns["code"] == value.code] if value.code else []
    if value.system is not None:
        clauses.append(columns["system"] == value.system)
    return and_(true(), *clauses)


def _string(criterion: q.Criterion, value: q.StringValue, columns: Columns) -> Clause:
    norm = columns["norm"]
    if criterion.modifier == "exact":
        # The folded text is implied, and it is what the index is ordered by; a sound is not.
        sounds = criterion.param.flavour == "phonetic"
        return and_(true() if sounds else norm == value.norm, columns["exact"] == value.exact)
    if criterion.modifier == "contains":
        return and_(norm.contains(value.norm, autoescape=True))
    return starts(norm, value.norm)


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


def _reference(value: q.ReferenceValue, columns: Columns) -> Clause:
    if value.url:
        # What is not ours has no id; saying so leads an index to it.
        return and_(columns["target"] == "", columns["url"] == value.url)
    clauses = [columns["target"] == value.id]
    if value.type:
        clauses.append(columns["target_type"] == value.type)
    return and_(*clauses)


def _uri(criterion: q.Criterion, value: q.UriValue, column: Any) -> Clause:
    if criterion.modifier == "below":
        return or_(column == value.value, starts(column, f"{value.value.rstrip('/')}/"))
    if criterion.modifier == "above":
        parent = literal(value.value).startswith(func.rtrim(column, "/") + "/")
        return or_(column == value.value, parent)
    return and_(column == value.value)


def _quantity(value: q.QuantityValue, columns: Columns) -> Clause:
    """See fhir.query.QuantityValue for what each prefix means of a number and a range.

    No range ends before it begins, so some bounds are implied: they lead an index to its rows.
    """
    low, high = columns["low"], columns["high"]
    equal = and_(low >= value.low, low < value.high, high >= value.low, high < value.high)
    clauses: dict[str, Clause] = {
        "eq": equal,
        "ne": or_(low < value.low, high >= value.high),
        "gt": and_(high > value.low),
        "ge": and_(high >= value.low),
        "lt": and_(low < value.low),
        "le": and_(low <= value.low),
        "sa": and_(low > value.low),
        "eb": and_(high < value.low),
        "ap": and_(low < value.high, high >= value.low),
    }
    return and_(clauses[value.prefix], *_unit(value, columns))


def _unit(value: q.QuantityValue, columns: Columns) -> list[Clause]:
    """The unit by its code in a system, or by its code or its word in none."""
    if value.system is None:
        either = or_(columns["value"] == value.code, columns["text"] == value.code)
        return [either] if value.code else []
    clauses = [columns["value_system"] == value.system]
    return [*clauses, columns["value"] == value.code] if value.code else clauses


def _first(value: q.TokenValue | q.ReferenceValue, columns: Columns) -> Clause:
    """The first part of a composite: a code, or what is referred to."""
    if isinstance(value, q.TokenValue):
        code, system = value.code, value.system
    else:
        code, system = value.url or value.id, value.type or None
    clauses = [columns["code"] == code] if code else []
    return and_(true(), *clauses, *([] if system is None else [columns["system"] == system]))


def _second(criterion: q.Criterion, value: q.Value, columns: Columns) -> Clause:
    """The second part, which lies in the columns of a quantity."""
    if isinstance(value, q.QuantityValue):
        return _quantity(value, columns)
    kept = {"code": columns["value"], "system": columns["value_system"], "norm": columns["value"]}
    return _value(criterion, value, kept | {name: columns[name] for name in ("low", "high")})
