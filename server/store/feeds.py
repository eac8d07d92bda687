"""Rows of HL7 feeds."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from server.store.hl7_tables import feed
from server.store.jobs import insert_for


def put(connection: Connection, values: dict[str, Any]) -> None:
    """Keep a feed, in place of the one of the same name."""
    row = insert_for(connection.dialect.name, feed).values(**values)
    changed = {name: row.excluded[name] for name in values if name not in ("organisation", "name")}
    connection.execute(
        row.on_conflict_do_update(index_elements=["organisation", "name"], set_=changed)
    )


def every(connection: Connection) -> Sequence[Row[Any]]:
    """All feeds, in a fixed order: there are few of them."""
    return connection.execute(select(feed).order_by(feed.c.organisation, feed.c.name)).fetchall()


def named(connection: Connection, organisation: int, name: str) -> Row[Any] | None:
    """One feed."""
    query = select(feed).where(feed.c.organisation == organisation, feed.c.name == name)
    return connection.execute(query).one_or_none()
