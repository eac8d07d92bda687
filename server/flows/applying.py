"""From a kept message to what it says in FHIR: reads it, and hands it to the flow of its family."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from fhir.hl7_context import context_of
from hl7 import events
from hl7.facts import Header
from hl7.habits import adapted
from hl7.message import parse
from hl7.report_facts import ReportMessage
from server.flows import (
    admissions,
    contents,
    deletions,
    feeds,
    lanes,
    mergers,
    orders,
    provenances,
    reports,
    staff,
)
from server.flows.feeds import Feed
from server.flows.lanes import Application, Outcome
from server.flows.patients import Site
from server.flows.sites import House
from server.flows.writing import Work
from server.store import messages
from server.store.jobs import Job

Apply = Callable[[Work, Any], None]
_BY_FAMILY: Mapping[str, Apply] = {
    "person": admissions.apply,
    "visit": admissions.apply,
    "deletion": deletions.apply,
    "merge": mergers.apply,
    "link": mergers.apply,
    "order": orders.apply,
    "report": reports.apply,
}


def apply(house: House, job: Job) -> None:
    """The handler of `message` jobs; the job's key is the lane."""
    lanes.work(house, job, read)


def read(house: House, row: Any) -> Application:
    """Read a kept message; what comes back writes what it says."""
    with house.database.read() as connection:
        feed = feeds.load(connection, row.organisation, row.feed)
    message = parse(bytes(row.raw), feed.charset)
    event = events.event_of(message)
    if event is None or event.family not in _BY_FAMILY:
        return _unmapped
    facts = events.read(message)
    if facts is None:
        return _unmapped
    facts = adapted(facts, message, feeds.habits(feed))
    write = _BY_FAMILY[event.family]
    blobs = _keep_documents(house, row, facts)

    def application(connection: Connection, site: Site, now: int) -> Outcome:
        work = _work(house, connection, site, feed, facts.header, row.id, now)
        work.blobs = blobs
        staff.settle(work, facts)
        write(work, facts)
        provenances.record(work, facts)
        return work.outcome

    return application


def _keep_documents(house: House, row: Any, facts: Any) -> dict[str, str]:
    """Make the documents of a report durable before the transaction that names them."""
    if not isinstance(facts, ReportMessage):
        return {}
    reports = [report for group in facts.patients for report in group.reports]
    documents = [one for report in reports for one in report.attachments]
    return contents.keep(house, row.organisation, row.id, row.received, documents)


def _work(
    house: House,
    connection: Connection,
    site: Site,
    feed: Feed,
    header: Header,
    message: int,
    now: int,
) -> Work:
    mapping = feeds.mapping(site, feed)
    imaging = feeds.NOT_IMAGING not in feed.traits
    context = context_of(header, mapping, zone=feed.zone, imaging=imaging)
    base = house.config.fhir_base
    return Work(connection, site, feed, header, context, message, now, base, house.auditor)


def _unmapped(_connection: Connection, _site: Site, _now: int) -> Outcome:
    """Kept and acknowledged: nothing is made of this kind of message yet."""
    return Outcome(messages.UNMAPPED, notes=["nothing is made of messages of this kind"])
