"""What is agreed with a sender about its messages, put into the facts that were read from them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hl7.facts import AdtFacts, OrderFacts, OrderMessage
from hl7.message import Message, Segment
from hl7.report_facts import PatientReports, ReportFacts, ReportMessage
from hl7.types import OrderNumber

Facts = AdtFacts | OrderMessage | ReportMessage
_UPDATES = frozenset({"A08", "A31"})
_LONGEST = 60  # fields of a segment that are looked at


@dataclass(frozen=True, slots=True)
class Habits:
    """Where a sender keeps the accession, and whether what an update leaves empty is gone."""

    accession: str = "OBR-18"
    snapshot: bool = False


def adapted(facts: Facts, message: Message, habits: Habits) -> Facts:
    """The facts of a message as its sender means them."""
    if isinstance(facts, AdtFacts):
        return _whole(facts, message) if habits.snapshot else facts
    if habits.accession == "OBR-18":
        return facts
    if isinstance(facts, OrderMessage):
        return replace(facts, orders=_numbered(facts.orders, habits.accession))
    patients = tuple(_patient(one, habits.accession) for one in facts.patients)
    return replace(facts, patients=patients)


def _whole(facts: AdtFacts, message: Message) -> AdtFacts:
    """An update that tells all there is: what is empty counts as sent as null."""
    if facts.header.event not in _UPDATES:
        return facts
    patient, visit = facts.patient, facts.visit
    if patient is not None:
        said = _empty(message.first("PID")) | _empty(message.first("PD1"))
        patient = replace(patient, nulls=patient.nulls | said)
    if visit is not None:
        said = _empty(message.first("PV1")) | _empty(message.first("PV2"))
        visit = replace(visit, nulls=visit.nulls | said)
    return replace(facts, patient=patient, visit=visit)


def _empty(segment: Segment) -> frozenset[str]:
    """The fields that a segment leaves empty; one that is not there says nothing."""
    numbers = range(1, _LONGEST) if segment else ()
    return frozenset(f"{segment.name}-{n}" for n in numbers if not segment.field(n))


def _patient(one: PatientReports, field: str) -> PatientReports:
    reports = tuple(_report(report, field) for report in one.reports)
    return replace(one, reports=reports, responses=_numbered(one.responses, field))


def _report(report: ReportFacts, field: str) -> ReportFacts:
    return replace(report, orders=_numbered(report.orders, field))


def _numbered(orders: Iterable[OrderFacts], field: str) -> tuple[OrderFacts, ...]:
    return tuple(_order(order, field) for order in orders)


def _order(order: OrderFacts, field: str) -> OrderFacts:
    """An order with the accession from another field than OBR-18; IPC-1 wins over both."""
    if order.steps:
        return order
    first, second = order.filler_fields
    told = {"OBR-20": OrderNumber(first), "OBR-21": OrderNumber(second), "OBR-3": order.filler}
    return replace(order, accession=told[field])
