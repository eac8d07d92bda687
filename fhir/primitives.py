"""Values of R4's primitive types: the right JSON type, the right form, a day that exists (R4 2.24)."""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir.datetimes import search_range
from fhir.errors import BadDate

LONGEST_STRING = 1024 * 1024
_DATE = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"
_ZONED = r"T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
_FORMS = {
    name: re.compile(pattern, re.ASCII)
    for name, pattern in {
        "id": r"[A-Za-z0-9.-]{1,64}",
        "uri": r"\S+",
        "oid": r"urn:oid:[0-2](\.(0|[1-9]\d*))+",
        "uuid": r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "code": r"\S+( \S+)*",
        "date": _DATE,
        "dateTime": rf"{_DATE}|\d{{4}}-\d\d-\d\d{_ZONED}",
        "instant": rf"\d{{4}}-\d\d-\d\d{_ZONED}",
        "time": r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?",
    }.items()
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def fault(kind: str, value: Any) -> str:
    """What keeps a JSON value from being of a primitive type, or "" when nothing does."""
    return CHECKS[kind](value)


def _boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "expected true or false"


def _whole(low: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int):
            return "expected a whole number"
        return "" if low <= value < 2**31 else f"expected a number from {low} to {2**31 - 1}"

    return check


def _decimal(value: Any) -> str:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return "" if is_number else "expected a number"


def _string(value: Any) -> str:
    if not isinstance(value, str):
        return "expected a string"
    if not value:
        return "the string is empty"
    if len(value) > LONGEST_STRING:
        return "the string is longer than 1 MiB"
    return "the string holds control characters" if _CONTROL.search(value) else ""


def _formed(kind: str, expected: str) -> Callable[[Any], str]:
    form = _FORMS[kind]

    def check(value: Any) -> str:
        if wrong := _string(value):
            return wrong
        return "" if form.fullmatch(value) else f"expected {expected}"

    return check


def _dated(kind: str, expected: str) -> Callable[[Any], str]:
    formed = _formed(kind, expected)

    def check(value: Any) -> str:
        if wrong := formed(value):
            return wrong
        try:
            search_range(re.sub(r"(\.\d{9})\d+", r"\1", value))
        except BadDate as error:
            return str(error)
        return ""

    return check


def _base64(value: Any) -> str:
    if not isinstance(value, str) or not value:
        return "expected base64 text"
    try:
        b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return "expected base64 text"
    return ""


CHECKS: dict[str, Callable[[Any], str]] = {
    "boolean": _boolean,
    "integer": _whole(-(2**31)),
    "unsignedInt": _whole(0),
    "positiveInt": _whole(1),
    "decimal": _decimal,
    "string": _string,
    "markdown": _string,
    "xhtml": _string,
    "base64Binary": _base64,
    "code": _formed("code", "a code without outer or double blanks"),
    "id": _formed("id", "1 to 64 letters, digits, hyphens and dots"),
    "uri": _formed("uri", "a URI without blanks"),
    "url": _formed("uri", "a URL without blanks"),
    "canonical": _formed("uri", "a canonical URL without blanks"),
    "oid": _formed("oid", "urn:oid: and an object identifier"),
    "uuid": _formed("uuid", "urn:uuid: and a UUID in lower case"),
    "date": _dated("date", "YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _dated("dateTime", "a date, or a date with time to the second and offset"),
    "instant": _dated("instant", "a date with time to the second and offset"),
    "time": _formed("time", "hh:mm:ss"),
}
