"""Reports: ORU^R01 to facts, one report for each filler number (HL7 2.5.1 ch. 7.3)."""

from collections.abc import Iterator

from hl7.carriers import read_uids
from hl7.facts import OrderFacts
from hl7.faults import Fault
from hl7.groups import OrderGroup, PatientGroup, group
from hl7.header import read_header
from hl7.message import Message
from hl7.moments import Moment
from hl7.orders import notes_of_order, read_order, with_notes
from hl7.patient import every, read_patient, read_visit
from hl7.report_content import Content
from hl7.report_facts import PatientReports, ReportFacts, ReportMessage
from hl7.report_groups import ReportGroup, report_groups
from hl7.report_text import in_order
from hl7.types import Concept, OrderNumber, Person

ATTACHMENT_LIMIT = 30_000_000


def read_reports(message: Message, limit: int = ATTACHMENT_LIMIT) -> ReportMessage:
    """Read the reports of a message; `limit` is the size in bytes of the largest attachment."""
    warnings: list[Fault] = []
    patients = [
        _read_patient(message, patient_group, limit, warnings)
        for patient_group in group(message)
        if patient_group.segments or patient_group.orders
    ]
    return ReportMessage(read_header(message), tuple(patients), tuple(dict.fromkeys(warnings)))


def _read_patient(
    message: Message, patient: PatientGroup, limit: int, warnings: list[Fault]
) -> PatientReports:
    absent = message.absent()
    pid, pv1 = patient.first("PID", absent), patient.first("PV1", absent)
    reports, responses = report_groups(patient)
    return PatientReports(
        patient=read_patient(pid, patient.first("PD1", absent), patient.all("NK1"))
        if pid
        else None,
        visit=read_visit(pv1, patient.first("PV2", absent)),
        reports=tuple(_read_report(report, limit, warnings) for report in reports),
        responses=tuple(_read_orders(responses, warnings)),
    )


def _read_orders(orders: list[OrderGroup], warnings: list[Fault]) -> Iterator[OrderFacts]:
    for order_group in orders:
        order, found = read_order(order_group, observed=False)
        warnings += found
        yield order


def _read_report(report: ReportGroup, limit: int, warnings: list[Fault]) -> ReportFacts:
    segments, obr = report.segments, report.obr
    uids, no_uids = read_uids(segments)
    notes_of = {id(obx): notes for obx, notes in with_notes(segments)}
    content = Content(limit)
    for obx in in_order(report.results):
        content.take(obx, notes_of[id(obx)])
    warnings += (*no_uids, *content.warnings)
    return ReportFacts(
        orders=tuple(_read_orders(report.orders, warnings)),
        status=report.status or report.implied_status,
        status_implied=not report.status,
        number=OrderNumber.read(obr.field(51)),
        code=Concept.read(obr.field(4)),
        started=Moment.read(obr.field(7)),
        ended=Moment.read(obr.field(8)),
        issued=Moment.read(obr.field(22)),
        interpreters=every(obr, 32, Person.read_interpreter),
        assistants=every(obr, 33, Person.read_interpreter),
        technicians=every(obr, 34, Person.read_interpreter),
        transcriptionists=every(obr, 35, Person.read_interpreter),
        lines=tuple(content.lines),
        conclusion_codes=tuple(content.conclusion_codes),
        observations=tuple(content.observations),
        attachments=tuple(content.attachments),
        pointers=tuple(content.pointers),
        uids=uids,
        restrictions=_said(content.restrictions),
        access=_said(content.access),
        releases=_said(content.releases),
        marks=tuple(content.marks),
        notes=tuple(note for order in report.orders for note in notes_of_order(order)),
    )


def _said(values: list[str]) -> tuple[str, ...]:
    """Each value once."""
    return tuple(dict.fromkeys(filter(None, values)))
