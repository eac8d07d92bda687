"""Values of a search: from the text of one parameter to what index rows are compared with."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, cast, get_args

from fhir.datetimes import search_range
from fhir.definitions import resource_types
from fhir.errors import BadDate, BadNumber, BadSearch
from fhir.identifiers import bare_uid
from fhir.match_keys import local_reference, string_key, token_key
from fhir.numbers import asked
from fhir.query import (
    DateValue,
    PairValue,
    Prefix,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhir.search_params import Param
from fhir.text import fold

PREFIXES = frozenset(get_args(Prefix))
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
_SLASHED = re.compile(r"[A-Za-z]+/\S*", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reading:
    """What values are read against: our own address, the zone of dates without one, the hour."""

    base: str
    zone: tzinfo = UTC
    now: datetime | None = None


def split(text: str, separator: str) -> list[str]:
    """Split at a separator that no backslash escapes; escapes stay (R4 3.1.1.4.9)."""
    parts, start, index = [], 0, 0
    while index < len(text):
        if text[index] == "\\":
            index += 1
        elif text[index] == separator:
            parts.append(text[start:index])
            start = index + 1
        index += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""Undo \, \| \$ and \\; a backslash before anything else stands for itself."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def value(param: Param, modifier: str, text: str, reading: Reading) -> Value:
    """One value of a parameter, split off at the commas; BadSearch if it is malformed."""
    if modifier in ("identifier", "of-type", "text"):
        return _special(param, modifier, text)
    if param.kind == "token":
        return _token(param, text)
    if param.kind == "string":
        exact = unescape(text)
        return StringValue(string_key(param, exact), exact)
    if param.kind == "date":
        return _date(param, text, reading)
    if param.kind == "reference":
        return _reference(param, modifier, unescape(text), reading.base)
    if param.kind == "quantity":
        return _quantity(param, text)
    if param.kind == "composite":
        return _pair(param, text, reading)
    return UriValue(unescape(text))


def _special(param: Param, modifier: str, text: str) -> Value:
    """Values of the modifiers that ask for something else than the parameter's own kind."""
    if modifier == "text":
        return TokenValue(None, "", fold(unescape(text)))
    parts = [unescape(part) for part in split(text, "|")]
    if modifier == "identifier":
        if len(parts) > 2 or not parts[-1]:
            raise _bad(param, "expected system|value")
        return TokenValue(parts[0] if len(parts) == 2 else None, bare_uid(parts[-1]))
    if len(parts) != 3 or not all(parts):
        raise _bad(param, "expected system|type|value")
    return TokenValue(parts[0], f"{parts[1]}|{token_key(param, parts[2])}")


def _token(param: Param, text: str) -> Value:
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise _bad(param, "expected code, system|code, |code or system|")
    code = token_key(param, parts[-1])
    return TokenValue(parts[0] if len(parts) == 2 else None, code)


def _prefixed(text: str) -> tuple[Prefix, str]:
    if text[:2] not in PREFIXES:
        return "eq", text
    return cast(Prefix, text[:2]), text[2:]


def _quantity(param: Param, text: str) -> Value:
    """[prefix]number, number|system|code, or number||code for a unit by its code or its word."""
    prefix, rest = _prefixed(text)
    number, *unit = (unescape(part) for part in split(rest, "|"))
    if len(unit) not in (0, 2) or (unit and not any(unit)):
        raise _bad(param, "expected number, number|system|code or number||code")
    system, code = unit or ("", "")
    try:
        low, high = asked(number, prefix)
    except BadNumber as error:
        raise _bad(param, str(error)) from error
    return QuantityValue(prefix, low, high, system or None, code)


def _pair(param: Param, text: str, reading: Reading) -> Value:
    """The values of a composite's two parts, with a dollar sign between them (R4 3.1.1.4.17)."""
    texts = split(text, "$")
    if len(texts) != len(param.parts) or not all(texts):
        raise _bad(param, "expected two values with a $ between them")
    parts = zip(param.parts, texts, strict=True)
    found = [value(replace(part, code=param.code), "", one, reading) for part, one in parts]
    return PairValue(*cast(Any, found))


def _date(param: Param, text: str, reading: Reading) -> Value:
    prefix, rest = _prefixed(text)
    try:
        low, high = search_range(rest, zone=reading.zone)
    except BadDate as error:
        raise _bad(param, str(error)) from error
    if prefix == "ap" and reading.now is not None:
        now = (reading.now - _EPOCH) // timedelta(microseconds=1)
        margin = abs(now - (low + high) // 2) // 10
        low, high = low - margin, high + margin
    return DateValue(prefix, low, high)


def _reference(param: Param, modifier: str, text: str, base: str) -> Value:
    """An id, Type/id, an address of ours, or the address of another server or a urn."""
    only = modifier or (param.targets[0] if len(param.targets) == 1 else "")
    if _ID.fullmatch(text):
        return ReferenceValue(only, text)
    if local := local_reference(text, base):
        if local[0] not in resource_types():
            raise _bad(param, "the reference names no resource type of R4")
        return ReferenceValue(*local)
    if ":" not in text or _SLASHED.fullmatch(text):
        raise _bad(param, "expected an id, Type/id or an absolute URL")
    return ReferenceValue("", "", text)


def _bad(param: Param, message: str) -> BadSearch:
    return BadSearch(message, code="value", expression=param.code)
