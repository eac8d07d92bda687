"""What the tables say of how much waits, and since when: each a count over an index."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from server.store.hl7_tables import message
from server.store.install import organisations
from server.store.messages import PARKED, PENDING, REVIEW
from server.store.reviews import OPEN
from server.store.tables import audit, audit_root, job, review, study

# Which: how many, and the microsecond at which the oldest came.
Waiting = dict[tuple[str, str], tuple[int, int]]

_MILLISECOND = 1000


def jobs(connection: Connection) -> Waiting:
    """Jobs by kind and state. Their ids follow the clock, see `clock.row_id`."""
    query = select(job.c.kind, job.c.state, func.count(), func.min(job.c.id))
    rows = connection.execute(query.group_by(job.c.kind, job.c.state))
    return {(kind, state): (count, (first >> 21) * 1000) for kind, state, count, first in rows}


def messages(connection: Connection) -> Waiting:
    """HL7 messages that are not applied yet, or were put aside, by state."""
    query = select(message.c.state, func.count(), func.min(message.c.id)).where(
        message.c.organisation.in_(_organisations(connection)),
        message.c.state.in_([PENDING, REVIEW, PARKED]),
    )
    rows = connection.execute(query.group_by(message.c.state))
    found = {(state, ""): (count, first) for state, count, first in rows}
    return {(state, ""): (0, 0) for state in (PENDING, REVIEW, PARKED)} | found


def reviews(connection: Connection) -> Waiting:
    """What waits for a person to decide, by kind."""
    query = select(review.c.kind, func.count(), func.min(review.c.created)).where(
        review.c.organisation.in_(_organisations(connection)), review.c.state == OPEN
    )
    rows = connection.execute(query.group_by(review.c.kind))
    return {(kind, ""): (count, first) for kind, count, first in rows}


def stock(connection: Connection) -> tuple[int, int]:
    """How many studies there are, and how many objects they have."""
    query = select(func.count(), func.coalesce(func.sum(study.c.instances), 0)).select_from(study)
    row = connection.execute(query).one()
    return int(row[0]), int(row[1])


def unsigned(connection: Connection, writer: str) -> int:
    """When the oldest event of a chain came that no signature covers, 0 if all are signed."""
    signed = select(func.coalesce(func.max(audit_root.c.seq), 0)).where(
        audit_root.c.writer == writer
    )
    query = select(audit.c.at).where(
        audit.c.writer == writer, audit.c.seq == signed.scalar_subquery() + 1
    )
    return int(connection.execute(query).scalar() or 0)


def _organisations(connection: Connection) -> Iterable[int]:
    """Named one by one, so that an index that begins with them serves."""
    return list(organisations(connection))
