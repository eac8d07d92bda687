"""What was derived from the DICOM objects of a study, and what each source says of a resource."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from server.store.fhir_tables import derived
from server.store.jobs import insert_for
from server.store.prepared import Prepared, given

MESSAGE = "message"
# Stands for the documents of a report that were withdrawn, so that it is not taken for a message's.
GONE = "gone"


def keep(
    connection: Connection,
    organisation: int,
    type_: str,
    id_: str,
    source: str,
    *,
    study: str = "",
    text: str = "",
) -> None:
    """Keep what a source says of a resource, in place of what it said before."""
    row = insert_for(connection.dialect.name, derived).values(
        organisation=organisation, type=type_, id=id_, source=source, study=study, text=text
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["organisation", "type", "id", "source"],
            set_={"study": study, "text": text},
        )
    )


def forget(connection: Connection, organisation: int, type_: str, id_: str, source: str) -> None:
    """A source says nothing of a resource any more."""
    where = _is(organisation, type_, id_)
    connection.execute(delete(derived).where(*where, derived.c.source == source))


def forget_all(connection: Connection, organisation: int, type_: str, id_: str) -> None:
    """Nobody says anything of a resource but its own text."""
    connection.execute(delete(derived).where(*_is(organisation, type_, id_)))


_OF = Prepared(
    select(derived).where(given(derived, "organisation", "type", "id")).order_by(derived.c.source)
)


def of(connection: Connection, organisation: int, type_: str, id_: str) -> Sequence[Any]:
    """All that is said of a resource, in a fixed order: messages first, then by source."""
    rows = _OF.rows(connection, {"organisation": organisation, "type": type_, "id": id_})
    return sorted(rows, key=lambda row: row.source != MESSAGE)


def of_study(connection: Connection, organisation: int, study: str) -> Sequence[Any]:
    """All that was derived from a study, in a fixed order."""
    query = select(derived).where(derived.c.organisation == organisation, derived.c.study == study)
    return connection.execute(
        query.order_by(derived.c.type, derived.c.id, derived.c.source)
    ).fetchall()


def _is(organisation: int, type_: str, id_: str) -> list[Any]:
    return [
        derived.c.organisation == organisation,
        derived.c.type == type_,
        derived.c.id == id_,
    ]
