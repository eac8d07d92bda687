"""Rows of consent that is remembered: one for each user, app and patient."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from server.store.login_tables import memory
from server.store.tables import client


def put(connection: Connection, values: dict[str, Any]) -> None:
    """Keep one, in place of the one before."""
    connection.execute(
        memory.delete().where(
            memory.c.account == values["account"],
            memory.c.client == values["client"],
            memory.c.patient == values["patient"],
        )
    )
    connection.execute(insert(memory).values(**values))


def row(
    connection: Connection, account: str, client_id: str, patient: str, *, now: int
) -> Row[Any] | None:
    """The one of a user, an app and a patient."""
    query = select(memory).where(
        memory.c.account == account,
        memory.c.client == client_id,
        memory.c.patient == patient,
        memory.c.expires > now,
    )
    return connection.execute(query.order_by(memory.c.created.desc())).first()


def of_account(connection: Connection, account: str, *, now: int) -> Sequence[Row[Any]]:
    """Those of a user, the latest first, with the names of the apps."""
    query = (
        select(memory, client.c.name.label("client_name"))
        .join(client, client.c.id == memory.c.client)
        .where(memory.c.account == account, memory.c.expires > now, client.c.retired == 0)
    )
    return connection.execute(query.order_by(memory.c.created.desc())).fetchall()


def forget(connection: Connection, account: str, client_id: str = "") -> bool:
    """Forget those of a user, of one app if it is named; false when there are none."""
    gone = memory.delete().where(memory.c.account == account)
    if client_id:
        gone = gone.where(memory.c.client == client_id)
    return connection.execute(gone).rowcount > 0


def purge(connection: Connection, *, now: int) -> int:
    """Forget those whose time is over."""
    return connection.execute(memory.delete().where(memory.c.expires <= now)).rowcount
