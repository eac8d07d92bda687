"""What operators do with the message log: list, show, replay, park."""

import base64
import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from server import clock
from server.errors import Invalid, Missing
from server.flows import lanes, messages, parties
from server.flows.actors import CLI, Actor
from server.flows.sites import House
from server.store import answers
from server.store import messages as store

PARKABLE = (store.PENDING, store.REVIEW)
MOST_REPLAYED = 10_000


def listing(
    house: House,
    organisation: str,
    *,
    state: str = "",
    feed: str = "",
    control_id: str = "",
    since: int = 0,
    before: int = 0,
) -> list[dict[str, Any]]:
    """Messages of an organisation, oldest first, at most 500; without what they say."""
    equal = {"state": state, "feed": feed, "control_id": control_id}
    with house.database.read() as connection:
        owner = parties.named(connection, organisation)
        rows = store.listing(connection, owner, equal, since=since, before=before)
    return [
        dict(row._mapping)
        | {"received": clock.instant(row.received), "outcome": json.loads(row.outcome or "{}")}
        for row in rows
    ]


def show(house: House, organisation: str, id_: int) -> dict[str, Any]:
    """One message: its bytes, its answer, what became of it and what it wrote."""
    with house.database.read() as connection:
        row = _row(connection, parties.named(connection, organisation), id_)
        effects = store.effects(connection, row.organisation, id_)
        later = answers.of(connection, row.organisation, id_)
    return {
        "id": row.id,
        "feed": row.feed,
        "control_id": row.control_id,
        "kind": row.kind,
        "received": clock.instant(row.received),
        "applied": clock.instant(row.applied) if row.applied else "",
        "state": row.state,
        "attempts": row.attempts,
        "outcome": json.loads(row.outcome or "{}"),
        "sha256": row.sha256,
        "raw": base64.b64encode(row.raw).decode(),
        "ack": base64.b64encode(row.ack).decode(),
        "answers": [_answer(one) for one in later],
        "effects": [asdict(one) for one in effects],
    }


def _answer(row: Any) -> dict[str, Any]:
    """A later acknowledgement: its code, what became of it, its bytes and the reply to it."""
    return {
        "code": row.code,
        "state": row.state,
        "made": clock.instant(row.created),
        "sent": clock.instant(row.sent) if row.sent else "",
        "raw": base64.b64encode(row.raw).decode(),
        "reply": base64.b64encode(row.reply or b"").decode(),
    }


def _row(connection: Connection, owner: int, id_: int) -> Any:
    row = store.row(connection, owner, id_)
    if row is None:
        raise Missing(f"there is no message {id_} in this organisation")
    return row


def replay(
    house: House,
    organisation: str,
    ids: list[int],
    *,
    since: int = 0,
    before: int = 0,
    by: Actor = CLI,
) -> int:
    """Apply messages anew: those named, or all that came in a span; returns how many.

    What has not changed since is not written again.
    """
    if bool(ids) == bool(since or before):
        raise Invalid("name messages, or give a span of time")
    with house.database.read() as connection:
        owner = parties.named(connection, organisation)
        if not ids:
            found = store.listing(
                connection, owner, {}, since=since, before=before, limit=MOST_REPLAYED + 1
            )
            ids = [row.id for row in found if row.state != store.DUPLICATE]
    if len(ids) > MOST_REPLAYED:
        raise Invalid(f"at most {MOST_REPLAYED} messages are replayed at once: take a shorter span")
    for id_ in sorted(ids):
        with house.database.write() as connection:
            _again(house, connection, owner, id_, by)
    return len(ids)


def _again(house: House, connection: Connection, owner: int, id_: int, by: Actor) -> None:
    row = _row(connection, owner, id_)
    messages.apply_again(connection, row, clock.now())
    house.auditor.append(connection, by.event(owner, "create", f"hl7 replay: {id_}"))


def park(house: House, organisation: str, id_: int, *, by: Actor = CLI) -> None:
    """Set a message aside, so that those behind it are applied. Raises Invalid if it was applied."""
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        row = _row(connection, owner, id_)
        if row.state not in PARKABLE:
            raise Invalid(f"this message is {row.state}: only a pending one can be parked")
        lanes.set_aside(connection, row, "parked by an operator")
        house.auditor.append(connection, by.event(owner, "create", f"hl7 park: {id_}"))
