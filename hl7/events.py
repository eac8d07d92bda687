"""The messages that are mapped, what each is about, and the one door to their facts.

Whatever is not in the table is kept and acknowledged, and listed as unmapped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from hl7.adt import read_adt
from hl7.facts import AdtFacts, OrderMessage
from hl7.header import read_header
from hl7.message import Message
from hl7.orders import read_orders
from hl7.oru import ATTACHMENT_LIMIT, read_reports
from hl7.report_facts import ReportMessage

Family = Literal["person", "visit", "deletion", "merge", "link", "order", "report"]
Facts = AdtFacts | OrderMessage | ReportMessage


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of message. `needs` are the segments without which it says nothing."""

    kind: str
    meaning: str
    family: Family
    needs: tuple[str, ...]


_PATIENT = ("PID",)
_PAIR = ("PID", "MRG")
_TABLE = (
    Event("ADT^A01", "admit", "visit", _PATIENT),
    Event("ADT^A02", "transfer", "visit", _PATIENT),
    Event("ADT^A03", "discharge", "visit", _PATIENT),
    Event("ADT^A04", "register", "visit", _PATIENT),
    Event("ADT^A05", "pre-admit", "visit", _PATIENT),
    Event("ADT^A06", "outpatient becomes inpatient", "visit", _PATIENT),
    Event("ADT^A07", "inpatient becomes outpatient", "visit", _PATIENT),
    Event("ADT^A08", "update patient", "visit", _PATIENT),
    Event("ADT^A11", "cancel admit", "visit", _PATIENT),
    Event("ADT^A12", "cancel transfer", "visit", _PATIENT),
    Event("ADT^A13", "cancel discharge", "visit", _PATIENT),
    Event("ADT^A18", "merge patient information", "merge", _PAIR),
    Event("ADT^A23", "delete visit", "deletion", _PATIENT),
    Event("ADT^A24", "link patients", "link", _PATIENT),
    Event("ADT^A28", "add person", "person", _PATIENT),
    Event("ADT^A29", "delete person", "deletion", _PATIENT),
    Event("ADT^A31", "update person", "person", _PATIENT),
    Event("ADT^A34", "merge patients by their numbers", "merge", _PAIR),
    Event("ADT^A37", "unlink patients", "link", _PATIENT),
    Event("ADT^A38", "cancel pre-admit", "visit", _PATIENT),
    Event("ADT^A39", "merge persons", "merge", _PAIR),
    Event("ADT^A40", "merge patients", "merge", _PAIR),
    Event("ADT^A47", "change patient identifier", "merge", _PAIR),
    Event("ORM^O01", "order", "order", ("ORC",)),
    Event("OMI^O23", "imaging order", "order", ("ORC", "OBR")),
    Event("OMG^O19", "general clinical order", "order", ("ORC", "OBR")),
    Event("ORU^R01", "report", "report", ("PID", "OBR")),
)
EVENTS: Mapping[str, Event] = MappingProxyType({event.kind: event for event in _TABLE})


def event_of(message: Message) -> Event | None:
    """The row of the table for this message, None if it is not mapped."""
    return EVENTS.get(read_header(message).kind)


def read(message: Message, limit: int = ATTACHMENT_LIMIT) -> Facts | None:
    """Read the facts of a message, None if its event is not mapped."""
    event = event_of(message)
    if event is None:
        return None
    if event.family == "order":
        return read_orders(message)
    if event.family == "report":
        return read_reports(message, limit)
    return read_adt(message)
