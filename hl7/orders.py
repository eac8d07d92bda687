"""Orders: ORM^O01, OMI^O23 and OMG^O19 to facts (HL7 2.5.1 ch. 4.4, 4.5)."""

from collections.abc import Iterable, Iterator

from hl7.carriers import level_of, read_uids
from hl7.facts import Note, ObservationFacts, OrderFacts, OrderMessage, ProcedureStep
from hl7.faults import SEQUENCE, Fault, at, warning
from hl7.groups import OrderGroup, group
from hl7.header import read_header
from hl7.message import Message, Segment
from hl7.moments import NEVER, Moment
from hl7.observations import read_note, read_observation, read_values
from hl7.patient import every, read_patient, read_visit
from hl7.types import Concept, Identifier, OrderNumber, Organisation, Person, text_of


def read_orders(message: Message) -> OrderMessage:
    """Read the orders of a message; those after a second PID are earlier results (OMG, OMI)."""
    patients = group(message)
    first, absent = patients[0], message.absent()
    pid, pv1 = first.first("PID", absent), first.first("PV1", absent)
    warnings: list[Fault] = []
    orders = []
    for order_group in first.orders:
        order, found = read_order(order_group)
        orders.append(order)
        warnings += found
    warnings += (
        warning(at(next(other.all("PID"))), "what follows a second PID is not read", SEQUENCE)
        for other in patients[1:]
    )
    return OrderMessage(
        header=read_header(message),
        patient=read_patient(pid, first.first("PD1", absent), first.all("NK1")) if pid else None,
        visit=read_visit(pv1, first.first("PV2", absent)),
        orders=tuple(orders),
        warnings=tuple(warnings),
    )


def read_order(order: OrderGroup, *, observed: bool = True) -> tuple[OrderFacts, list[Fault]]:
    """Read one order; where it is the order that a report answers, OBX are not `observed` here."""
    orc, obr, absent = order.orc, order.obr, Segment(b"", 0, order.orc.grammar)
    tq1, ipc = next(order.all("TQ1"), absent), next(order.all("IPC"), absent)
    uids, no_uids = read_uids(order.segments)
    observations, odd = _observations(order) if observed else ((), [])
    facts = OrderFacts(
        control=orc.text(1).strip().upper(),
        status=orc.text(5).strip().upper(),
        placer=OrderNumber.read(order.number(2)),
        filler=OrderNumber.read(order.number(3)),
        group=OrderNumber.read(orc.field(4)),
        more_placers=(*every(orc, 33, Identifier.read), *every(obr, 53, Identifier.read)),
        accession=OrderNumber.read(order.accession),
        procedure_number=OrderNumber.read(ipc.field(2) or obr.field(19)),
        placer_fields=(obr.text(18).strip(), obr.text(19).strip()),
        filler_fields=(obr.text(20).strip(), obr.text(21).strip()),
        priority=_priority(orc, obr, tq1),
        scheduled=_scheduled(orc, obr, tq1),
        entered=Moment.read(orc.field(9)),
        requesters=every(orc, 12, Person.read) or every(obr, 16, Person.read),
        ordering_organisation=Organisation.read(orc.field(21)),
        entering_organisation=Concept.read(orc.field(17)),
        code=Concept.read(obr.field(4)),
        procedure=Concept.read(obr.field(44)),
        section=obr.text(24).strip().upper(),
        steps=tuple(_step(segment) for segment in order.all("IPC")),
        reasons=_reasons(order),
        clinical_information=obr.field(13).whole().strip(),
        danger=Concept.read(obr.field(12)),
        transport=obr.text(30).strip(),
        supplements=(*every(obr, 46, Concept.read), *every(obr, 47, Concept.read)),
        control_reason=Concept.read(orc.field(16)),
        confidentiality=Concept.read(orc.field(28)),
        uids=uids,
        notes=tuple(notes_of_order(order)),
        observations=observations,
    )
    return facts, [*no_uids, *odd]


def _priority(orc: Segment, obr: Segment, tq1: Segment) -> str:
    told = (orc.text(7, 6), obr.text(27, 6), tq1.text(9), obr.text(5))
    return next((code.strip().upper() for code in told if code.strip()), "")


def _scheduled(orc: Segment, obr: Segment, tq1: Segment) -> Moment:
    told = (tq1.text(7), orc.text(7, 4), obr.text(27, 4), obr.text(36), obr.text(6))
    moments = (Moment.of(text.strip()) for text in told)
    return next((moment for moment in moments if moment), NEVER)


def _step(ipc: Segment) -> ProcedureStep:
    return ProcedureStep(
        number=OrderNumber.read(ipc.field(4)),
        modality=Concept.read(ipc.field(5)),
        protocols=every(ipc, 6, Concept.read),
        station=OrderNumber.read(ipc.field(7)),
        location=Concept.read(ipc.field(8)),
        ae_titles=every(ipc, 9, text_of),
    )


def _reasons(order: OrderGroup) -> tuple[Concept, ...]:
    """OBR-31, and the diagnoses of DG1 that it does not name."""
    diagnoses = (Concept.read(dg1.field(3)) for dg1 in order.all("DG1"))
    return tuple(dict.fromkeys((*every(order.obr, 31, Concept.read), *filter(None, diagnoses))))


def notes_of_order(order: OrderGroup) -> Iterator[Note]:
    """The notes of the order: those before its first observation."""
    for segment in order.segments:
        if segment.name == "OBX":
            return
        if segment.name == "NTE":
            yield read_note(segment)


def _observations(order: OrderGroup) -> tuple[tuple[ObservationFacts, ...], list[Fault]]:
    """What the order tells about the patient; UIDs are no observation."""
    observations: list[ObservationFacts] = []
    warnings: list[Fault] = []
    for obx, notes in with_notes(order.segments):
        if level_of(obx):
            continue
        values, found = read_values(obx)
        warnings += found
        if values:
            observations.append(read_observation(obx, values, notes))
    return tuple(observations), warnings


def with_notes(segments: Iterable[Segment]) -> Iterator[tuple[Segment, list[Note]]]:
    """Each OBX with the notes that follow it."""
    obx: Segment | None = None
    notes: list[Note] = []
    for segment in segments:
        if segment.name == "OBX":
            if obx is not None:
                yield obx, notes
            obx, notes = segment, []
        elif segment.name == "NTE" and obx is not None:
            notes.append(read_note(segment))
    if obx is not None:
        yield obx, notes
