"""Segments to groups: each patient with his orders, each order with what follows it.

A segment that no group knows stays in the group it stands in, so a Z segment ends nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hl7.message import Message, Segment, Value


@dataclass(slots=True)
class OrderGroup:
    """ORC and OBR and the segments up to the next order.

    `shared` is true where several OBR stand under one ORC, and this is not the first of them.
    """

    orc: Segment
    obr: Segment
    shared: bool = False
    segments: list[Segment] = field(default_factory=list)

    def all(self, *names: str) -> Iterator[Segment]:
        """The segments with one of these names."""
        return (segment for segment in self.segments if segment.name in names)

    def number(self, field: int) -> Value:
        """The placer (field 2) or filler number (field 3): ORC wins over OBR.

        Where several OBR share an ORC, their own numbers count.
        """
        fields = [self.orc.field(field), self.obr.field(field)]
        if self.shared:
            fields.reverse()
        return fields[0] or fields[1]

    @property
    def accession(self) -> Value:
        """IPC-1, else OBR-18."""
        return next((ipc.field(1) for ipc in self.all("IPC")), None) or self.obr.field(18)


@dataclass(slots=True)
class PatientGroup:
    """PID and what belongs to the patient and the visit, then the orders."""

    segments: list[Segment] = field(default_factory=list)
    orders: list[OrderGroup] = field(default_factory=list)

    def all(self, *names: str) -> Iterator[Segment]:
        """The segments about patient and visit with one of these names."""
        return (segment for segment in self.segments if segment.name in names)

    def first(self, name: str, absent: Segment) -> Segment:
        """The first segment with this name, or the absent one."""
        return next(self.all(name), absent)


def group(message: Message) -> list[PatientGroup]:
    """Put the segments after MSH into groups; every one of them is in exactly one."""
    absent = message.absent()
    patients = [PatientGroup()]
    for segment in message.segments[1:]:
        patient = patients[-1]
        if segment.name == "PID":
            if any(patient.all("PID")) or patient.orders:
                patients.append(PatientGroup())
            patients[-1].segments.append(segment)
        elif segment.name == "ORC":
            patient.orders.append(OrderGroup(segment, absent))
        elif segment.name == "OBR":
            _place_obr(patient, segment, absent)
        else:
            (patient.orders[-1] if patient.orders else patient).segments.append(segment)
    for patient in patients:
        _place_zds(patient)
    return patients


def _place_zds(patient: PatientGroup) -> None:
    """A ZDS before the first order is about that order."""
    if patient.orders:
        patient.orders[0].segments[:0] = patient.all("ZDS")
        patient.segments = [one for one in patient.segments if one.name != "ZDS"]


def _place_obr(patient: PatientGroup, obr: Segment, absent: Segment) -> None:
    last = patient.orders[-1] if patient.orders else None
    if last is not None and not last.obr:
        last.obr = obr
        return
    orc = last.orc if last is not None else absent
    patient.orders.append(OrderGroup(orc, obr, shared=bool(orc)))
