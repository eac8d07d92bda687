"""The worker: claims jobs one by one and hands each to the handler of its kind."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context

from sqlalchemy import Connection

from server import clock, trace
from server.errors import Busy, Fault, Full
from server.flows import (
    answers,
    applying,
    grants,
    joining,
    lanes,
    merging,
    moving,
    notices,
    opening,
    papers,
    studies,
)
from server.flows.sites import House
from server.store import contacts, jobs
from server.store.jobs import Job

log = logging.getLogger(__name__)

Handler = Callable[[House, Job], None]
HANDLERS: Mapping[str, Handler] = {
    "settle": studies.settle,
    joining.KIND: joining.work,
    papers.KIND: papers.work,
    merging.MOVE: moving.work,
    lanes.KIND: applying.apply,
    contacts.NEWS: notices.look,
}
# What talks to others is done by a thread of its own: a slow one must not hold up the rest.
OUTBOX: Mapping[str, Handler] = {answers.KIND: answers.send}
# What else happens in the transaction that parks a job.
PARKED: Mapping[str, Callable[[Connection, Job], None]] = {
    "settle": studies.give_up,
    lanes.KIND: lanes.give_up,
}
_PAUSE = 0.25
_MINUTE = 60_000_000


class Worker:
    """Runs jobs until it is stopped; several may run over one database."""

    def __init__(self, house: House, handlers: Mapping[str, Handler] = HANDLERS) -> None:
        self._house = house
        self._handlers = handlers
        self._stopping = threading.Event()
        self._tended = 0

    def run(self) -> None:
        """Work until `stop`; a job that was begun is finished."""
        name = threading.current_thread().name
        while not self._stopping.is_set():
            self._house.counters.put("heartbeat", clock.now(), thread=name)
            if not self._attempt():
                self._stopping.wait(_PAUSE)

    def take_over(self) -> None:
        """Take back what a worker before this one left undone: for the only worker of a store."""
        try:
            with self._house.database.write() as connection:
                jobs.release(connection, now=clock.now())
        except (Full, Busy) as error:  # leases end by themselves, only later
            log.error("the worker waits: %s", error)

    def _attempt(self) -> bool:
        """Do something that is due; a full disk or a busy database is waited out."""
        try:
            if self.step():
                return True
            self._tend()
        except (Full, Busy) as error:
            log.error("the worker waits: %s", error)
        return False

    def stop(self) -> None:
        """Ask `run` to return after the present job."""
        self._stopping.set()

    def step(self) -> bool:
        """Do one due job; false when none is due."""
        kinds, now = tuple(self._handlers), clock.now()
        with self._house.database.read() as connection:
            due = jobs.next_due(connection, kinds)
        if due is None or due > now:
            return self._expired(kinds, now)
        return self._claim(kinds)

    def _expired(self, kinds: tuple[str, ...], now: int) -> bool:
        """Take over a job whose worker died."""
        with self._house.database.read() as connection:
            if not jobs.abandoned(connection, kinds, now=now):
                return False
        return self._claim(kinds)

    def _claim(self, kinds: tuple[str, ...]) -> bool:
        with self._house.database.write() as connection:
            job = jobs.claim(connection, kinds, now=clock.now())
        if job is None:
            return False
        if job.attempts > jobs.MAX_ATTEMPTS:
            self._put_back(job, "its worker ended while doing it, time and again")
        else:
            copy_context().run(self._do, job)  # its id ends with it
        return True

    def _do(self, job: Job) -> None:
        trace.begin(job.trace)
        try:
            self._handlers[job.kind](self._house, job)
        except (Full, Busy) as error:
            log.error("job %s %s waits: %s", job.kind, job.id, error)
            with self._house.database.write() as connection:
                later = {"now": clock.now(), "seconds": error.retry}
                jobs.postpone(connection, job, str(error), **later)
            self._count(job, "postponed")
            return
        except Exception as error:  # outermost loop: a job that breaks must not stop the others
            log.exception("job %s %s failed (attempt %d)", job.kind, job.id, job.attempts)
            self._put_back(job, str(error) if isinstance(error, Fault) else type(error).__name__)
            return
        with self._house.database.write() as connection:
            jobs.done(connection, job)
        self._count(job, "done")

    def _count(self, job: Job, outcome: str) -> None:
        self._house.counters.add("jobs_total", kind=job.kind, outcome=outcome)

    def _put_back(self, job: Job, reason: str) -> None:
        with self._house.database.write() as connection:
            parked = jobs.failed(connection, job, reason, now=clock.now())
            if parked and job.kind in PARKED:
                PARKED[job.kind](connection, job)
        self._count(job, "parked" if parked else "failed")
        if parked:
            log.error("job %s %s parked: `jobs retry` runs it again", job.kind, job.id)

    def _tend(self) -> None:
        now = clock.now()
        if now - self._tended >= _MINUTE:
            self._tended = now
            self._house.auditor.tend()
            grants.purge(self._house, now=now)
            opening.purge(self._house, now=now)
