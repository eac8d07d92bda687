"""Dates and times as precise as they were sent, with no zone invented (HL7 2.5.1 ch. 2A.22, 2A.78)."""

import re
from dataclasses import dataclass
from datetime import datetime

from hl7.message import Value

_TIMESTAMP = re.compile(
    r"(\d{4})(\d{2})?(\d{2})?(?:T?(\d{2})(\d{2})?(\d{2})?(?:\.(\d*))?)?([+-]\d{4})?", re.ASCII
)
_LARGEST_OFFSET = 14 * 60


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or time as precise as it was sent (TS, DTM, DT).

    `date` is YYYY[MM[DD]], `clock` HH[MM[SS[.S…]]], `offset` +HHMM or -HHMM; each is "" if it was
    not sent or says no date or time that exists, which `flawed` tells.
    """

    raw: str = ""
    date: str = ""
    clock: str = ""
    offset: str = ""
    flawed: bool = False

    def __bool__(self) -> bool:
        """Whether there is at least a year."""
        return bool(self.date)

    @classmethod
    def of(cls, raw: str) -> "Moment":
        """Read a time stamp."""
        found = _TIMESTAMP.fullmatch(raw)
        if found is None:
            return cls(raw, flawed=bool(raw))
        year, month, day, hour, minute, second, fraction, offset = found.groups(default="")
        if not _is_date(year, month, day):
            return cls(raw, flawed=True)
        date = year + month + day
        if not _is_offset(offset) or not _is_clock(hour, minute, second):
            return cls(raw, date, flawed=True)
        return cls(raw, date, hour + minute + second + (f".{fraction}" if fraction else ""), offset)

    @classmethod
    def read(cls, value: Value) -> "Moment":
        """Read TS or DTM; the precision that old versions send beside it adds nothing."""
        return cls.of(value.text(1).strip()) if value else NEVER


NEVER = Moment()


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        datetime(int(year), int(month or 1), int(day or 1))  # noqa: DTZ001 (a calendar day)
    except ValueError:
        return False
    return True


def _is_clock(hour: str, minute: str, second: str) -> bool:
    return int(hour or 0) < 24 and int(minute or 0) < 60 and int(second or 0) < 60


def _is_offset(offset: str) -> bool:
    if not offset:
        return True
    minutes = int(offset[3:])
    return minutes < 60 and int(offset[1:3]) * 60 + minutes <= _LARGEST_OFFSET
