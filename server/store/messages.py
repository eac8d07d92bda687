"""The message log and its lanes: appended once, taken in order, flipped once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from server.store.hl7_tables import message, message_effect, message_lane
from server.store.jobs import insert_for
from server.store.prepared import Prepared, addition, given

PENDING, APPLIED, UNMAPPED, REVIEW = "pending", "applied", "unmapped", "review"
PARKED, DUPLICATE = "parked", "duplicate"
_LOG_LOCK = 0x484C3732
_ADD = addition(message)
_ENTER = addition(message_lane)


@dataclass(frozen=True, slots=True)
class Effect:
    """One version of a resource that a message wrote, and why."""

    type: str
    id: str
    version: int
    why: str


# What these find is put in order here: for an ORDER BY, SQLite walks the primary key instead.
_HEAD = Prepared(
    select(message_lane.c.message)
    .where(given(message_lane, "organisation", "lane"))
    .order_by(message_lane.c.message)
    .limit(1)
)
_LANES = Prepared(select(message_lane.c.lane).where(given(message_lane, "organisation", "message")))
_ADD_EFFECT = Prepared(
    lambda dialect: (
        insert_for(dialect, message_effect)
        .values({one.name: bindparam(one.name) for one in message_effect.c})
        .on_conflict_do_nothing()
    )
)
_SAME = Prepared(
    select(message.c.id, message.c.fingerprint).where(
        given(message, "organisation", "feed", "control_id"), message.c.state != DUPLICATE
    )
)
_LAST = Prepared(
    select(message.c.id)
    .where(given(message, "organisation"))
    .order_by(message.c.id.desc())
    .limit(1)
)


def append(connection: Connection, organisation: int, values: dict[str, Any]) -> int:
    """Keep a message under the next id, which is higher than that of every message before."""
    if connection.dialect.name != "sqlite":  # which has one writer at a time anyway
        connection.execute(select(func.pg_advisory_xact_lock(_LOG_LOCK, organisation)))
    last = _LAST.row(connection, {"organisation": organisation})
    id_ = max(int(values["received"]), (last.id if last else 0) + 1)
    fresh = {"organisation": organisation, "id": id_, "attempts": 0, "applied": 0}
    _ADD.run(connection, fresh | values)
    return id_


def enter(connection: Connection, organisation: int, id_: int, lanes: Iterable[str]) -> None:
    """Let a message wait in its lanes."""
    for lane in lanes:
        _ENTER.run(connection, {"organisation": organisation, "lane": lane, "message": id_})


def same_control_id(
    connection: Connection, organisation: int, feed: str, control_id: str
) -> Sequence[Any]:
    """Earlier messages of a feed with a control id: their ids and fingerprints."""
    if not control_id:
        return []
    values = {"organisation": organisation, "feed": feed, "control_id": control_id}
    return sorted(_SAME.rows(connection, values))


def head(connection: Connection, organisation: int, lane: str) -> int | None:
    """The message that a lane waits for, None when it is empty."""
    found = _HEAD.row(connection, {"organisation": organisation, "lane": lane})
    return None if found is None else int(found.message)


def lanes_of(connection: Connection, organisation: int, id_: int) -> list[str]:
    """The lanes in which a message waits."""
    rows = _LANES.rows(connection, {"organisation": organisation, "message": id_})
    return sorted(found.lane for found in rows)


def is_first(connection: Connection, organisation: int, id_: int) -> bool:
    """Whether no earlier message waits in any lane of this one."""
    return all(
        head(connection, organisation, lane) == id_
        for lane in lanes_of(connection, organisation, id_)
    )


def row(connection: Connection, organisation: int, id_: int) -> Any:
    """One message of the log, None when there is no such message."""
    query = select(message).where(message.c.organisation == organisation, message.c.id == id_)
    return connection.execute(query).one_or_none()


def notes(found: Any) -> list[str]:
    """What the outcome of a message says about it."""
    outcome = json.loads(found.outcome or "{}")
    return [*outcome.get("notes", []), *filter(None, [outcome.get("error")])]


def set_answer(connection: Connection, organisation: int, id_: int, reply: bytes) -> None:
    """Keep the answer that a message was given."""
    _set(connection, organisation, id_, ack=reply)


def finish(
    connection: Connection,
    organisation: int,
    id_: int,
    state: str,
    outcome: dict[str, Any],
    *,
    now: int,
) -> list[str]:
    """Say what became of a message; gives the lanes that it leaves."""
    lanes = lanes_of(connection, organisation, id_)
    where = (message_lane.c.organisation == organisation) & (message_lane.c.message == id_)
    connection.execute(message_lane.delete().where(where))
    _set(connection, organisation, id_, state=state, applied=now, outcome=_json(outcome))
    return lanes


def failed(connection: Connection, organisation: int, id_: int, reason: str) -> int:
    """Count a failed attempt; gives how many there were."""
    found = row(connection, organisation, id_)
    if found is None:
        return 0
    attempts = int(found.attempts) + 1
    outcome = json.loads(found.outcome or "{}") | {"error": reason}
    _set(connection, organisation, id_, attempts=attempts, outcome=_json(outcome))
    return attempts


def again(connection: Connection, organisation: int, id_: int, lanes: Iterable[str]) -> None:
    """Let a message be applied anew: it waits in its lanes as it did when it came."""
    where = (message_lane.c.organisation == organisation) & (message_lane.c.message == id_)
    connection.execute(message_lane.delete().where(where))
    enter(connection, organisation, id_, lanes)
    _set(connection, organisation, id_, state=PENDING, attempts=0)


def hold(connection: Connection, organisation: int, id_: int) -> None:
    """Leave a message that was parked to a person again."""
    _set(connection, organisation, id_, state=REVIEW)


def _set(connection: Connection, organisation: int, id_: int, **values: Any) -> None:
    where = (message.c.organisation == organisation) & (message.c.id == id_)
    connection.execute(update(message).where(where).values(**values))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def add_effects(
    connection: Connection, organisation: int, id_: int, effects: Iterable[Effect]
) -> None:
    """Keep which versions a message wrote."""
    for one in dict.fromkeys(effects):
        key = {"organisation": organisation, "message": id_}
        _ADD_EFFECT.run(connection, key | asdict(one))


def effects(connection: Connection, organisation: int, id_: int) -> list[Effect]:
    """What a message wrote, in a fixed order."""
    table = message_effect.c
    query = select(table.type, table.id, table.version, table.why).where(
        table.organisation == organisation, table.message == id_
    )
    rows = connection.execute(query.order_by(table.type, table.id, table.version))
    return [Effect(*one) for one in rows]


def last_writer(connection: Connection, organisation: int, type_: str, id_: str) -> int:
    """The message that wrote the last version of a resource, 0 if none did."""
    query = select(func.max(message_effect.c.message)).where(
        message_effect.c.organisation == organisation,
        message_effect.c.type == type_,
        message_effect.c.id == id_,
    )
    return int(connection.execute(query).scalar() or 0)


def wrote(connection: Connection, organisation: int, id_: int, type_: str, resource: str) -> bool:
    """Whether a message has written a version of a resource."""
    query = select(message_effect.c.version).where(
        message_effect.c.organisation == organisation,
        message_effect.c.message == id_,
        message_effect.c.type == type_,
        message_effect.c.id == resource,
    )
    return connection.execute(query).first() is not None


def listing(
    connection: Connection,
    organisation: int,
    equal: Mapping[str, str],
    *,
    since: int = 0,
    before: int = 0,
    limit: int = 500,
) -> Sequence[Any]:
    """Messages of the log without their bytes, oldest first; `equal` by state, feed or control id."""
    names = ("id", "feed", "control_id", "kind", "received", "state", "outcome", "attempts")
    query = select(*(message.c[name] for name in names)).where(
        message.c.organisation == organisation, message.c.received >= since
    )
    for name, value in equal.items():
        query = query.where(message.c[name] == value) if value else query
    if before:
        query = query.where(message.c.received < before)
    return connection.execute(query.order_by(message.c.id).limit(limit)).fetchall()


def writers(connection: Connection, organisation: int, type_: str, id_: str) -> Sequence[Any]:
    """Which messages wrote which versions of a resource, and why; the newest version first."""
    table = message_effect.c
    query = select(table.version, table.message, table.why).where(
        table.organisation == organisation, table.type == type_, table.id == id_
    )
    return connection.execute(query.order_by(table.version.desc(), table.message)).fetchall()
