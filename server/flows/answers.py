"""What a sender is told after a message was applied: at once if it waits for that, else later.

A later acknowledgement (enhanced mode, MSH-16; HL7 2.5.1 ch. 2.9.3) is kept in the transaction that
flips the message's state, and goes to where its feed says, in order, until the other side accepts
it. It never goes back on the connection of the message: senders that take one answer for each
message would take it for the answer to their next one.
"""

import secrets
import ssl
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from hl7 import ack, faults
from hl7.ack import Stamp
from hl7.errors import Hl7Error
from hl7.faults import Fault
from hl7.judge import Verdict, glance
from hl7.message import parse
from hl7.sender import Sender
from server import clock, errors
from server.config import Config
from server.flows import feeds
from server.flows.feeds import STRICT_APPLY, Destination, Feed
from server.flows.sites import House
from server.store import answers, jobs, messages
from server.store.jobs import Job

KIND = "answer"
_BATCH = 100
_SECONDS = 10.0  # for the connection, and for each answer
_LOOK = 0.05
_HELD = "kept, and waits for a person"
_FAILED = "kept, and could not be applied"
_LATE = faults.Fault(
    faults.INTERNAL, faults.MESSAGE, "kept, and not applied within the time for it", "warning"
)


def stamp() -> Stamp:
    """The date and control id of an answer."""
    return Stamp(clock.moment(clock.now()), secrets.token_hex(10))


def owe(connection: Connection, row: Any, state: str, notes: Sequence[str], now: int) -> None:
    """Keep the later acknowledgement of a message whose state is set, if its sender wants one."""
    feed = feeds.find(connection, row.organisation, row.feed)
    if feed is None or not feed.answer_to:
        return
    verdict, told = glance(bytes(row.raw), feed.charset), _told(state, notes)
    if not ack.wants_application_answer(verdict.header, applied=not told):
        return
    raw = ack.application_answer(verdict, told, stamp())
    values = {"organisation": row.organisation, "message": row.id, "feed": feed.name}
    code = parse(raw).first("MSA").text(1)
    answers.add(connection, {**values, "code": code, "raw": raw, "created": now})
    jobs.add(connection, row.organisation, KIND, feed.name, now=now, run_at=now)


def _told(state: str, notes: Sequence[str]) -> tuple[Fault, ...]:
    """What keeps a message from being applied; nothing if it was."""
    if state not in (messages.REVIEW, messages.PARKED):
        return ()
    words = _HELD if state == messages.REVIEW else _FAILED
    text = ": ".join((words, "; ".join(dict.fromkeys(notes)))) if notes else words
    return (Fault(faults.INTERNAL, faults.MESSAGE, text),)


def waits(feed: Feed, verdict: Verdict) -> bool:
    """Whether the sender is answered when its message was applied, and not when it is kept."""
    return STRICT_APPLY in feed.traits and ack.immediate_code(verdict).startswith("A")


def when_applied(house: House, organisation: int, id_: int, verdict: Verdict) -> bytes:
    """Wait until a message is applied, or for as long as the settings say; gives its answer."""
    deadline = time.monotonic() + house.config.mllp_apply_seconds
    while (outcome := _outcome(house, organisation, id_)) is None:
        if time.monotonic() > deadline:
            return ack.answer(verdict.with_fault(_LATE), stamp())
        time.sleep(_LOOK)
    return ack.answer(replace(verdict, faults=(*verdict.faults, *outcome)), stamp())


def _outcome(house: House, organisation: int, id_: int) -> tuple[Fault, ...] | None:
    """What keeps a message from being applied, None while it is pending."""
    with house.database.read() as connection:
        row = messages.row(connection, organisation, id_)
    if row.state == messages.PENDING:
        return None
    return _told(row.state, messages.notes(row))


def send(house: House, job: Job) -> None:
    """The handler of `answer` jobs: send what a feed is owed. The job's key is the feed."""
    with house.database.read() as connection:
        feed = feeds.load(connection, job.organisation, job.key)
        owed = answers.waiting(connection, job.organisation, job.key, _BATCH)
    if not owed:
        return
    where = feeds.destination(feed.answer_to)
    try:
        with _connected(house.config, where) as sender:
            for row in owed:
                _deliver(house, row, sender.send(bytes(row.raw)))
    except (Hl7Error, OSError) as error:
        raise errors.Fault(
            f"answers of feed {feed.name} wait: {where} does not take them"
        ) from error
    with house.database.write() as connection:
        now = clock.now()
        jobs.add(connection, job.organisation, KIND, job.key, now=now, run_at=now)


def _connected(config: Config, where: Destination) -> Sender:
    tls = _tls(config) if where.secure else None
    return Sender(where.host, where.port, seconds=_SECONDS, tls=tls)


def _tls(config: Config) -> ssl.SSLContext:
    """Our side as a client: our own certificate, and whom we trust as a server."""
    context = ssl.create_default_context(cafile=config.mllp_tls_client_ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.mllp_tls_certificate:
        context.load_cert_chain(config.mllp_tls_certificate, config.mllp_tls_key)
    return context


def _deliver(house: House, row: Row[Any], reply: bytes) -> None:
    """Note what the other side said; one that rejects for now is asked again."""
    code = parse(reply).first("MSA").text(1).strip().upper()
    if code in ("AR", "CR"):
        raise errors.Fault(f"answers of feed {row.feed} wait: the other side rejects them for now")
    state = answers.SENT if code in ("AA", "CA") else answers.REFUSED
    with house.database.write() as connection:
        answers.tell(connection, row, state, reply, clock.now())
