"""What is wrong with a message, where, and how bad it is: the rows of ERR (HL7 2.5.1 ch. 2.15.5).

Codes are of table 0357. A fault is an error (AE, CE) or a reject (AR, CR) only where sending a
corrected message is the cure; all else is a warning, and never says no.
"""

from dataclasses import dataclass
from typing import Literal

from hl7.message import Segment

Severity = Literal["reject", "error", "warning"]

SEQUENCE = 100
REQUIRED = 101
DATA_TYPE = 102
TABLE_VALUE = 103
MESSAGE_TYPE = 200
EVENT = 201
PROCESSING_ID = 202
VERSION = 203
DUPLICATE_KEY = 205
INTERNAL = 207

MEANINGS = {
    SEQUENCE: "Segment sequence error",
    REQUIRED: "Required field missing",
    DATA_TYPE: "Data type error",
    TABLE_VALUE: "Table value not found",
    MESSAGE_TYPE: "Unsupported message type",
    EVENT: "Unsupported event code",
    PROCESSING_ID: "Unsupported processing id",
    VERSION: "Unsupported version id",
    DUPLICATE_KEY: "Duplicate key identifier",
    INTERNAL: "Application internal error",
}


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a message: ERL. `position` counts the segments of that name, 0 is not said."""

    segment: str
    position: int = 1
    field: int = 0
    repetition: int = 0
    component: int = 0

    def parts(self) -> tuple[str, ...]:
        """The components of ERL, the last ones left out if they say nothing."""
        numbers = [self.position, self.field, self.repetition, self.component]
        while len(numbers) > 1 and not numbers[-1]:
            numbers.pop()
        return (self.segment, *(str(number) if number else "" for number in numbers))

    def __str__(self) -> str:
        """Write it for people: OBX[2]-5."""
        place = f"{self.segment}[{self.position}]" if self.position > 1 else self.segment
        return f"{place}-{self.field}" if self.field else place


MESSAGE = Where("MSH")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `text` says what, without any value of the message."""

    code: int
    where: Where
    text: str
    severity: Severity = "error"


def at(segment: Segment, field: int = 0, component: int = 0) -> Where:
    """Where a field of this segment is."""
    repetition = 1 if component else 0
    return Where(segment.name, segment.position, field, repetition, component)


def warning(where: Where, text: str, code: int = DATA_TYPE) -> Fault:
    """Something odd that the message is accepted with."""
    return Fault(code, where, text, "warning")
