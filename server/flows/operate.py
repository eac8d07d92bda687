"""What operators and probes ask of the stores: jobs, and whether all is whole."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from server import clock
from server.errors import Invalid
from server.flows import access, audit
from server.flows.access import Grant
from server.flows.actors import at_desk
from server.flows.sites import House
from server.store import contents, install, jobs, remaking

JOB_STATES = ("pending", "running", "parked")


def schema_version(house: House) -> str | None:
    """The migration that the database stands at, None when it has no tables."""
    with house.database.read() as connection:
        return install.schema_version(connection)


def job_list(house: House, state: str = "") -> list[dict[str, Any]]:
    """Jobs that wait, run or are parked, with the reason."""
    with house.database.read() as connection:
        return jobs.listing(connection, state)


def job_page(
    house: House, grant: Grant, state: str, after: tuple[int, int], limit: int
) -> Sequence[Any]:
    """Jobs of the organisation in a state, those that are due first; one more than a page holds."""
    access.in_role(grant, "operator")
    if state not in JOB_STATES:
        raise Invalid(f"state is one of {', '.join(JOB_STATES)}")
    with house.database.read() as connection:
        return jobs.page(connection, grant.organisation, state, after, limit + 1)


def retry_own_jobs(house: House, grant: Grant, job_id: int | None) -> int:
    """Make parked jobs of the organisation due again, one or all; returns how many."""
    access.in_role(grant, "operator")
    owner, which = grant.organisation, job_id or "all parked jobs"
    with house.database.write() as connection:
        count = jobs.retry(connection, job_id, now=clock.now(), organisation=owner)
        event = at_desk(grant).event(owner, "update", f"jobs retry: {which}, {count} due again")
        house.auditor.append(connection, event)
    return count


def retry_jobs(house: House, job_id: int | None) -> int:
    """Make parked jobs due again; returns how many."""
    with house.database.write() as connection:
        return jobs.retry(connection, job_id, now=clock.now())


@dataclass(slots=True)
class Check:
    """What `verify` found so far."""

    instances: int = 0
    documents: int = 0
    bytes: int = 0
    missing: int = 0
    changed: int = 0


_PAGE = 500


def count_blobs(house: House) -> int:
    """How many objects and documents `verify` will read."""
    with house.database.read() as connection:
        return remaking.count(connection, remaking.OBJECTS) + contents.count(connection)


def verify_blobs(house: House) -> Iterator[tuple[Check, str]]:
    """Read every blob again and compare it with its row; gives the tally and a fault, or ""."""
    check = Check()
    for row in remaking.through(house.database, remaking.OBJECTS):
        check.instances += 1
        fault = _compare(house, row, check)
        yield check, f"{row.uid}: {fault}" if fault else ""
    yield from _verify_documents(house, check)


def _verify_documents(house: House, check: Check) -> Iterator[tuple[Check, str]]:
    """The same for documents that have a blob of their own."""
    after = (0, "")
    while True:
        with house.database.read() as connection:
            rows = contents.page(connection, after, _PAGE)
        for row in rows:
            check.documents += 1
            fault = _compare(house, _Document(row.blob, row.length, row.sha256), check)
            yield check, f"Binary {row.id}: {fault}" if fault else ""
        if len(rows) < _PAGE:
            return
        after = (rows[-1].organisation, rows[-1].id)


@dataclass(frozen=True, slots=True)
class _Document:
    """A document as `_compare` looks at it: all of its blob counts."""

    blob: str
    size: int
    sha256: str
    dataset_offset: int = 0


def _compare(house: House, row: Any, check: Check) -> str:
    digest = hashlib.sha256()
    try:
        if house.blobs.size(row.blob) != row.size:
            check.changed += 1
            return "the blob has another length than its row says"
        for chunk in house.blobs.stream(row.blob, row.dataset_offset):
            digest.update(chunk)
    except FileNotFoundError:
        check.missing += 1
        return "the blob is missing"
    check.bytes += row.size
    if digest.hexdigest() != row.sha256:
        check.changed += 1
        return "the blob's bytes have changed"
    return ""


def verify_audit(house: House) -> list[str]:
    """Every break in the audit chains; empty when they are whole. Nobody has to wait meanwhile."""
    with house.database.read() as connection:
        return audit.verify(connection)
