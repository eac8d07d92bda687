"""Applying what was acknowledged: one patient's messages in order, each in one transaction, once.

A message waits in a lane for each patient and order that it names, and is applied when it is the
oldest in all of them. The transaction that applies it also flips its state, so that a worker that
dies leaves either all of it or nothing.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from server import clock
from server.errors import Busy, Fault, Full
from server.flows import answers
from server.flows.patients import Site
from server.flows.sites import House
from server.store import jobs, messages
from server.store.jobs import Job
from server.store.messages import Effect

log = logging.getLogger(__name__)

KIND = "message"
MOST_ATTEMPTS = 8
_BATCH = 50
_LONGEST_REST = 0.05


@dataclass(slots=True)
class Outcome:
    """What applying a message did: its state, what it wrote, and what there is to say about it."""

    state: str = messages.APPLIED
    effects: list[Effect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def hold(self, note: str) -> None:
        """Leave the message, or a part of it, to a person."""
        self.state = messages.REVIEW
        self.notes.append(note)


# Writes what a message says, in the transaction that flips its state.
Application = Callable[[Connection, Site, int], Outcome]
# Reads a message outside of the transaction: its row becomes what is then written.
Reader = Callable[[House, Any], Application]


def ask(connection: Connection, organisation: int, lanes: list[str], now: int) -> None:
    """Ask for the lanes to be worked on."""
    for lane in lanes:
        jobs.add(connection, organisation, KIND, lane, now=now, run_at=now)


def work(house: House, job: Job, read: Reader) -> None:
    """Apply the messages of a lane, as many as are its turn. The job's key is the lane."""
    for _ in range(_BATCH):
        with house.database.read() as connection:
            head = messages.head(connection, job.organisation, job.key)
            mine = head is not None and messages.is_first(connection, job.organisation, head)
            row = messages.row(connection, job.organisation, head) if mine and head else None
        if row is None:
            return  # the lane is empty, or who holds its head up will ask for it again
        try:
            _apply(house, row, read(house, row))
        except (Full, Busy):  # waited out, however long it takes: no fault of the message
            raise
        except Exception as error:  # outermost loop of a lane: its head must not fail for ever
            if not _parked(house, row, error):
                raise
    with house.database.write() as connection:
        ask(connection, job.organisation, [job.key], clock.now())


def _apply(house: House, row: Any, application: Application) -> None:
    """Apply a message; a door that waited meanwhile gets as much time as that took.

    Who waits for an answer goes before what was answered: of a burst, all is soon on disk.
    """
    began = time.monotonic()
    with house.database.write() as connection:
        state = _write(house, connection, row, application)
        awaited = house.database.is_awaited()
    if state:
        house.counters.add("hl7_applied_total", state=state)
    if awaited:
        time.sleep(min(time.monotonic() - began, _LONGEST_REST))


def _write(house: House, connection: Connection, row: Any, application: Application) -> str:
    """Apply a message in its transaction, unless its turn or its state has changed.

    Gives the state that it came to, "" for none.
    """
    now = clock.now()
    fresh = messages.row(connection, row.organisation, row.id)
    if fresh.state != messages.PENDING:
        return ""
    if not messages.is_first(connection, row.organisation, row.id):
        return ""
    site = house.site(connection, row.organisation, now)
    outcome = application(connection, site, now)
    messages.add_effects(connection, row.organisation, row.id, outcome.effects)
    _end(connection, row, outcome.state, {"notes": outcome.notes}, now)
    return outcome.state


def _end(connection: Connection, row: Any, state: str, outcome: dict[str, Any], now: int) -> None:
    """Take a message out of its lanes; whoever waited behind it there has a turn."""
    lanes = messages.finish(connection, row.organisation, row.id, state, outcome, now=now)
    told = [*outcome.get("notes", []), *filter(None, [outcome.get("error")])]
    answers.owe(connection, row, state, told, now)
    waiting = [x for x in lanes if messages.head(connection, row.organisation, x) is not None]
    ask(connection, row.organisation, waiting, now)


def _parked(house: House, row: Any, error: Exception) -> bool:
    """Count the failure; a message that failed too often is parked and lets the others pass."""
    reason = str(error) if isinstance(error, Fault) else type(error).__name__
    with house.database.write() as connection:
        attempts = messages.failed(connection, row.organisation, row.id, reason)
        if attempts < MOST_ATTEMPTS:
            return False
        set_aside(connection, row, reason)
    house.counters.add("hl7_applied_total", state=messages.PARKED)
    log.error("message %s parked: `hl7 replay %s` tries it again", row.id, row.id, exc_info=error)
    return True


def give_up(connection: Connection, job: Job) -> None:
    """A lane's job was parked: its head is parked, so that the messages behind it have a turn."""
    head = messages.head(connection, job.organisation, job.key)
    if head is not None:
        row = messages.row(connection, job.organisation, head)
        set_aside(connection, row, "its worker ended while applying it, time and again")


def set_aside(connection: Connection, row: Any, reason: str) -> None:
    """Park a message with a reason."""
    _end(connection, row, messages.PARKED, {"error": reason}, clock.now())
