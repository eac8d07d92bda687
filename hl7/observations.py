"""Discrete results: OBX to facts, by the value type of OBX-2 (HL7 2.5.1 ch. 7.4.2)."""

import re
from collections.abc import Iterable

from hl7.facts import Note, Numeric, ObservationFacts
from hl7.faults import Fault, at, warning
from hl7.message import Segment, Value
from hl7.moments import Moment
from hl7.patient import every
from hl7.types import Concept, OrderNumber, Organisation, Person, text_of

TEXT = frozenset({"", "TX", "ST", "FT"})
NUMERIC = frozenset({"NM", "SN"})
CODED = frozenset({"CE", "CWE", "CNE", "CF", "IS", "ID"})
TIMES = frozenset({"DT", "TS", "DTM"})

ObservationValue = Numeric | Concept | Moment | str

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_COMPARED = re.compile(r"(<=|>=|<>|<|>|=)?\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))", re.ASCII)
_SEPARATORS = frozenset({"-", ":", "/"})


def value_type(obx: Segment) -> str:
    """OBX-2 in capitals."""
    return obx.text(2).strip().upper()


def read_values(obx: Segment) -> tuple[tuple[ObservationValue, ...], tuple[Fault, ...]]:
    """Read OBX-5 by its type; a number that is none becomes text, with a warning."""
    kind = value_type(obx)
    if kind in TEXT or kind == "TM":
        text = "\n".join(obx.lines(5)).strip()
        return ((text,) if text else ()), ()
    if kind in CODED:
        return every(obx, 5, Concept.read), ()
    if kind in TIMES:
        moments = every(obx, 5, Moment.read)
        flaw = () if len(moments) == len(obx.repetitions(5)) else ("this is no date or time",)
        return moments, tuple(warning(at(obx, 5), text) for text in flaw)
    if kind in NUMERIC:
        values = tuple(_numeric(value, kind) for value in obx.repetitions(5))
        flawed = any(isinstance(value, str) for value in values)
        faults = (warning(at(obx, 5), "this is no number: it was read as text"),) if flawed else ()
        return values, faults
    return (), (warning(at(obx, 2), "values of this type are kept with the message only"),)


def _numeric(value: Value, kind: str) -> Numeric | str:
    if kind == "NM":
        number = text_of(value, 1)
        return Numeric(number) if _NUMBER.fullmatch(number) else value.whole().strip()
    comparator, first, separator, second = (text_of(value, number) for number in range(1, 5))
    if not first and (compared := _COMPARED.fullmatch(comparator)):  # all in the first component
        return Numeric(compared[2], compared[1] or "")
    if not _NUMBER.fullmatch(first) or (separator and separator not in _SEPARATORS):
        return _spelled(value)
    if separator and not _NUMBER.fullmatch(second):
        return _spelled(value)
    return Numeric(first, comparator, separator, second if separator else "")


def _spelled(value: Value) -> str:
    return "".join(text_of(value, number) for number in range(1, 5))


def read_observation(
    obx: Segment, values: tuple[ObservationValue, ...], notes: Iterable[Note] = ()
) -> ObservationFacts:
    """Read what OBX says about its value."""
    field = obx.field
    return ObservationFacts(
        code=Concept.read(field(3)),
        kind=value_type(obx),
        values=values,
        sub_id=obx.text(4).strip(),
        units=Concept.read(field(6)),
        reference_range=obx.text(7).strip(),
        flags=every(obx, 8, Concept.read),
        status=obx.text(11).strip().upper(),
        access=obx.text(13).strip(),
        release=obx.text(26).strip(),
        observed=Moment.read(field(14)),
        analysed=Moment.read(field(19)),
        performers=every(obx, 16, Person.read),
        methods=every(obx, 17, Concept.read),
        devices=every(obx, 18, OrderNumber.read),
        body_sites=every(obx, 20, Concept.read),
        number=OrderNumber.read(field(21)),
        organisation=Organisation.read(field(23)),
        notes=tuple(notes),
    )


def value_text(value: ObservationValue, units: Concept) -> str:
    """A value as a person writes it: < 0.8 mm, 1-5, Lung-RADS 2."""
    if isinstance(value, Concept):
        return value.text or value.code
    if isinstance(value, Moment):
        return value.raw
    if isinstance(value, str):
        return value
    number = f"{value.comparator} {value.number}".strip()
    unit = units.code or units.text
    return f"{number}{value.separator}{value.second} {unit}".strip()


def read_note(nte: Segment) -> Note:
    """Read NTE (ch. 2.15.10): each repetition of the comment is a line."""
    return Note(
        text="\n".join(line.rstrip() for line in nte.lines(3)).strip("\n"),
        source=nte.text(2).strip(),
        kind=Concept.read(nte.field(4)),
        author=Person.read(nte.field(5)) or None,
        entered=Moment.read(nte.field(6)),
    )
