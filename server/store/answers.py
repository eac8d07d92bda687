"""Rows of later acknowledgements: kept with what they answer, sent in order, and how that went."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from server.store.hl7_tables import message_answer
from server.store.jobs import insert_for

WAITING, SENT, REFUSED = "waiting", "sent", "refused"


def add(connection: Connection, values: dict[str, Any]) -> None:
    """Keep an answer that is to be sent; a message is answered once with each code."""
    row = insert_for(connection.dialect.name, message_answer).values(state=WAITING, **values)
    connection.execute(row.on_conflict_do_nothing())


def waiting(connection: Connection, organisation: int, feed: str, limit: int) -> Sequence[Row[Any]]:
    """The answers that a feed has not been sent, oldest first."""
    query = select(message_answer).where(
        message_answer.c.organisation == organisation,
        message_answer.c.feed == feed,
        message_answer.c.state == WAITING,
    )
    order = message_answer.c.created, message_answer.c.message
    return connection.execute(query.order_by(*order).limit(limit)).fetchall()


def tell(connection: Connection, row: Row[Any], state: str, reply: bytes, now: int) -> None:
    """Say what became of an answer, and what the other side said to it."""
    where = (
        message_answer.c.organisation == row.organisation,
        message_answer.c.message == row.message,
        message_answer.c.code == row.code,
    )
    values = {"state": state, "reply": reply, "sent": now}
    connection.execute(update(message_answer).where(*where).values(**values))


def of(connection: Connection, organisation: int, message: int) -> Sequence[Row[Any]]:
    """The later answers to a message, oldest first."""
    query = select(message_answer).where(
        message_answer.c.organisation == organisation, message_answer.c.message == message
    )
    return connection.execute(query.order_by(message_answer.c.created)).fetchall()
