"""Rows of people who log in: accounts, wrong answers, sessions."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, func, insert, or_, select, update

from server.store.jobs import insert_for
from server.store.login_tables import (
    account,
    approval,
    attempt,
    half_way,
    recovery_code,
    session,
)


def add(connection: Connection, values: dict[str, Any]) -> None:
    """Keep an account."""
    connection.execute(insert(account).values(**values))


def by_name(connection: Connection, name: str) -> Row[Any] | None:
    """The account with a name, None if there is none or it is retired."""
    query = select(account).where(account.c.name == name, account.c.retired == 0)
    return connection.execute(query).one_or_none()


def is_taken(connection: Connection, name: str) -> bool:
    """Whether an account has a name, or had it: nobody gets the name of somebody else."""
    query = select(account.c.id).where(account.c.name == name)
    return connection.execute(query).first() is not None


def has_role(connection: Connection, owner: int, role: str) -> bool:
    """Whether somebody in an organisation has a role."""
    query = select(account.c.id).where(
        account.c.organisation == owner, account.c.role == role, account.c.retired == 0
    )
    return connection.execute(query.limit(1)).first() is not None


def by_id(connection: Connection, id_: str) -> Row[Any] | None:
    """The account with an id, None if there is none or it is retired."""
    query = select(account).where(account.c.id == id_, account.c.retired == 0)
    return connection.execute(query).one_or_none()


def count_attempt(connection: Connection, key: str, *, most: int, now: int, until: int) -> int:
    """Count an answer before it is judged; how many there were, this one included.

    Answers are forgotten at `until` of the last one that was judged: who goes on guessing at a
    closed account does not keep it closed.
    """
    over = attempt.c.until <= now
    statement = insert_for(connection.dialect.name, attempt).values(
        key=key, failures=1, until=until
    )
    counted = statement.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "failures": case((over, 1), else_=attempt.c.failures + 1),
            "until": case((or_(over, attempt.c.failures < most), until), else_=attempt.c.until),
        },
    ).returning(attempt.c.failures)
    return int(connection.execute(counted).scalar_one())


def forget_attempts(connection: Connection, key: str) -> None:
    """Start counting anew."""
    connection.execute(attempt.delete().where(attempt.c.key == key))


def add_session(connection: Connection, values: dict[str, Any]) -> None:
    """Keep a session."""
    connection.execute(insert(session).values(**values))


def session_row(connection: Connection, hash_: str, *, now: int, idle: int) -> Row[Any] | None:
    """A session that is good now, with its account's columns."""
    query = (
        select(session.c.hash, session.c.authenticated, session.c.seen, account)
        .join(account, account.c.id == session.c.account)
        .where(
            session.c.hash == hash_,
            session.c.ended == 0,
            session.c.expires > now,
            session.c.seen > now - idle,
            account.c.retired == 0,
        )
    )
    return connection.execute(query).one_or_none()


def session_lives(connection: Connection, hash_: str, *, now: int) -> bool:
    """Whether a session was neither ended nor has lived its longest."""
    query = select(session.c.hash).where(
        session.c.hash == hash_, session.c.ended == 0, session.c.expires > now
    )
    return connection.execute(query).first() is not None


def touch_session(connection: Connection, hash_: str, *, now: int) -> None:
    """Note that a session is in use."""
    connection.execute(update(session).where(session.c.hash == hash_).values(seen=now))


def end_session(connection: Connection, hash_: str, *, now: int) -> bool:
    """End a session; false when it had ended."""
    ended = update(session).where(session.c.hash == hash_, session.c.ended == 0)
    return connection.execute(ended.values(ended=now)).rowcount == 1


def approvals_of_session(connection: Connection, hash_: str) -> list[str]:
    """What was allowed in a session and ends with it."""
    query = select(approval.c.id).where(approval.c.session == hash_, approval.c.ended == 0)
    return list(connection.execute(query).scalars())


def purge(connection: Connection, *, now: int) -> int:
    """Forget sessions, half ways and wrong answers whose time is over."""
    over = (
        session.delete().where(session.c.expires <= now),
        half_way.delete().where(half_way.c.expires <= now),
        attempt.delete().where(attempt.c.until <= now),
    )
    return sum(connection.execute(statement).rowcount for statement in over)


