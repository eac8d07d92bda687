"""Dates and times: DICOM to FHIR without inventing a zone, and FHIR dates as ranges to search in.

A time is only told with its offset: the one the instance carries (0008,0201), else the site's
zone with its summer time, else the date stands alone (mapping 1.10).
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhir.errors import BadDate

_DA = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})", re.ASCII)
_TM = re.compile(r"(\d{2}):?(?:(\d{2}):?(?:(\d{2})(?:\.\d*)?)?)?", re.ASCII)
_DT = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2,6}(?:\.\d*)?)?([+-]\d{4})?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})", re.ASCII)
_FHIR = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})"
    r"(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+ -]\d{2}:\d{2})?)?)?)?",
    re.ASCII,
)
# The ends of an open period: nothing that has a date lies outside.
BEGINNING, FOREVER = -(2**62), 2**62

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST_OFFSET = timedelta(hours=14)


def fhir_date(da: str) -> str:
    """A DICOM date (PS3.5 DA, also the retired dotted form) as FHIR date; "" if there is no such day."""
    match = _DA.fullmatch(da.strip())
    return _calendar_date(*match.groups()) if match else ""


def fhir_datetime(da: str, tm: str = "", *, offset: str = "", zone: str = "") -> str:
    """A DICOM date and time as FHIR dateTime, to the second; the date alone if no zone is known."""
    day, clock = fhir_date(da), _clock(tm)
    if not day or not clock:
        return day
    suffix = _offset_text(day, clock, offset, zone)
    return f"{day}T{clock}{suffix}" if suffix else day


def fhir_datetime_of_dt(dt: str, *, offset: str = "", zone: str = "") -> str:
    """A DICOM DT value (PS3.5 6.2), which may stop at any part, as FHIR dateTime."""
    match = _DT.fullmatch(dt.strip())
    if match is None:
        return ""
    year, month, day, clock, own = match.groups()
    if month and day:
        return fhir_datetime(year + month + day, clock or "", offset=own or offset, zone=zone)
    partial = f"{year}-{month}" if month else year
    return partial if _calendar_date(year, month or "01", "01") else ""


def instant(when: datetime) -> str:
    """An aware datetime as FHIR instant in UTC, to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name; BadDate if this machine knows no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadDate("not an IANA time zone name", code="value") from error


def search_range(text: str, *, zone: tzinfo = UTC) -> tuple[int, int]:
    """The time that a FHIR date, dateTime or instant covers: from low up to, not including, high.

    Both in microseconds since 1970 in UTC. What is written without an offset, and whole days, are
    those of `zone` (R4 search, 3.1.1.4.8). BadDate if the text is none of the formats or no day.
    """
    match = _FHIR.fullmatch(text)
    if match is None:
        raise BadDate("expected YYYY, YYYY-MM, YYYY-MM-DD or a full date and time", code="value")
    try:
        return _time_range(match, zone) if match[4] else _day_range(match, zone)
    except (ValueError, OverflowError) as error:
        raise BadDate("there is no such day or time", code="value") from error


def _calendar_date(year: str, month: str, day: str) -> str:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""


def _clock(tm: str) -> str:
    """hh:mm:ss of a DICOM time; parts that are not given are zero, fractions are cut off."""
    match = _TM.fullmatch(tm.strip())
    if match is None:
        return ""
    hour, minute, second = (part or "00" for part in match.groups())
    return f"{hour}:{minute}:{second}" if hour < "24" and minute < "60" and second <= "60" else ""


def _offset_text(day: str, clock: str, offset: str, zone: str) -> str:
    match = _OFFSET.fullmatch(offset.strip())
    if match and _offset(match) is not None:
        return f"{match[1]}{match[2]}:{match[3]}"
    if not zone:
        return ""
    local = datetime.fromisoformat(f"{day}T{clock[:6]}00").replace(tzinfo=zone_of(zone))
    return local.isoformat()[19:25]


def _offset(match: re.Match[str]) -> timedelta | None:
    """The offset of a match of _OFFSET, or None beyond what the world uses (14 hours)."""
    size = timedelta(hours=int(match[2]), minutes=int(match[3]))
    if size > _LARGEST_OFFSET or int(match[3]) > 59:
        return None
    return -size if match[1] == "-" else size


def _suffix_zone(suffix: str | None, zone: tzinfo) -> tzinfo:
    """The zone of Z or an offset; a blank is a plus sign that a form decoder took for a space."""
    if suffix is None:
        return zone
    if suffix == "Z":
        return UTC
    match = _OFFSET.fullmatch(suffix.replace(" ", "+"))
    size = _offset(match) if match else None
    if size is None:
        raise ValueError(suffix)
    return timezone(size)


def _day_range(match: re.Match[str], zone: tzinfo) -> tuple[int, int]:
    year, month, day = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    start = date(year, month or 1, day or 1)
    if day:
        after = (start + timedelta(days=1)) if start < date.max else None
    elif month:
        after = date(year + month // 12, month % 12 + 1, 1) if (year, month) < (9999, 12) else None
    else:
        after = date(year + 1, 1, 1) if year < 9999 else None
    return _midnight(start, zone), _midnight(after, zone) if after else FOREVER


def _midnight(day: date, zone: tzinfo) -> int:
    return _microseconds(datetime(day.year, day.month, day.day, tzinfo=zone))


def _time_range(match: re.Match[str], zone: tzinfo) -> tuple[int, int]:
    year, month, day, hour, minute = (int(match[group]) for group in range(1, 6))
    zone = _suffix_zone(match[8], zone)
    low = _microseconds(datetime(year, month, day, hour, minute, tzinfo=zone))
    if match[6] is None:
        return low, low + 60_000_000
    if int(match[6]) > 60:
        raise ValueError(match[6])
    low += int(match[6]) * 1_000_000
    digits = (match[7] or "")[:6]
    step = 10 ** (6 - len(digits))
    low += int(digits or 0) * step
    return low, low + step


def _microseconds(when: datetime) -> int:
    return (when - _EPOCH) // _MICROSECOND
