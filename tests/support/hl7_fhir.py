"""Messages of HL7 v2 read into facts, with a context, for tests of what they become in FHIR."""

from typing import Any

from fhir import v2_patient
from fhir.hl7_context import Context, context_of
from fhir.identifiers import Site
from hl7.adt import read_adt
from hl7.facts import AdtFacts, OrderMessage, PatientFacts
from hl7.message import Message, parse
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
    return v2_patient.merge(current, message.patient, around, id="p1", main=main, **options)


def facts_of(message: AdtFacts) -> PatientFacts:
    """Who an ADT message is about."""
    assert message.patient
    return message.patient


def opened(raw: bytes) -> Message:
    """A sample message."""
    return parse(raw)
