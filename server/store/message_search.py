"""Looking for messages in the log: by time, state, feed, kind, control id or patient; feeds' traffic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from server.store.fhir_tables import resource
from server.store.hl7_tables import message, message_effect
from server.store.messages import PARKED, PENDING, REVIEW, Effect

# Conditions without an index are looked for among so many messages at a time.
SCANNED = 20_000
_AT_ONCE = 500
_SHOWN = ("id", "feed", "control_id", "kind", "received", "state", "outcome", "attempts")


def newest(
    connection: Connection,
    organisation: int,
    equal: Mapping[str, str],
    span: tuple[int, int],
    limit: int,
) -> tuple[Sequence[Any], int]:
    """Messages within a span of ids, the newest first, and where to go on (0: there are no more).

    Ids rise by arrival, so that a span of time is one of ids. A kind is looked for in so many
    messages at a time: then there may be fewer than asked for, and still a place to go on from.
    """
    rest = {name: value for name, value in equal.items() if value and name != "kind"}
    where = [message.c.organisation == organisation, message.c.id >= span[0]]
    where += [message.c.id < span[1]] if span[1] else []
    where += [message.c[name] == value for name, value in rest.items()]
    if not equal.get("kind"):
        return _whole(connection, organisation, select(message.c.id).where(*where), limit)
    some = select(message.c.id, message.c.kind).where(*where).order_by(message.c.id.desc())
    looked = some.limit(SCANNED).subquery()
    fitting = select(looked.c.id).where(looked.c.kind == equal["kind"])
    rows, go_on = _whole(connection, organisation, fitting, limit)
    last = connection.execute(some.offset(SCANNED - 1).limit(1)).first()
    return rows, go_on or (last.id if last is not None else 0)


def _whole(
    connection: Connection, organisation: int, ids: Any, limit: int
) -> tuple[Sequence[Any], int]:
    """The messages of a query for their ids, without their bytes."""
    (id_,) = ids.selected_columns
    found = connection.execute(ids.order_by(id_.desc()).limit(limit + 1)).scalars()
    return _these(connection, organisation, list(found), limit)


def _these(
    connection: Connection, organisation: int, found: Sequence[int], limit: int
) -> tuple[Sequence[Any], int]:
    """The first messages of these ids, the newest first, and where to go on."""
    query = select(*(message.c[name] for name in _SHOWN)).where(
        message.c.organisation == organisation, message.c.id.in_(found[:limit])
    )
    rows = sorted(connection.execute(query), key=lambda row: row.id, reverse=True)
    return rows, found[limit - 1] if len(found) > limit else 0


def about(
    connection: Connection,
    organisation: int,
    patients: Sequence[str],
    span: tuple[int, int],
    limit: int,
) -> tuple[Sequence[Any], int]:
    """Messages that wrote something of these patients, as `newest` gives them.

    In steps, each by a whole key: asked for at once and in order, SQLite walks the log.
    """
    filed = select(resource.c.type, resource.c.id).where(
        resource.c.organisation == organisation, resource.c.filed_under.in_(list(patients))
    )
    by_type: dict[str, list[str]] = {}
    for type_, id_ in connection.execute(filed):
        by_type.setdefault(type_, []).append(id_)
    found: set[int] = set()
    for type_, ids in by_type.items():
        for at in range(0, len(ids), _AT_ONCE):
            wrote = select(message_effect.c.message).where(
                message_effect.c.organisation == organisation,
                message_effect.c.type == type_,
                message_effect.c.id.in_(ids[at : at + _AT_ONCE]),
            )
            found |= set(connection.execute(wrote).scalars())
    return _these(connection, organisation, _within(found, span), limit)


def with_control_id(
    connection: Connection,
    organisation: int,
    feeds: Sequence[str],
    control_id: str,
    span: tuple[int, int],
    limit: int,
) -> tuple[Sequence[Any], int]:
    """Messages of these feeds that have a control id, as `newest` gives them."""
    ids = select(message.c.id).where(
        message.c.organisation == organisation,
        message.c.feed.in_(list(feeds)),
        message.c.control_id == control_id,
    )
    found = set(connection.execute(ids).scalars())
    return _these(connection, organisation, _within(found, span), limit)


def _within(ids: Iterable[int], span: tuple[int, int]) -> list[int]:
    """Those of a span, the newest first."""
    return sorted((one for one in ids if span[0] <= one < (span[1] or one + 1)), reverse=True)


def owners(
    connection: Connection, organisation: int, written: Sequence[Effect]
) -> dict[tuple[str, str], str]:
    """Under which patients these resources were filed, by type and id."""
    found = {}
    for type_, id_ in dict.fromkeys((one.type, one.id) for one in written):
        query = select(resource.c.filed_under).where(
            resource.c.organisation == organisation,
            resource.c.type == type_,
            resource.c.id == id_,
        )
        found[type_, id_] = connection.execute(query).scalar() or ""
    return found


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a feed sent: its last message, and how many since a moment."""

    last: int
    lately: int


def traffic(connection: Connection, organisation: int, feed: str, since: int) -> Traffic:
    """The traffic of a feed."""
    mine = (message.c.organisation == organisation) & (message.c.feed == feed)
    last = select(message.c.id).where(mine).order_by(message.c.id.desc()).limit(1)
    lately = select(func.count()).where(mine, message.c.id >= since)
    return Traffic(
        int(connection.execute(last).scalar() or 0),
        int(connection.execute(lately).scalar() or 0),
    )


def faults(connection: Connection, organisation: int) -> dict[tuple[str, str], int]:
    """How many messages wait, are held or are parked, by feed and state."""
    query = select(message.c.feed, message.c.state, func.count()).where(
        message.c.organisation == organisation,
        message.c.state.in_([PENDING, REVIEW, PARKED]),
    )
    rows = connection.execute(query.group_by(message.c.feed, message.c.state))
    return {(feed, state): number for feed, state, number in rows}


def count(connection: Connection, organisation: int, span: tuple[int, int], most: int) -> int:
    """How many messages came in a span, counted no further than `most`."""
    some = select(message.c.id).where(
        message.c.organisation == organisation, message.c.id >= span[0], message.c.id < span[1]
    )
    counted = select(func.count()).select_from(some.limit(most).subquery())
    return int(connection.execute(counted).scalar() or 0)
