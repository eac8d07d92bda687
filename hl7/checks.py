"""What a message has to say before it is accepted; each fault is one that the sender can mend.

Only what the message itself shows counts here. What needs the database never refuses a message.
"""

from collections.abc import Iterator

from hl7 import attachments
from hl7.adt import pairs
from hl7.errors import BadText
from hl7.events import Event
from hl7.faults import DATA_TYPE, REQUIRED, SEQUENCE, TABLE_VALUE, Fault, Where, at, warning
from hl7.groups import OrderGroup, PatientGroup, group
from hl7.message import Message, Segment
from hl7.observations import value_type
from hl7.report_content import WITHOUT_CONTENT
from hl7.report_groups import ReportGroup, report_groups
from hl7.types import OrderNumber

# An order that is placed anew has to say for whom; one that is changed is found by its number.
_NEW = frozenset({"NW", "RO", "XO"})
_STATUS = frozenset("OSINARPFCMX")


def check(message: Message, event: Event, limit: int, *, lenient: bool) -> Iterator[Fault]:
    """Find what refuses a message of a mapped event, and what is odd about its numbers.

    `limit` is the size of the largest attachment; a `lenient` feed may leave OBR-25 to OBX-11.
    """
    names = {segment.name for segment in message.segments}
    for name in event.needs:
        if name not in names:
            yield Fault(SEQUENCE, Where(name), f"this message needs {name}")
    for pid in message.all("PID"):
        if not any(pid.repetitions(field) for field in (3, 2, 4)):
            yield Fault(REQUIRED, at(pid, 3), "a patient has a number")
    if event.family == "merge":
        yield from _check_merges(message)
    elif event.family == "link" and sum(1 for _ in message.all("PID")) != 2:
        yield Fault(SEQUENCE, Where("PID", 2), "this event is about two patients")
    elif event.family == "order":
        yield from _check_orders(group(message)[0])
    elif event.family == "report":
        for patient in group(message):
            yield from _check_reports(patient, limit, lenient)


def _check_merges(message: Message) -> Iterator[Fault]:
    found = list(pairs(message))
    paired = {id(pid) for pid, _, _ in found}
    for pid in message.all("PID"):
        if id(pid) not in paired:
            yield Fault(SEQUENCE, at(pid), "this event needs MRG after each PID")
    for pid, mrg, _ in found:
        if not pid:
            yield Fault(SEQUENCE, at(mrg), "this event needs PID before each MRG")
        if not (mrg.repetitions(1) or mrg.repetitions(4)):
            yield Fault(REQUIRED, at(mrg, 1), "MRG names the other record by a number")


def _check_orders(patient: PatientGroup) -> Iterator[Fault]:
    for order in patient.orders:
        if not order.orc.text(1).strip():
            where = at(order.orc, 1) if order.orc else Where("ORC")
            yield Fault(REQUIRED, where, "the order control code says what is asked")
        if not order.number(2) and not order.number(3):
            where = at(order.orc or order.obr, 2)
            yield Fault(REQUIRED, where, "an order has a placer or a filler number")
        yield from _contradictions(order)
    controls = {order.orc.text(1).strip().upper() for order in patient.orders}
    if controls & _NEW and not any(patient.all("PID")):
        yield Fault(SEQUENCE, Where("PID"), "a new order says for whom it is")


def _contradictions(order: OrderGroup) -> Iterator[Fault]:
    """Where ORC and OBR both name the order, they have to name the same one."""
    if order.shared:
        return
    for field in (2, 3):
        one, other = (OrderNumber.read(s.field(field)) for s in (order.orc, order.obr))
        if one and other and not _same(one, other):
            where, text = at(order.obr, field), f"ORC-{field} and OBR-{field} differ"
            yield Fault(DATA_TYPE, where, text) if field == 2 else warning(where, text)


def _same(one: OrderNumber, other: OrderNumber) -> bool:
    known = one.authority and other.authority
    return one.value == other.value and (not known or one.authority == other.authority)


def _check_reports(patient: PatientGroup, limit: int, lenient: bool) -> Iterator[Fault]:
    reports, _ = report_groups(patient)
    for report in reports:
        yield from _check_status(report, lenient)
        for order in report.orders:
            yield from _contradictions(order)
        for obx in report.results:
            yield from _check_attachment(obx, limit)


def _check_status(report: ReportGroup, lenient: bool) -> Iterator[Fault]:
    status = report.status
    where = at(report.obr, 25) if report.obr else Where("OBR", field=25)
    if status and status not in _STATUS:
        yield Fault(TABLE_VALUE, where, "this is no status that a report can have (table 0123)")
    elif not status and not (lenient and report.implied_status):
        yield Fault(REQUIRED, where, "a report has a status")
    elif not status:
        yield warning(where, "the status of the report was taken from OBX-11", REQUIRED)


def _check_attachment(obx: Segment, limit: int) -> Iterator[Fault]:
    if value_type(obx) != "ED" or obx.text(11).strip().upper() in WITHOUT_CONTENT:
        return
    try:
        attachments.decode(obx, limit)
    except BadText as error:
        yield Fault(DATA_TYPE, at(obx, 5), str(error))
