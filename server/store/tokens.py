"""Access tokens and used client assertions. Of a token only its SHA-256 is kept."""

from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    Select,
    bindparam,
    cast,
    func,
    insert,
    select,
    update,
)

from server.store.jobs import insert_for
from server.store.prepared import Prepared
from server.store.tables import assertion, client, patient, token


def add(connection: Connection, values: dict[str, Any]) -> None:
    """Keep a token."""
    connection.execute(insert(token).values(**values))


def _good(dialect: str) -> Select[Any]:
    """The statement that every request asks: a token and its patients in one look-up.

    `standing` counts those of its patients that are there and not retired.
    """
    if dialect == "sqlite":
        named = func.json_each(token.c.patients).table_valued("value")
    else:
        named = func.json_array_elements_text(cast(token.c.patients, JSON)).table_valued("value")
    standing = (
        select(func.count())
        .select_from(patient)
        .where(
            patient.c.organisation == token.c.organisation,
            patient.c.id.in_(select(named.c.value).correlate(token)),
            patient.c.state == "active",
        )
        .correlate(token)
    )
    return (
        select(token, standing.scalar_subquery().label("standing"))
        .outerjoin(client, client.c.id == token.c.client)
        .where(
            token.c.hash == bindparam("hash_"),
            token.c.kind == "access",
            token.c.expires > bindparam("now"),
            token.c.revoked == 0,
            func.coalesce(client.c.retired, 0) == 0,
        )
    )


_GOOD = Prepared(_good)


def find(connection: Connection, hash_: str, *, now: int) -> Any:
    """A token that is good now: known, not expired, not revoked, its client not retired."""
    return _GOOD.row(connection, {"hash_": hash_, "now": now})


def refresh_row(connection: Connection, hash_: str) -> Any:
    """A refresh token, spent or not."""
    query = select(token).where(token.c.hash == hash_, token.c.kind == "refresh")
    return connection.execute(query).one_or_none()


def spend(connection: Connection, hash_: str, *, now: int) -> bool:
    """Use up a refresh token; false when it was used, revoked, or is too old."""
    good = (token.c.hash == hash_, token.c.spent == 0, token.c.revoked == 0, token.c.expires > now)
    return connection.execute(update(token).where(*good).values(spent=now)).rowcount == 1


def revoke(connection: Connection, hash_: str, *, now: int) -> bool:
    """End a token; false when it had ended already."""
    statement = update(token).where(token.c.hash == hash_, token.c.revoked == 0)
    return connection.execute(statement.values(revoked=now)).rowcount == 1


def end_for(connection: Connection, organisation: int, patient_id: str, *, now: int) -> list[str]:
    """End every token that reaches a patient by name or as a part of another; gives their digests."""
    word = f'%"{patient_id}"%'
    ended = (
        update(token)
        .where(
            token.c.organisation == organisation,
            token.c.revoked == 0,
            token.c.patients.like(word) | token.c.parts.like(word),
        )
        .values(revoked=now)
        .returning(token.c.hash)
    )
    return list(connection.execute(ended).scalars())


def use_assertion(connection: Connection, client_id: str, jti: str, *, expires: int) -> bool:
    """Remember an assertion; false when it was used before. One INSERT decides between rivals."""
    values = {"client": client_id, "jti": jti, "expires": expires}
    statement = insert_for(connection.dialect.name, assertion).values(**values)
    made = statement.on_conflict_do_nothing().returning(assertion.c.jti)
    return connection.execute(made).first() is not None


def purge(connection: Connection, *, now: int) -> int:
    """Forget tokens and assertions whose time is over; returns how many."""
    gone = connection.execute(token.delete().where(token.c.expires <= now)).rowcount
    return gone + connection.execute(assertion.delete().where(assertion.c.expires <= now)).rowcount
