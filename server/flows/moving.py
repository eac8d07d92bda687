"""Moving what belongs to a record to whom it belongs by now: after a merge, and after its undoing.

Whose something is follows from the record that it came in under and from what that is part of. So
this needs no list of what to move: it looks at all of it, in steps of a short transaction each, and
whoever begins anew after a crash finds the rest.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from fhir import wire
from fhir.patient_links import belonging
from server import clock
from server.flows import joining, provenances, retrying
from server.flows.sites import House
from server.store import identities, jobs, links, messages, resources
from server.store.index import StudyKey
from server.store.jobs import Job
from server.store.messages import Effect
from server.store.resources import Change, Owner

_STEP = 10
_PAGE = 200
_JOINED = (joining.IMAGES, joining.ORDER, joining.REPORT)


def work(house: House, job: Job) -> None:
    """The handler of `move` jobs. The job's key is the record that was merged or taken out again."""
    with house.database.read() as connection:
        parts = identities.parts_of(connection, job.organisation, job.key)
        message = identities.last_message(connection, job.organisation, job.key)
    mover = _Mover(house, job.organisation, message)
    for record in (job.key, *parts):
        mover.studies(record)
        mover.resources(record)
    for record in (job.key, *parts):
        mover.join(record)
    with house.database.write() as connection:
        retrying.ask(connection, job.organisation, job.key, clock.now())


class _Mover:
    """Moves what came in under a record, for a merge that a message told (0: an operator)."""

    def __init__(self, house: House, organisation: int, message: int) -> None:
        self._house = house
        self._organisation = organisation
        self._message = message

    def studies(self, record: str) -> None:
        """Let studies show the patient that is right now; what they are in FHIR is made anew."""
        after = ("", 0)
        while True:
            with self._house.database.read() as connection:
                where = (connection, self._organisation, record, after)
                rows = identities.studies_under(*where, _STEP)
            if not rows:
                return
            with self._house.database.write() as connection:
                self._move_studies(connection, record, rows)
            after = (rows[-1].uid, rows[-1].claim)

    def _move_studies(self, connection: Connection, record: str, rows: Sequence[Any]) -> None:
        heir, now = identities.heir(connection, self._organisation, record), clock.now()
        for row in rows:
            key = StudyKey(self._organisation, row.uid, row.claim)
            identities.set_subject(connection, key, heir)
            where = f"{row.uid}|{row.claim}"
            jobs.add(connection, self._organisation, "settle", where, now=now, run_at=now)

    def resources(self, record: str) -> None:
        """Rewrite whose a resource is, a few at a time."""
        for page in self._pages(record):
            with self._house.database.read() as connection:
                heir = identities.heir(connection, self._organisation, record)
            wrong = [row for row in page if _is_astray(row, heir)]
            for at in range(0, len(wrong), _STEP):
                with self._house.database.write() as connection:
                    self._move(connection, record, wrong[at : at + _STEP])

    def _pages(self, record: str) -> Iterator[Sequence[Any]]:
        after = ("", 0)
        while True:
            with self._house.database.read() as connection:
                page = resources.filed_under(connection, self._organisation, record, after, _PAGE)
            if not page:
                return
            yield page
            after = (page[-1].type, page[-1].rid)

    def _move(self, connection: Connection, record: str, rows: Sequence[Any]) -> None:
        heir = identities.heir(connection, self._organisation, record)
        change = self._change("belongs to another patient since a merge or its undoing")
        effects = list[Effect]()
        for one in rows:
            row = resources.current(connection, self._organisation, one.type, one.id)
            owner = Owner(self._organisation, row.filed_under, row.hidden)
            body = belonging(wire.read(row.text), heir)
            version = resources.put(connection, owner, body, change)
            if version != row.version:
                effects.append(Effect(one.type, one.id, version, change.reason))
        self._explain(connection, record, effects, change)

    def join(self, record: str) -> None:
        """Join anew what is one patient's now, and part what is not any more."""
        for page in self._pages(record):
            with self._house.database.read() as connection:
                starts = [
                    (row.type, row.id)
                    for row in page
                    if row.type in _JOINED
                    and links.of(connection, self._organisation, row.type, row.id)
                ]
            for at in range(0, len(starts), _STEP):
                with self._house.database.write() as connection:
                    change = self._change("joined")
                    site = self._house.site(connection, self._organisation, change.now)
                    effects = joining.join(connection, site, starts[at : at + _STEP], change)
                    self._explain(connection, record, effects, change)

    def _change(self, reason: str) -> Change:
        return Change(clock.now(), reason, self._house.config.fhir_base)

    def _explain(
        self, connection: Connection, record: str, effects: list[Effect], change: Change
    ) -> None:
        """Say in a Provenance, and with the message that told it, what a step has moved."""
        if not effects:
            return
        site = self._house.site(connection, self._organisation, change.now)
        provenances.of_server(connection, site, record, effects, change)
        if self._message:
            messages.add_effects(connection, self._organisation, self._message, effects)


def _is_astray(row: Any, heir: str) -> bool:
    """Whether a resource names another owner. A study with images is made anew by its own job."""
    body = wire.read(row.text)
    if row.type == joining.IMAGES and "identifier" in body["subject"]:
        return False
    return bool(belonging(body, heir) != body)
