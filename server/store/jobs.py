"""The job table: work written in the transaction of the change that asks for it, done at least once.

A job is known by (kind, organisation, key): while one is pending, asking again only moves its
time. A worker claims by one UPDATE with a lease; a job whose worker died is claimed again when
the lease ends; one that fails too often is parked with its reason.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, text, tuple_, update

from server import trace
from server.clock import row_id
from server.store.prepared import Prepared
from server.store.tables import job

LEASE = 120_000_000
MAX_ATTEMPTS = 8
_BACKOFF = 2_000_000
_BACKOFF_CAP = 600_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job; `attempts` counts this one, `trace` is the request that asked for it."""

    id: int
    organisation: int
    kind: str
    key: str
    payload: dict[str, Any]
    attempts: int
    trace: str = ""


def insert_for(dialect: str, table: Any) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT. Only the one in use is loaded."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


def add(
    connection: Connection,
    organisation: int,
    kind: str,
    key: str,
    *,
    now: int,
    run_at: int,
    payload: dict[str, Any] | None = None,
) -> None:
    """Ask for work at a time; while the same job is pending, the later time and payload win."""
    values = {"id": row_id(now), "organisation": organisation, "kind": kind, "key": key}
    values |= {"run_at": run_at, "payload": json.dumps(payload or {}), "trace": trace.current()}
    _ASK.run(connection, values)


def _ask(dialect: str) -> Any:
    names = ("id", "organisation", "kind", "key", "run_at", "payload", "trace")
    row = insert_for(dialect, job).values({name: bindparam(name) for name in names})
    return row.on_conflict_do_update(
        index_elements=["kind", "organisation", "key"],
        index_where=text("state = 'pending'"),
        set_={"run_at": row.excluded.run_at, "payload": row.excluded.payload},
    )


_ASK = Prepared(_ask)


def claim(connection: Connection, kinds: tuple[str, ...], *, now: int) -> Job | None:
    """Take the job that has been due longest, or None."""
    due = (
        select(job.c.id)
        .where(job.c.kind.in_(kinds))
        .where(
            ((job.c.state == "pending") & (job.c.run_at <= now))
            | ((job.c.state == "running") & (job.c.lease_until <= now))
        )
        .order_by(job.c.run_at)
        .limit(1)
    )
    if connection.dialect.name != "sqlite":
        due = due.with_for_update(skip_locked=True)
    row = connection.execute(
        update(job)
        .where(job.c.id == due.scalar_subquery())
        .values(state="running", lease_until=now + LEASE, attempts=job.c.attempts + 1)
        .returning(job)
    ).one_or_none()
    if row is None:
        return None
    payload = json.loads(row.payload)
    return Job(row.id, row.organisation, row.kind, row.key, payload, row.attempts, row.trace)


def next_due(connection: Connection, kinds: tuple[str, ...]) -> int | None:
    """When the next pending job is due, None when there is none."""
    return connection.execute(
        select(func.min(job.c.run_at)).where(job.c.state == "pending", job.c.kind.in_(kinds))
    ).scalar()


def abandoned(connection: Connection, kinds: tuple[str, ...], *, now: int) -> bool:
    """Whether a claimed job has outlived its lease."""
    query = select(job.c.id).where(
        job.c.state == "running", job.c.lease_until <= now, job.c.kind.in_(kinds)
    )
    return connection.execute(query.limit(1)).first() is not None


def release(connection: Connection, *, now: int) -> None:
    """End every lease: for a worker that starts and knows that it is the only one.

    A death weighs as much as three failures, so that a job that kills its worker is parked before
    it has killed it often enough to end the server.
    """
    running = update(job).where(job.c.state == "running")
    connection.execute(running.values(lease_until=now, attempts=job.c.attempts + 2))


def done(connection: Connection, claimed: Job) -> None:
    """Forget a job that has been done."""
    connection.execute(job.delete().where(job.c.id == claimed.id))


def failed(connection: Connection, claimed: Job, reason: str, *, now: int) -> bool:
    """Put a job back for later, or park it with its reason; true when it was parked.

    When the same work was asked for again meanwhile, that pending job takes its place.
    """
    again = select(job.c.id).where(
        job.c.kind == claimed.kind,
        job.c.organisation == claimed.organisation,
        job.c.key == claimed.key,
        job.c.state == "pending",
    )
    if connection.execute(again).first():
        done(connection, claimed)
        return False
    park = claimed.attempts >= MAX_ATTEMPTS
    wait = min(_BACKOFF * 2**claimed.attempts, _BACKOFF_CAP)
    jitter = random.randrange(wait // 2)  # noqa: S311 - spreads retries, guards nothing
    connection.execute(
        update(job)
        .where(job.c.id == claimed.id)
        .values(
            state="parked" if park else "pending",
            run_at=now + wait // 2 + jitter,
            error=reason[:2000],
        )
    )
    return park


def postpone(
    connection: Connection, claimed: Job, reason: str, *, now: int, seconds: int = 0
) -> None:
    """Put a job back for later that could not be done for no fault of its own: this time is free.

    `seconds` says when it is to be tried again, 0 leaves it to the number of attempts.
    """
    spared = claimed.attempts - 1
    failed(connection, replace(claimed, attempts=min(spared, MAX_ATTEMPTS - 1)), reason, now=now)
    later = {"run_at": now + seconds * 1_000_000} if seconds else {}
    connection.execute(update(job).where(job.c.id == claimed.id).values(attempts=spared, **later))


def listing(connection: Connection, state: str = "") -> list[dict[str, Any]]:
    """Jobs with their state and reason, oldest first, at most 500. What they hold is not told."""
    shown = (one for one in job.c if one is not job.c.payload)
    query = select(*shown).order_by(job.c.run_at).limit(500)
    if state:
        query = query.where(job.c.state == state)
    return [dict(row) for row in connection.execute(query).mappings()]


def page(
    connection: Connection, organisation: int, state: str, after: tuple[int, int], limit: int
) -> Sequence[Any]:
    """Jobs of an organisation in a state, behind a place, those that are due first."""
    query = select(job).where(
        job.c.organisation == organisation,
        job.c.state == state,
        tuple_(job.c.run_at, job.c.id) > tuple_(*after),
    )
    return connection.execute(query.order_by(job.c.run_at, job.c.id).limit(limit)).fetchall()


def retry(connection: Connection, job_id: int | None, *, now: int, organisation: int = 0) -> int:
    """Make parked jobs due again, one or all, of one organisation or (0) of all; returns how many."""
    again = job.alias()
    pending = select(again.c.id).where(
        again.c.kind == job.c.kind,
        again.c.organisation == job.c.organisation,
        again.c.key == job.c.key,
        again.c.state == "pending",
    )
    statement = (
        update(job).where(job.c.state == "parked", ~pending.exists()).values(run_at=now, attempts=0)
    )
    if organisation:
        statement = statement.where(job.c.organisation == organisation)
    if job_id is not None:
        statement = statement.where(job.c.id == job_id)
    return connection.execute(statement.values(state="pending")).rowcount


def depth(connection: Connection, organisation: int = 0) -> dict[tuple[str, str], int]:
    """How many jobs of each kind stand in each state, of one organisation or (0) of all."""
    query = select(job.c.kind, job.c.state, func.count(case((job.c.id > 0, 1)))).group_by(
        job.c.kind, job.c.state
    )
    query = query.where(job.c.organisation == organisation) if organisation else query
    return {(kind, state): count for kind, state, count in connection.execute(query)}
