"""Patient administration: ADT of any event to facts (HL7 2.5.1 ch. 3.3)."""

from collections.abc import Iterator

from hl7.facts import AdtFacts, Merge, PatientFacts, PriorFacts
from hl7.header import read_header
from hl7.message import Message, Segment
from hl7.moments import Moment
from hl7.patient import every, read_patient, read_prior, read_visit
from hl7.types import Person


def read_adt(message: Message) -> AdtFacts:
    """Read who it is about, the visit, and for merges each pair of PID and MRG."""
    evn, pid, pv1 = (message.first(name) for name in ("EVN", "PID", "PV1"))
    absent = message.absent()
    # PD1 and NK1 stand behind their PID; where there are several, they belong to none of them.
    alone = sum(1 for _ in message.all("PID")) == 1
    pd1 = message.first("PD1") if alone else absent
    patient = read_patient(pid, pd1, message.all("NK1") if alone else ())
    return AdtFacts(
        header=read_header(message),
        recorded=Moment.read(evn.field(2)),
        planned=Moment.read(evn.field(3)),
        occurred=Moment.read(evn.field(6)),
        reason=evn.text(4).strip(),
        operators=every(evn, 5, Person.read),
        patient=patient if pid else None,
        visit=read_visit(pv1, message.first("PV2")),
        merges=tuple(
            Merge(
                patient if survivor is pid else read_patient(survivor, absent, ()),
                read_prior(mrg),
                read_visit(visit, absent),
            )
            for survivor, mrg, visit in pairs(message)
        )
        or _linked(message, patient),
    )


def _linked(message: Message, patient: PatientFacts) -> tuple[Merge, ...]:
    """Of an event about two patients without MRG (A37): the second PID names the other one."""
    others = list(message.all("PID"))[1:]
    return tuple(
        Merge(patient, PriorFacts(other.identifiers, other.alternates, external=other.external))
        for other in (read_patient(pid, message.absent(), ()) for pid in others)
    )


def pairs(message: Message) -> Iterator[tuple[Segment, Segment, Segment]]:
    """Each MRG with the PID before it and the PV1 after it, up to the next pair."""
    absent = message.absent()
    pid, waiting, visit = absent, absent, absent
    for segment in message.segments:
        if segment.name in {"PID", "MRG"}:
            if waiting:
                yield pid, waiting, visit
            waiting, visit = absent, absent
        if segment.name == "PID":
            pid = segment
        elif segment.name == "MRG":
            waiting = segment
        elif segment.name == "PV1" and waiting:
            visit = segment
    if waiting:
        yield pid, waiting, visit
