"""The table of fields tells exactly what is read: each field is filled, and the facts compared."""

import pytest

from hl7 import events
from hl7.events import EVENTS
from hl7.fields import FIELDS
from hl7.message import parse
from tests.support.hl7_builder import built, packed

PROBES = (
    "Probe^Two&x^Three^Four^Five^Six^^Eight^Nine",
    "20260101",
    "1.2.3",
    "Y",
    "42",
    "^^^20260202^^Z",
)
PATIENT = ["PID|1||100^^^HOSP", "PD1|", "NK1|", "PV1|", "PV2|"]
ORDERS = ["ORC|XX", "TQ1|", "OBR|1", "NTE|||x", "DG1|", "IPC|", "ZDS|", "OBX|1|NM|C||5"]
MESSAGES = {
    "person": ("ADT^A28", ["EVN|", *PATIENT]),
    "visit": ("ADT^A08", ["EVN|", *PATIENT]),
    "merge": ("ADT^A40", ["EVN|", *PATIENT, "MRG|"]),
    "order": ("OMI^O23", [*PATIENT, *ORDERS]),
    "report": ("ORU^R01", [*PATIENT, *ORDERS]),
}


def facts(kind: str, segments: list[str]) -> str:
    return repr(events.read(built(kind, *segments)))


def filled(segments: list[str], index: int, numbers: list[int], probe: str) -> list[str]:
    """Put a probe into fields of one segment."""
    fields = segments[index].split("|")
    fields += [""] * (max(numbers) + 1 - len(fields))
    for number in numbers:
        fields[number] = probe
    return [*segments[:index], "|".join(fields), *segments[index + 1 :]]


@pytest.mark.parametrize("family", MESSAGES)
def test_every_field_of_the_table_is_read(family: str) -> None:
    kind, segments = MESSAGES[family]
    plain = facts(kind, segments)
    for index, segment in enumerate(segments):
        for number in numbers(family, segment[:3]):
            changed = (facts(kind, filled(segments, index, [number], probe)) for probe in PROBES)
            assert any(one != plain for one in changed), f"{segment[:3]}-{number}"


@pytest.mark.parametrize("family", MESSAGES)
def test_no_other_field_is_read(family: str) -> None:
    kind, segments = MESSAGES[family]
    plain = facts(kind, segments)
    for index, segment in enumerate(segments):
        read = numbers(family, segment[:3])
        others = [number for number in range(1, 60) if number not in read]
        for probe in PROBES:
            assert facts(kind, filled(segments, index, others, probe)) == plain, segment


def numbers(family: str, segment: str) -> list[int]:
    """The fields of a segment that the table names."""
    named = (field.partition("-") for field in FIELDS[family])
    return [int(number) for name, _, number in named if name == segment]


def test_the_header_is_read_as_the_table_says() -> None:
    for kind, segments in MESSAGES.values():
        head, _, rest = packed(kind, *segments, charset="").decode().partition("\r")
        fields = [*head.split("|"), *[""] * 10]

        def told(number: int, fields: list[str] = fields, rest: str = rest) -> str:
            changed = [*fields[: number - 1], "42", *fields[number:]]
            return repr(events.read(parse(f"{'|'.join(changed)}\r{rest}".encode())))

        # A message of another kind has no facts, so MSH-9 cannot be tried like this.
        tried = [number for number in range(3, 26) if number != 9]
        read = {number for number in tried if told(number) != told(26)}
        assert read | {9} == set(numbers("visit", "MSH"))


def test_every_family_of_events_has_its_fields() -> None:
    assert {event.family for event in EVENTS.values()} == set(FIELDS)
