"""Rows of what waits for a person to decide."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from server.store.jobs import insert_for
from server.store.tables import review

# `resolved` ones settled themselves, and come up again if what they tell of comes back.
OPEN, NOTED, ACCEPTED, REFUSED, RESOLVED = "open", "noted", "accepted", "refused", "resolved"


def id_of(kind: str, key: str) -> str:
    """The id of the item about one thing: the same evidence makes the same item."""
    return _digest(kind, key)[:26]


def _digest(kind: str, key: str) -> str:
    return hashlib.sha256(f"{kind}|{key}".encode()).hexdigest()


def add(
    connection: Connection,
    organisation: int,
    kind: str,
    key: str,
    *,
    study: str,
    evidence: dict[str, Any],
    state: str,
    now: int,
    again: bool = False,
) -> None:
    """Put something before a person, once for the same evidence; what was decided stays decided.

    `again` opens even what was accepted: it stands in the way of a message once more.
    """
    digest = _digest(kind, key)
    row = insert_for(connection.dialect.name, review).values(
        organisation=organisation,
        id=digest[:26],
        key=digest,
        kind=kind,
        state=state,
        study=study,
        evidence=json.dumps(evidence, ensure_ascii=False),
        created=now,
    )
    upsert = row.on_conflict_do_update(
        index_elements=["organisation", "key"],
        set_={"state": state, "evidence": row.excluded.evidence},
        where=review.c.state.in_([RESOLVED, ACCEPTED] if again else [RESOLVED]),
    )
    connection.execute(upsert)


def get(connection: Connection, organisation: int, id_: str) -> Any:
    """One item, None if there is none."""
    query = select(review).where(review.c.organisation == organisation, review.c.id == id_)
    return connection.execute(query).one_or_none()


def state_of(connection: Connection, organisation: int, kind: str, key: str) -> str:
    """What became of the item about one thing, "" if there is none."""
    row = get(connection, organisation, id_of(kind, key))
    return str(row.state) if row is not None else ""


def set_state(connection: Connection, organisation: int, id_: str, state: str, **more: str) -> None:
    """Say what became of an item."""
    where = (review.c.organisation == organisation) & (review.c.id == id_)
    connection.execute(update(review).where(where).values(state=state, **more))


def resolve(connection: Connection, organisation: int, kind: str, key: str) -> None:
    """Close an open item whose reason is gone."""
    connection.execute(
        update(review)
        .where(
            review.c.organisation == organisation,
            review.c.id == id_of(kind, key),
            review.c.state == OPEN,
        )
        .values(state=RESOLVED)
    )


def naming(
    connection: Connection, organisation: int, kinds: Sequence[str], ids: Sequence[str]
) -> Sequence[Any]:
    """The open items of these kinds whose evidence names one of these records, oldest first."""
    query = select(review).where(
        review.c.organisation == organisation,
        review.c.state == OPEN,
        review.c.kind.in_(list(kinds)),
    )
    rows = connection.execute(query.order_by(review.c.created, review.c.id))
    return [row for row in rows if any(f'"{id_}"' in row.evidence for id_ in ids)]