def listed(connection: Connection, owner: int | None = None) -> Sequence[Row[Any]]:
    """Every account, or those of an organisation, by name; those that ended too."""
    query = select(account).order_by(account.c.name)
    if owner is not None:
        query = query.where(account.c.organisation == owner)
    return connection.execute(query).fetchall()


def change(connection: Connection, id_: str, values: dict[str, Any]) -> bool:
    """Change columns of an account; false when it has ended."""
    mine = update(account).where(account.c.id == id_, account.c.retired == 0)
    return connection.execute(mine.values(**values)).rowcount == 1


def sessions_of(
    connection: Connection, account_id: str, *, now: int, idle: int
) -> Sequence[Row[Any]]:
    """The sessions of an account that are good now, the latest first."""
    query = select(session).where(
        session.c.account == account_id,
        session.c.ended == 0,
        session.c.expires > now,
        session.c.seen > now - idle,
    )
    return connection.execute(query.order_by(session.c.authenticated.desc())).fetchall()


def open_sessions(connection: Connection, account_id: str) -> Sequence[str]:
    """Every session of an account that was not ended, asleep or not."""
    query = select(session.c.hash).where(session.c.account == account_id, session.c.ended == 0)
    return connection.execute(query).scalars().all()


# The second factor.


def add_half(connection: Connection, values: dict[str, Any]) -> None:
    """Keep that somebody's password was right."""
    connection.execute(insert(half_way).values(**values))


def half_row(connection: Connection, hash_: str, *, now: int) -> Row[Any] | None:
    """The account of somebody who is half signed in."""
    query = (
        select(account)
        .join(half_way, half_way.c.account == account.c.id)
        .where(
            half_way.c.hash == hash_,
            half_way.c.ended == 0,
            half_way.c.expires > now,
            account.c.retired == 0,
        )
    )
    return connection.execute(query).one_or_none()


def end_half(connection: Connection, hash_: str, *, now: int) -> bool:
    """End a half way; false when it had ended."""
    mine = update(half_way).where(half_way.c.hash == hash_, half_way.c.ended == 0)
    return connection.execute(mine.values(ended=now)).rowcount == 1


def end_halves(connection: Connection, account_id: str, *, now: int) -> None:
    """End every half way of an account."""
    mine = update(half_way).where(half_way.c.account == account_id, half_way.c.ended == 0)
    connection.execute(mine.values(ended=now))


def accept_step(connection: Connection, id_: str, step: int) -> bool:
    """Accept a time step once; false when it, or a later one, was accepted before."""
    mine = update(account).where(
        account.c.id == id_,
        account.c.totp_step < step,
        account.c.totp != "",
        account.c.retired == 0,
    )
    return connection.execute(mine.values(totp_step=step)).rowcount == 1


def spend_recovery(connection: Connection, id_: str, hash_: str, *, now: int) -> bool:
    """Spend a recovery code; false when there is none such, or it was spent."""
    mine = update(recovery_code).where(
        recovery_code.c.account == id_, recovery_code.c.hash == hash_, recovery_code.c.used == 0
    )
    return connection.execute(mine.values(used=now)).rowcount == 1


def enrol(connection: Connection, id_: str, values: dict[str, Any], *, before: int) -> bool:
    """Set a second factor in place of the one of `before`; false when there is another by now."""
    mine = update(account).where(
        account.c.id == id_, account.c.totp_since == before, account.c.retired == 0
    )
    return connection.execute(mine.values(**values)).rowcount == 1


def replace_recovery(connection: Connection, id_: str, hashes: Sequence[str]) -> None:
    """Keep these recovery codes of an account, and no others."""
    connection.execute(recovery_code.delete().where(recovery_code.c.account == id_))
    for hash_ in hashes:
        connection.execute(insert(recovery_code).values(account=id_, hash=hash_, used=0))


def recovery_left(connection: Connection, id_: str) -> int:
    """How many recovery codes of an account were not spent."""
    mine = (recovery_code.c.account == id_, recovery_code.c.used == 0)
    query = select(func.count()).select_from(recovery_code).where(*mine)
    return connection.execute(query).scalar_one()
