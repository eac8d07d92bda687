"""Access tokens and used client assertions. Of a token only its SHA-256 is kept."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from server.store.jobs import insert_for
from server.store.tables import assertion, client, token


def add(connection: Connection, values: dict[str, Any]) -> None:
    """Keep a token."""
    connection.execute(insert(token).values(**values))


# Built once: every request to a door asks this.
_GOOD = (
    select(token)
    .outerjoin(client, client.c.id == token.c.client)
    .where(
        token.c.hash == bindparam("hash_"),
        token.c.expires > bindparam("now"),
        token.c.revoked == 0,
        func.coalesce(client.c.retired, 0) == 0,
    )
)


def find(connection: Connection, hash_: str, *, now: int) -> Row[Any] | None:
    """A token that is good now: known, not expired, not revoked, its client not retired."""
    return connection.execute(_GOOD, {"hash_": hash_, "now": now}).one_or_none()


def revoke(connection: Connection, hash_: str, *, now: int) -> bool:
    """End a token; false when it had ended already."""
    statement = update(token).where(token.c.hash == hash_, token.c.revoked == 0)
    return connection.execute(statement.values(revoked=now)).rowcount == 1


def use_assertion(connection: Connection, client_id: str, jti: str, *, expires: int) -> bool:
    """Remember an assertion; false when it was used before. One INSERT decides between rivals."""
    statement = insert_for(connection.dialect.name, assertion).values(
        client=client_id, jti=jti, expires=expires
    )
    return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1


def purge(connection: Connection, *, now: int) -> int:
    """Forget tokens and assertions whose time is over; returns how many."""
    gone = connection.execute(token.delete().where(token.c.expires <= now)).rowcount
    return gone + connection.execute(assertion.delete().where(assertion.c.expires <= now)).rowcount
