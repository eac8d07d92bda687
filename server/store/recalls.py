"""Rows of recalls, and of what left while something was shown as somebody else's."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select

from server.clock import row_id
from server.store.hl7_tables import recall
from server.store.tables import audit

_MOST = 500


def add(connection: Connection, owner: int, values: Mapping[str, Any], *, now: int) -> None:
    """Keep a recall."""
    row = {"organisation": owner, "id": row_id(now), "created": now, **values}
    connection.execute(insert(recall).values(row))


def listed(connection: Connection, owner: int) -> Sequence[Row[Any]]:
    """The recalls of an organisation, the newest first; at most 500."""
    query = select(recall).where(recall.c.organisation == owner)
    return connection.execute(query.order_by(recall.c.id.desc()).limit(_MOST)).fetchall()


def page(connection: Connection, owner: int, before: int, limit: int) -> Sequence[Row[Any]]:
    """Recalls behind a place (0: from the newest on)."""
    query = select(recall).where(recall.c.organisation == owner)
    query = query.where(recall.c.id < before) if before else query
    return connection.execute(query.order_by(recall.c.id.desc()).limit(limit)).fetchall()


def exposures(
    connection: Connection, owner: int, persons: Sequence[str], since: int, until: int
) -> Sequence[Any]:
    """What was read of these people (as the audit refers to them) in a time; at most 500 events.

    An event that has ended comes with what left by it.
    """
    names = ("at", "door", "grant", "client", "address", "study")
    closing = audit.alias()
    query = (
        select(*(audit.c[name] for name in names), closing.c.count, closing.c.bytes)
        .outerjoin(
            closing,
            and_(
                closing.c.writer == audit.c.writer,
                closing.c.opened == audit.c.seq,
                closing.c.action == "close",
            ),
        )
        .where(
            audit.c.organisation == owner,
            audit.c.person.in_(persons),
            audit.c.at.between(since, until),
            audit.c.action == "read",
        )
    )
    return connection.execute(query.order_by(audit.c.at, audit.c.seq).limit(_MOST)).fetchall()
