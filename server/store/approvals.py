"""Rows between a user and an app: requests, launches, approvals, codes. One UPDATE spends each."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from server.store.login_tables import approval, asking, code, launch
from server.store.tables import client, token

_DAY = 86_400_000_000


def add_asking(connection: Connection, values: dict[str, Any]) -> None:
    """Keep an app's request."""
    connection.execute(insert(asking).values(**values))


def asking_row(connection: Connection, hash_: str, *, now: int) -> Row[Any] | None:
    """A request that waits for its user."""
    query = select(asking).where(
        asking.c.hash == hash_, asking.c.expires > now, asking.c.decided == 0
    )
    return connection.execute(query).one_or_none()


def pick(connection: Connection, hash_: str, values: dict[str, Any]) -> None:
    """Note what the user of a session picked."""
    waiting = update(asking).where(asking.c.hash == hash_, asking.c.decided == 0)
    connection.execute(waiting.values(**values))


def decide(connection: Connection, hash_: str, *, now: int) -> bool:
    """End a request; false when it had ended already."""
    waiting = update(asking).where(asking.c.hash == hash_, asking.c.decided == 0)
    return connection.execute(waiting.values(decided=now)).rowcount == 1


def add_launch(connection: Connection, values: dict[str, Any]) -> None:
    """Keep a launch."""
    connection.execute(insert(launch).values(**values))


def launch_row(connection: Connection, hash_: str, *, now: int) -> Row[Any] | None:
    """A launch that nobody has used yet."""
    query = select(launch).where(launch.c.hash == hash_, launch.c.expires > now, launch.c.used == 0)
    return connection.execute(query).one_or_none()


def made_launch(connection: Connection, hash_: str) -> Row[Any] | None:
    """A launch, used or not."""
    return connection.execute(select(launch).where(launch.c.hash == hash_)).one_or_none()


def use_launch(connection: Connection, hash_: str, *, now: int) -> bool:
    """Spend a launch; false when it is spent, expired or unknown."""
    good = (launch.c.hash == hash_, launch.c.expires > now, launch.c.used == 0)
    return connection.execute(update(launch).where(*good).values(used=now)).rowcount == 1


def add(connection: Connection, values: dict[str, Any]) -> None:
    """Keep an approval."""
    connection.execute(insert(approval).values(**values))


def row(connection: Connection, id_: str) -> Row[Any] | None:
    """An approval, ended or not."""
    return connection.execute(select(approval).where(approval.c.id == id_)).one_or_none()


def use(connection: Connection, id_: str, *, now: int, expires: int) -> bool:
    """Renew an approval; false when it has ended. Holds its row until the transaction ends."""
    good = (approval.c.id == id_, approval.c.ended == 0, approval.c.expires > now)
    values = {"used": now, "expires": expires}
    return connection.execute(update(approval).where(*good).values(**values)).rowcount == 1


def end(connection: Connection, id_: str, *, now: int) -> bool:
    """End an approval with every token that it gave; false when it had ended."""
    ended = update(approval).where(approval.c.id == id_, approval.c.ended == 0)
    first = connection.execute(ended.values(ended=now)).rowcount == 1
    given = update(token).where(token.c.approval == id_, token.c.revoked == 0)
    connection.execute(given.values(revoked=now))
    return first


def end_of_client(connection: Connection, client_id: str, *, now: int) -> None:
    """End everything that was allowed to a client."""
    query = select(approval.c.id).where(approval.c.client == client_id, approval.c.ended == 0)
    for id_ in connection.execute(query).scalars().all():
        end(connection, id_, now=now)


def end_for(connection: Connection, organisation: int, patient: str, *, now: int) -> None:
    """End what was allowed for a patient; its tokens end by themselves."""
    mine = update(approval).where(
        approval.c.organisation == organisation,
        approval.c.patient == patient,
        approval.c.ended == 0,
    )
    connection.execute(mine.values(ended=now))


def of_account(connection: Connection, account_id: str, *, now: int) -> Sequence[Row[Any]]:
    """What a user allows now, the latest first, with the names of the apps."""
    query = (
        select(approval, client.c.name.label("client_name"))
        .join(client, client.c.id == approval.c.client)
        .where(approval.c.account == account_id, approval.c.ended == 0, approval.c.expires > now)
    )
    return connection.execute(query.order_by(approval.c.created.desc())).fetchall()


def add_code(connection: Connection, values: dict[str, Any]) -> None:
    """Keep a code."""
    connection.execute(insert(code).values(**values))


def code_row(connection: Connection, hash_: str) -> Row[Any] | None:
    """A code, used or not."""
    return connection.execute(select(code).where(code.c.hash == hash_)).one_or_none()


def use_code(connection: Connection, hash_: str, *, now: int) -> bool:
    """Spend a code; false when it was spent or is too old."""
    good = (code.c.hash == hash_, code.c.used == 0, code.c.expires > now)
    return connection.execute(update(code).where(*good).values(used=now)).rowcount == 1


def purge(connection: Connection, *, now: int) -> int:
    """Forget what nobody can use any more. Codes stay a day, to know one that comes again."""
    over = (
        asking.delete().where(asking.c.expires <= now),
        launch.delete().where(launch.c.expires <= now),
        code.delete().where(code.c.expires <= now - _DAY),
        approval.delete().where(approval.c.expires <= now - _DAY),
    )
    return sum(connection.execute(statement).rowcount for statement in over)
