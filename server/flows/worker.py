"""The worker: claims jobs one by one and hands each to the handler of its kind."""

import logging
import threading
from collections.abc import Callable, Mapping

from server import clock
from server.errors import Fault
from server.flows import grants, studies
from server.flows.sites import House
from server.store import jobs
from server.store.jobs import Job

log = logging.getLogger(__name__)

Handler = Callable[[House, Job], None]
HANDLERS: Mapping[str, Handler] = {"settle": studies.settle}
PARKED: Mapping[str, Handler] = {"settle": studies.give_up}
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
        while not self._stopping.is_set():
            if not self.step():
                self._tend()
                self._stopping.wait(_PAUSE)

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
        self._do(job)
        return True

    def _do(self, job: Job) -> None:
        try:
            self._handlers[job.kind](self._house, job)
        except Exception as error:  # outermost loop: a job that breaks must not stop the others
            log.exception("job %s %s failed (attempt %d)", job.kind, job.id, job.attempts)
            self._put_back(job, str(error) if isinstance(error, Fault) else type(error).__name__)
            return
        with self._house.database.write() as connection:
            jobs.done(connection, job)

    def _put_back(self, job: Job, reason: str) -> None:
        with self._house.database.write() as connection:
            parked = jobs.failed(connection, job, reason, now=clock.now())
        if parked:
            log.error("job %s %s parked: `jobs retry` runs it again", job.kind, job.id)
            PARKED[job.kind](self._house, job)

    def _tend(self) -> None:
        now = clock.now()
        if now - self._tended >= _MINUTE:
            self._tended = now
            self._house.auditor.tend()
            grants.purge(self._house, now=now)
