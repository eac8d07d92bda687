"""Rows of people who log in: accounts, wrong answers, sessions."""

from typing import Any

from sqlalchemy import Connection, Row, case, insert, or_, select, update

from server.store.jobs import insert_for
from server.store.login_tables import account, approval, attempt, session


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
    """Forget sessions and wrong answers whose time is over."""
    gone = connection.execute(session.delete().where(session.c.expires <= now)).rowcount
    return gone + connection.execute(attempt.delete().where(attempt.c.until <= now)).rowcount
