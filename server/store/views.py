"""Rows of views: the viewer as an EHR launched it, each with the token that the server keeps for it."""

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from server.store.login_tables import view


def add(connection: Connection, values: dict[str, Any]) -> None:
    """Keep a view."""
    connection.execute(insert(view).values(**values))


def row(connection: Connection, id_: str) -> Row[Any] | None:
    """A view, over or not."""
    return connection.execute(select(view).where(view.c.id == id_)).one_or_none()


def of_launch(connection: Connection, launch: str) -> Row[Any] | None:
    """The view that came of a launch, by its digest."""
    return connection.execute(select(view).where(view.c.launch == launch)).one_or_none()


def purge(connection: Connection, *, now: int) -> int:
    """Forget views that are over."""
    return connection.execute(delete(view).where(view.c.expires <= now)).rowcount
