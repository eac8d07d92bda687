"""Documents that arrive as DICOM: reports, encapsulated documents, dose, and the orders of images.

All of a study is computed whole from its stored facts, by a job that follows its settling: made
outside of the transactions, and written in steps that each leave something whole. What was made
before and is not made now was withdrawn, moved to another resource, or given way to a message.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from sqlalchemy import Connection

from dicom.facts import InstanceFacts
from server import clock
from server.flows import joining, layers, placeholders
from server.flows.joining import IMAGES
from server.flows.paper_plan import Group, Paper, Plan, Requested, plan
from server.flows.paper_write import Writer
from server.flows.seeing import Snapshot, snapshot
from server.flows.sites import House
from server.store import derived, index, jobs, links
from server.store.index import StudyKey
from server.store.jobs import Job
from server.store.links import Key
from server.store.resources import Change

KIND = "papers"
_REASON = "derived from DICOM documents"
_STEP = 20


def ask(connection: Connection, key: StudyKey, now: int) -> None:
    """Ask for what the documents of a study say to be made anew."""
    where = f"{key.uid}|{key.claim}"
    jobs.add(connection, key.organisation, KIND, where, now=now, run_at=now)


def has_any(instances: Iterable[InstanceFacts]) -> bool:
    """Whether something is to be made of a study's documents and requests."""
    return any(
        one.requests or one.document.items or one.document.enclosed.length for one in instances
    )


def rouse(
    connection: Connection, organisation: int, type_: str, keys: Iterable[Key], now: int
) -> None:
    """A message told of something with these keys: studies that told of it are looked at anew."""
    sharing = (one for key in keys for one in links.sharing(connection, organisation, key))
    ids = {id_ for kind, id_ in sharing if kind == type_}
    rows = [row for id_ in ids for row in derived.of(connection, organisation, type_, id_)]
    for study in sorted({row.study for row in rows if row.study}):
        if where := placeholders.claim_of(connection, organisation, study):
            jobs.add(connection, organisation, KIND, where, now=now, run_at=now)


def work(house: House, job: Job) -> None:
    """The handler of `papers` jobs; the job's key is study UID | claim."""
    uid, _, claim = job.key.rpartition("|")
    key = StudyKey(job.organisation, uid, int(claim))
    with house.database.read() as connection:
        site = house.site(connection, key.organisation, clock.now())
        seen = snapshot(connection, key, index.claim_row(connection, key))
        study = layers.body_of(connection, key.organisation, IMAGES, seen.row.id) or {}
        rows = _enclosing(connection, seen)
    writer = Writer(site, seen, rows)
    for step in _steps(plan(site, seen, study)):
        with house.database.write() as connection:
            if _has_grown(connection, seen):
                return ask(connection, key, clock.now())
            change = Change(clock.now(), _REASON, house.config.fhir_base)
            for one in step:
                writer.write(connection, one, change)
            writer.explain(connection, step, change)
    with house.database.write() as connection:
        writer.end(connection, Change(clock.now(), _REASON, house.config.fhir_base))
        if writer.done and not seen.row.held:
            joining.ask(connection, key.organisation, seen.row.id, clock.now())
    return None


def _has_grown(connection: Connection, seen: Snapshot) -> bool:
    """Whether the study is not as it was seen: then it is to be seen again."""
    row = index.claim_row(connection, seen.key)
    return (row.changed, row.subject) != (seen.row.changed, seen.row.subject)


def _enclosing(connection: Connection, seen: Snapshot) -> dict[str, Any]:
    """The rows of the instances that enclose a document."""
    wanted = [one.uid for one in seen.instances if one.document.enclosed.length]
    found = (index.visible(connection, seen.key, uid=uid) for uid in wanted)
    return {row.uid: row for rows in found for row in rows}


def _steps(made: Plan) -> Iterator[Sequence[Group | Paper | Requested]]:
    """What is written together: each report for itself, all else a few at a time."""
    yield from ([group] for group in made.groups)
    rest: Iterator[Paper | Requested] = chain(made.papers, made.requests)
    while step := list(islice(rest, _STEP)):
        yield step
