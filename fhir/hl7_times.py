"""Times of HL7 v2 as FHIR: as precise as they were sent, in a zone that somebody told (mapping 2.9).

A time has its own offset; else the feed's zone, with its summer time; else the offset of MSH-7,
which HL7 makes the default of a message. Without any of them its date stands alone.
"""

from dataclasses import dataclass

from fhir.datetimes import fhir_datetime, fhir_datetime_of_dt, search_range
from fhir.invariants import broken
from hl7.moments import Moment


@dataclass(frozen=True, slots=True)
class Zones:
    """Where the clocks of a message stand: the feed's IANA zone name and the offset of MSH-7."""

    feed: str = ""
    message: str = ""


NO_ZONES = Zones()


def date_of(moment: Moment) -> str:
    """The day, month or year of a moment as FHIR date; "" if there is none."""
    return fhir_datetime_of_dt(moment.date)


def datetime_of(moment: Moment, zones: Zones) -> str:
    """A moment as FHIR dateTime, its time padded to the second; "" if there is none."""
    offset = moment.offset or ("" if zones.feed else zones.message)
    return fhir_datetime_of_dt(moment.date + moment.clock, offset=offset, zone=zones.feed)


def instant_of(moment: Moment, zones: Zones) -> str:
    """A moment as FHIR instant; "" if its time of day or its zone is not known."""
    text = datetime_of(moment, zones)
    return text if "T" in text else ""


def period_of(start: Moment, end: Moment, zones: Zones) -> dict[str, str]:
    """Two moments as FHIR Period, empty without any; an end before the start is no end (per-1)."""
    told = {"start": datetime_of(start, zones), "end": datetime_of(end, zones)}
    period = {key: text for key, text in told.items() if text}
    return {"start": period["start"]} if broken("per-1", period) else period


def place_in_time(moment: Moment, zones: Zones) -> int | None:
    """Microseconds since 1970 in UTC at which a moment begins, to tell older from newer."""
    text = instant_of(moment, zones)
    return search_range(text)[0] if text else None


def zone_disagrees(sent: Moment, zone: str) -> bool:
    """Whether the offset of MSH-7 is not the one that the feed's zone has at that time."""
    if not (zone and sent.clock and sent.offset):
        return False
    own = fhir_datetime(sent.date, sent.clock, offset=sent.offset)
    return own != fhir_datetime(sent.date, sent.clock, zone=zone)
