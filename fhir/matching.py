"""Whether one resource meets a criterion: the meaning of searches, told without a database.

The gate needs it for scopes that name a condition, and what the database answers must agree.
"""

from collections.abc import Iterable

from fhir import query as q
from fhir.extract import DateRow, PairRow, ReferenceRow, Row, StringRow, TokenRow, UriRow


def matches(criterion: q.Criterion, rows: Iterable[Row]) -> bool:
    """Whether the index rows of a resource meet a criterion (R4 3.1.1.4)."""
    own = [row for row in rows if row.param == criterion.rows]
    if criterion.missing is not None:
        return criterion.missing is not bool(own)
    found = any(_same(criterion.modifier, row, value) for row in own for value in criterion.values)
    return not found if criterion.modifier == "not" else found


def _same(modifier: str, row: Row, value: q.Value) -> bool:
    match row, value:
        case TokenRow(), q.TokenValue():
            return _same_token(modifier, row, value)
        case StringRow(), q.StringValue():
            return _same_string(modifier, row, value)
        case DateRow(), q.DateValue():
            return _same_date(row, value)
        case ReferenceRow(), q.ReferenceValue():
            return _same_reference(row, value)
        case UriRow(), q.UriValue():
            return _same_uri(modifier, row.value, value.value)
        case PairRow(), q.QuantityValue():
            return _same_quantity(row, value)
        case PairRow(), q.PairValue():
            return _same_first(row, value.first) and _same_second(row, value.second)
    return False


def _same_token(modifier: str, row: TokenRow, value: q.TokenValue) -> bool:
    if modifier == "text":
        return f" {row.text}".find(f" {value.text}") >= 0
    same_system = value.system is None or row.system == value.system
    return same_system and value.code in ("", row.code)


def _same_string(modifier: str, row: StringRow, value: q.StringValue) -> bool:
    if modifier == "exact":
        return row.exact == value.exact
    return value.norm in row.norm if modifier == "contains" else row.norm.startswith(value.norm)


def _same_date(row: DateRow | PairRow, value: q.DateValue) -> bool:
    equal = value.low <= row.low and row.high <= value.high
    return {
        "eq": equal,
        "ne": not equal,
        "gt": row.high > value.high,
        "ge": row.high > value.high or equal,
        "lt": row.low < value.low,
        "le": row.low < value.low or equal,
        "sa": row.low >= value.high,
        "eb": row.high <= value.low,
        "ap": row.low < value.high and row.high > value.low,
    }[value.prefix]


def _same_reference(row: ReferenceRow, value: q.ReferenceValue) -> bool:
    if value.url:
        return row.url == value.url
    return row.target_id == value.id and value.type in ("", row.target_type)


def _same_uri(modifier: str, row: str, value: str) -> bool:
    if modifier == "below":
        return row == value or row.startswith(f"{value.rstrip('/')}/")
    if modifier == "above":
        return row == value or value.startswith(f"{row.rstrip('/')}/")
    return row == value


def _same_quantity(row: PairRow, value: q.QuantityValue) -> bool:
    if value.system is None:
        same_unit = value.code in ("", row.value, row.text)
    else:
        same_unit = value.system == row.value_system and value.code in ("", row.value)
    equal = value.low <= row.low and row.high < value.high
    return (
        same_unit
        and {
            "eq": equal,
            "ne": not equal,
            "gt": row.high > value.low,
            "ge": row.high >= value.low,
            "lt": row.low < value.low,
            "le": row.low <= value.low,
            "sa": row.low > value.low,
            "eb": row.high < value.low,
            "ap": row.low < value.high and row.high >= value.low,
        }[value.prefix]
    )


def _same_first(row: PairRow, value: q.TokenValue | q.ReferenceValue) -> bool:
    if isinstance(value, q.TokenValue):
        return _same_token("", TokenRow("", row.system, row.code), value)
    return row.code == (value.url or value.id) and value.type in ("", row.system)


def _same_second(
    row: PairRow, value: q.TokenValue | q.StringValue | q.DateValue | q.QuantityValue
) -> bool:
    match value:
        case q.TokenValue():
            return _same_token("", TokenRow("", row.value_system, row.value), value)
        case q.StringValue():
            return row.value.startswith(value.norm)
        case q.DateValue():
            return _same_date(row, value)
        case q.QuantityValue():
            return _same_quantity(row, value)
