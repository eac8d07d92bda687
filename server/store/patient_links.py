"""Rows of links: two records that are told to be one person, and stay two."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from server.clock import row_id
from server.store.hl7_tables import identity_link

CONFIRMED, WITHDRAWN = "confirmed", "withdrawn"


def confirm(
    connection: Connection,
    organisation: int,
    pair: tuple[str, str],
    message: int,
    evidence: Mapping[str, Any],
    *,
    now: int,
) -> None:
    """Keep that two records are linked, and by which message."""
    one, other = sorted(pair)
    row = {"organisation": organisation, "id": row_id(now), "one": one, "other": other}
    row |= {"state": CONFIRMED, "message": message, "created": now}
    connection.execute(insert(identity_link).values(**row, evidence=json.dumps(evidence)))


def standing(connection: Connection, organisation: int, pair: tuple[str, str]) -> Any:
    """The row that links two records, None if they are not linked."""
    query = select(identity_link).where(*_of(organisation, pair))
    return connection.execute(query.where(identity_link.c.state == CONFIRMED)).one_or_none()


def withdrawn(connection: Connection, organisation: int, pair: tuple[str, str]) -> Sequence[Any]:
    """The rows that linked two records once: `message` linked them, `ended_by` took it back."""
    query = select(identity_link).where(*_of(organisation, pair))
    return connection.execute(query.where(identity_link.c.state == WITHDRAWN)).fetchall()


def withdraw(
    connection: Connection, organisation: int, id_: int, message: int, *, now: int
) -> None:
    """End a link by a message; its row stays."""
    where = and_(identity_link.c.organisation == organisation, identity_link.c.id == id_)
    ended = {"state": WITHDRAWN, "ended_by": message, "ended": now}
    connection.execute(update(identity_link).where(where).values(ended))


def _of(organisation: int, pair: tuple[str, str]) -> tuple[Any, ...]:
    one, other = sorted(pair)
    table = identity_link
    return table.c.organisation == organisation, table.c.one == one, table.c.other == other
