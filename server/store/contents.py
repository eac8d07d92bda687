"""Where the bytes of Binaries lie; the bytes themselves are blobs."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from server.store.fhir_tables import content
from server.store.jobs import insert_for


def keep(connection: Connection, organisation: int, id_: str, values: dict[str, Any]) -> None:
    """Keep where the bytes of a Binary lie; they never change, so what is known stays."""
    row = insert_for(connection.dialect.name, content).values(
        organisation=organisation, id=id_, **values
    )
    connection.execute(row.on_conflict_do_nothing())


def of(connection: Connection, organisation: int, id_: str) -> Any:
    """The row of a Binary, None if it has no bytes."""
    query = select(content).where(content.c.organisation == organisation, content.c.id == id_)
    return connection.execute(query).one_or_none()


def blob_of(connection: Connection, organisation: int, sha256: str) -> str:
    """A blob that holds these bytes and nothing else, "" if there is none."""
    query = select(content.c.blob).where(
        content.c.organisation == organisation, content.c.sha256 == sha256
    )
    return connection.execute(query.order_by(content.c.blob).limit(1)).scalar() or ""


def known_blobs(connection: Connection, organisation: int, keys: Iterable[str]) -> set[str]:
    """Which of these blob keys have a row."""
    query = select(content.c.blob).where(
        content.c.organisation == organisation, content.c.blob.in_(list(keys))
    )
    return set(connection.execute(query).scalars())


def count(connection: Connection) -> int:
    """How many blobs hold bytes of Binaries alone."""
    query = select(func.count()).select_from(content).where(content.c.sha256 != "")
    return connection.execute(query).scalar() or 0


def page(connection: Connection, after: tuple[int, str], most: int) -> Sequence[Any]:
    """The next rows that have a blob of their own, by key."""
    key = tuple_(content.c.organisation, content.c.id)
    query = select(content).where(content.c.sha256 != "", key > tuple_(*after))
    rows = connection.execute(query.order_by(content.c.organisation, content.c.id).limit(most))
    return rows.fetchall()
