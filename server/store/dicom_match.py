"""Matching keys of DICOM (PS3.4 C.2.2.2) as conditions in SQL."""

import json
import re
from typing import Any

from sqlalchemy import Integer, and_, or_
from sqlalchemy.sql.elements import ColumnElement

from dicom.query import Between, Match, OneOf, Wild
from server.store.shapes import Slots
from server.store.tables import study

_LAST = "\U0010ffff"


def issued(dialect: str, match: Match) -> ColumnElement[bool]:
    """The namespace of a number's issuer, which stands first in a JSON list."""
    texts = (match.pattern,) if isinstance(match, Wild) else _values(match)
    starts = [json.dumps([text])[:-1] + ",*" for text in texts]
    return or_(*(_like(dialect, study.c.patient_issuer, start) for start in starts))


def _values(match: Match) -> tuple[str, ...]:
    return match.values if isinstance(match, OneOf) else ()


def fits(dialect: str, column: Any, match: Match) -> ColumnElement[bool]:
    """One column against one match."""
    if isinstance(match, Wild):
        return _like(dialect, column, match.pattern)
    if isinstance(match, OneOf):
        numeric = isinstance(column.type, Integer)
        values = [int(value) if numeric else value for value in match.values]
        return column.in_(values)  # type: ignore[no-any-return]
    # An open range must not match what is unknown: "" sorts before every date.
    ends = [column != ""]
    if match.low:
        ends.append(column >= match.low)
    if match.high:
        ends.append(column <= match.high)
    return and_(*ends)


def _like(dialect: str, column: Any, pattern: str) -> ColumnElement[bool]:
    """Case matters and only * and ? are wild (PS3.4 C.2.2.2.4): SQLite spells that GLOB.

    SQLite is given the pattern's literal beginning as a range, so that an index serves it.
    """
    if dialect != "sqlite":
        escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
        wild = escaped.replace("*", "%").replace("?", "_")
        return column.like(wild, escape="\\")  # type: ignore[no-any-return]
    fits = column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
    start = start_of(pattern)
    return and_(column >= start, column < start + _LAST, fits) if start else and_(fits)


def start_of(pattern: str) -> str:
    """What a pattern begins with, before its first * or ?."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def combined(date: Between, time: Between) -> ColumnElement[bool]:
    """Date and time ranges given together are one range of moments (PS3.4 C.2.2.2.5.4)."""
    ends = [study.c.date != ""]
    if date.low:
        late = (study.c.date == date.low) & (study.c.time >= time.low)
        ends.append((study.c.date >= date.low) & ((study.c.date > date.low) | late))
    if date.high:
        early = study.c.date == date.high
        if time.high:
            early &= study.c.time <= time.high
        ends.append((study.c.date <= date.high) & ((study.c.date < date.high) | early))
    return and_(*ends)


def slotted(match: Match, slots: Slots) -> Match:
    """A match with slots for its values; a pattern has none."""
    if isinstance(match, OneOf):
        return OneOf(tuple(slots.texts(match.values)))
    if isinstance(match, Between):
        return Between(slots.text(match.low), slots.text(match.high))
    return match
