"""Everything that one HL7 v2 message becomes in FHIR on an empty server, by plain ids."""

from collections.abc import Iterator
from typing import Any

from fhir import (
    binary,
    diagnostic_report,
    encounter,
    observation,
    order_status,
    organization,
    practitioner,
    provenance,
    report_status,
    service_request,
    v2_patient,
)
from fhir.diagnostic_report import ReportView
from fhir.encounter import EncounterView
from fhir.hl7_context import Context, context_of
from fhir.hl7_people import named_in
from fhir.observation import ObservationView
from fhir.provenance import ProvenanceView
from fhir.service_request import OrderView
from fhir.v2_patient import PatientView
from hl7.events import read
from hl7.facts import AdtFacts, OrderFacts, OrderMessage, PatientFacts, VisitFacts
from hl7.message import Message
from hl7.report_facts import PatientReports, ReportFacts, ReportMessage
from hl7.types import NO_NUMBER, NO_PERSON, Organisation, Person
from tests.support.hl7_fhir import SITE

Json = dict[str, Any]
RECORDED = "2026-09-05T10:00:00Z"
HOSTS = frozenset({"viewer.example"})


def graph(message: Message) -> list[Json]:
    """The resources of a message of a mapped event."""
    facts = read(message)
    assert facts is not None
    around = context_of(facts.header, SITE)
    parts = {AdtFacts: _adt, OrderMessage: _orders, ReportMessage: _reports}
    made = list(parts[type(facts)](facts, around))  # type: ignore[operator]
    made += _people(facts, around)
    return [one for one in made if one]


def _adt(facts: AdtFacts, around: Context) -> Iterator[Json | None]:
    yield from _who(facts.patient, facts.visit, facts.header.event, around)
    author = next(iter(facts.operators), NO_PERSON)
    view = ProvenanceView("v1", ("Patient/p1",), RECORDED, author, facts.occurred)
    yield provenance.build(facts.header, view, around)


def _orders(facts: OrderMessage, around: Context) -> Iterator[Json | None]:
    yield from _who(facts.patient, facts.visit, facts.header.event, around)
    for number, order in enumerate(facts.orders, 1):
        status = order_status.next_status("", order.control, order.status).status
        view = OrderView(f"s{number}", status, "Patient/p1")
        yield service_request.merge(None, order, view, around)
        for told in order.observations:
            yield observation.build(told, ObservationView("o1", "Patient/p1"), around)
    yield provenance.build(facts.header, ProvenanceView("v1", ("Patient/p1",), RECORDED), around)


def _reports(facts: ReportMessage, around: Context) -> Iterator[Json | None]:
    for patient in facts.patients:
        yield from _who(patient.patient, patient.visit, facts.header.event, around)
        yield from _results(patient, around)
    yield provenance.build(facts.header, ProvenanceView("v1", ("Patient/p1",), RECORDED), around)


def _results(patient: PatientReports, around: Context) -> Iterator[Json | None]:
    for number, report in enumerate(patient.reports, 1):
        decision = report_status.next_status(report_status.NOTHING_HELD, report)
        documents = tuple(f"Binary/b{each}" for each, _ in enumerate(report.attachments, 1))
        view = ReportView(
            f"r{number}",
            decision.status,
            "Patient/p1",
            documents=documents,
            hosts=HOSTS,
            alone=decision.alone,
        )
        yield diagnostic_report.merge(None, report, view, around)
        for order in report.orders:
            yield _answered(order, decision.status, around)
        yield from _parts(report, decision.status, around)


def _answered(order: OrderFacts, report_status_: str, around: Context) -> Json:
    status = order_status.after_report("", report_status_).status
    view = OrderView("s1", status, "Patient/p1", reported=True)
    return service_request.merge(None, order, view, around)


def _parts(report: ReportFacts, status: str, around: Context) -> Iterator[Json | None]:
    view = ObservationView(
        "o1", "Patient/p1", report_status=status, started=report.started, issued=report.issued
    )
    for told in report.observations:
        yield observation.build(told, view, around)
    for one in report.attachments:
        yield binary.build(id="b1", content_type=one.content_type, about="DiagnosticReport/r1")


def _who(
    patient: PatientFacts | None, visit: VisitFacts | None, event: str, around: Context
) -> Iterator[Json | None]:
    if patient:
        main = v2_patient.main_number(patient, (), around)
        yield v2_patient.merge(None, patient, PatientView("p1", main), around)
    if visit and event not in ("A28", "A31"):
        status = encounter.next_status("", event, visit)
        account = patient.account if patient else NO_NUMBER
        view = EncounterView("e1", status, "Patient/p1", event, account)
        yield encounter.merge(None, visit, view, around)


def _people(facts: object, around: Context) -> Iterator[Json | None]:
    for person in dict.fromkeys(named_in(facts, Person)):
        yield practitioner.build(person, around, id="x1")
    for place in dict.fromkeys(named_in(facts, Organisation)):
        yield organization.build(place, around, id="y1")
