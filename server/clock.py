"""Time and randomness as values that can be passed in: seconds, microseconds, row ids."""

import secrets
import time
from datetime import UTC, datetime


def now() -> int:
    """The time in microseconds since 1970-01-01 UTC: the form in which tables keep it."""
    return time.time_ns() // 1000


def instant(micros: int) -> str:
    """A FHIR instant with milliseconds, in UTC (R4 datatypes: instant)."""
    moment = datetime.fromtimestamp(micros / 1_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{micros // 1000 % 1000:03d}Z"


def row_id(micros: int) -> int:
    """A 63-bit row id: 42 bits of milliseconds, 21 random. Orders by time, needs no sequence."""
    return (micros // 1000) << 21 | secrets.randbits(21)


def moment(micros: int) -> datetime:
    """Microseconds since 1970 as a datetime in UTC."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC)
