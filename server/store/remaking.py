"""Rows that were made of objects and messages: paged through by key, compared, and put right."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, false, func, select, tuple_, update

from fhir import release_traits, wire
from server.store import resources
from server.store.fhir_tables import resource
from server.store.hl7_tables import message
from server.store.jobs import insert_for
from server.store.messages import DUPLICATE, PARKED
from server.store.resources import Change
from server.store.tables import instance, instance_json, study

# What one goes through, by its key, and which rows of it count.
Kind = tuple[Any, tuple[str, ...], Any]
OBJECTS: Kind = (instance, ("organisation", "uid", "copy"), None)
STUDIES: Kind = (study, ("organisation", "uid", "claim"), None)
RESOURCES: Kind = (resource, ("organisation", "rid"), resource.c.deleted == false())
MESSAGES: Kind = (message, ("organisation", "id"), message.c.state.not_in([DUPLICATE, PARKED]))


def count(connection: Connection, kind: Kind) -> int:
    """How many there are."""
    table, _, which = kind
    query = select(func.count()).select_from(table)
    return connection.execute(query if which is None else query.where(which)).scalar() or 0


def page(connection: Connection, kind: Kind, after: Any, most: int) -> Sequence[Any]:
    """The next rows behind a row, from the first one on after None."""
    table, names, which = kind
    key = [table.c[name] for name in names]
    query = select(table).order_by(*key).limit(most)
    if which is not None:
        query = query.where(which)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*(getattr(after, name) for name in names)))
    return connection.execute(query).fetchall()


def correct(connection: Connection, row: Any, values: dict[str, Any], json_text: str) -> None:
    """Let an instance's row, and its DICOM JSON beside it, say what its object says."""
    mine = [(instance.c[name] == getattr(row, name)) for name in ("organisation", "uid", "copy")]
    connection.execute(update(instance).where(*mine).values(**values))
    text = insert_for(connection.dialect.name, instance_json).values(
        organisation=row.organisation, uid=row.uid, copy=row.copy, json=json_text
    )
    connection.execute(
        text.on_conflict_do_update(
            index_elements=["organisation", "uid", "copy"], set_={"json": json_text}
        )
    )


def json_of(connection: Connection, row: Any) -> str:
    """The DICOM JSON beside an instance's row, "" if it was lost."""
    query = select(instance_json.c.json).where(
        instance_json.c.organisation == row.organisation,
        instance_json.c.uid == row.uid,
        instance_json.c.copy == row.copy,
    )
    return connection.execute(query).scalar() or ""


def index_again(connection: Connection, row: Any, change: Change) -> None:
    """Write anew what a resource is found by, and what a release table asks of it."""
    now = resources.current(connection, row.organisation, row.type, row.id)
    if now is None or now.deleted:
        return
    body = wire.read(now.text)
    mine = (resource.c.organisation == now.organisation) & (resource.c.rid == now.rid)
    traits = release_traits.traits(body)
    connection.execute(update(resource).where(mine).values(traits=traits))
    resources.index_anew(connection, now.organisation, now.rid, body, change.base)
