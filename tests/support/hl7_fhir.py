"""Messages of HL7 v2 read into facts, with a context, for tests of what they become in FHIR."""

from typing import Any

from fhir import diagnostic_report, order_status, report_status, service_request, v2_patient
from fhir.diagnostic_report import ReportView
from fhir.hl7_context import Context, context_of
from fhir.hl7_times import place_in_time
from fhir.identifiers import Site
from fhir.service_request import OrderView
from fhir.v2_patient import PatientView
from hl7.adt import read_adt
from hl7.facts import AdtFacts, OrderMessage, PatientFacts
from hl7.orders import read_orders
from hl7.oru import read_reports
from hl7.report_facts import ReportMessage
from tests.support.hl7_builder import built

SITE = Site(base="https://h.example/ids", zone="Europe/Paris", default="https://h.example/mrn")

Json = dict[str, Any]


def adt(*segments: str, event: str = "A08", **msh: str) -> AdtFacts:
    """An ADT message of these segments."""
    return read_adt(built(f"ADT^{event}", *segments, **msh))


def orders(*segments: str, kind: str = "ORM^O01", **msh: str) -> OrderMessage:
    """An order message of these segments."""
    return read_orders(built(kind, *segments, **msh))


def reports(*segments: str, **msh: str) -> ReportMessage:
    """A report message of these segments."""
    return read_reports(built("ORU^R01", *segments, **msh))


def context(message: AdtFacts | OrderMessage | ReportMessage, site: Site = SITE) -> Context:
    """The context of a message from a feed that stands in the site's zone."""
    return context_of(message.header, site)


def patient_of(message: AdtFacts, current: Json | None = None, **options: Any) -> Json:
    """The Patient after a message."""
    assert message.patient
    around = context(message, options.pop("site", SITE))
    main = v2_patient.main_number(message.patient, (), around)
    view = PatientView("p1", main, **options)
    return v2_patient.merge(current, message.patient, view, around)


def facts_of(message: AdtFacts) -> PatientFacts:
    """Who an ADT message is about."""
    assert message.patient
    return message.patient


def order_of(
    message: OrderMessage, current: Json | None = None, *, site: Site = SITE, **options: Any
) -> Json:
    """The ServiceRequest after an order message, its status by the table."""
    order = message.orders[0]
    old = (current or {}).get("status", "")
    status = order_status.next_status(old, order.control, order.status).status
    view = OrderView("s1", status, "Patient/p1", **options)
    return service_request.merge(current, order, view, context(message, site))


def report_of(
    message: ReportMessage, current: Json | None = None, *, sent: int | None = None, **options: Any
) -> Json:
    """The DiagnosticReport after a report message, as the server would decide."""
    (report,) = message.patients[0].reports
    around = context(message)
    decision = report_status.next_status(
        diagnostic_report.held(current, sent=sent),
        report,
        issued=place_in_time(report.issued, around.zones),
        sent=place_in_time(message.header.sent, around.zones),
    )
    if not decision.applies and current is not None:
        return diagnostic_report.restated(current, decision.status)
    documents = tuple(f"Binary/b{number}" for number, _ in enumerate(report.attachments, 1))
    view = ReportView(
        "r1",
        decision.status,
        "Patient/p1",
        documents=documents,
        alone=decision.alone,
        **options,
    )
    return diagnostic_report.merge(current, report, view, around)
