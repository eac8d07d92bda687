"""Rows that were made of objects and messages: paged through by key, compared, and put right."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    false,
    func,
    select,
    true,
    tuple_,
    update,
)

from fhir import release_traits, wire
from server.store import resources
from server.store.db import Database
from server.store.fhir_tables import resource
from server.store.hl7_tables import message
from server.store.jobs import insert_for
from server.store.messages import DUPLICATE, PARKED
from server.store.resources import Change
from server.store.tables import instance, instance_json, study

# Few at a time in memory: what a row tells of its object may be long.
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """What one goes through: its table and key, the columns that are wanted, and which rows count."""

    table: Table
    key: tuple[str, ...]
    columns: tuple[str, ...]
    which: ColumnElement[bool]


# What an object says of itself; not where its row belongs: a second content of an object, for one,
# is filed under the study of the first.
READ = (
    *("number", "sop_class", "transfer_syntax", "dataset_offset", "preamble_clean", "deflated"),
    *("frames", "rows", "columns", "facts", "bulk", "frame_index"),
)
OBJECTS = Kind(
    instance,
    ("organisation", "uid", "copy"),
    ("blob", "size", "sha256", "door", "peer", *READ),
    true(),
)
STUDIES = Kind(study, ("organisation", "uid", "claim"), (), true())
RESOURCES = Kind(resource, ("organisation", "rid"), ("type", "id"), resource.c.deleted == false())
MESSAGES = Kind(message, ("organisation", "id"), (), message.c.state.not_in([DUPLICATE, PARKED]))


def count(connection: Connection, kind: Kind) -> int:
    """How many there are."""
    query = select(func.count()).select_from(kind.table).where(kind.which)
    return connection.execute(query).scalar() or 0


def page(connection: Connection, kind: Kind, after: Any, most: int) -> Sequence[Any]:
    """The next rows behind a row, from the first one on after None."""
    key = [kind.table.c[name] for name in kind.key]
    query = select(*key, *(kind.table.c[name] for name in kind.columns)).where(kind.which)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*(getattr(after, name) for name in kind.key)))
    return connection.execute(query.order_by(*key).limit(most)).fetchall()


def through(database: Database, kind: Kind) -> Iterator[Any]:
    """Every row, a page at a time: no snapshot stays open for hours, the log would grow."""
    after = None
    while True:
        with database.read() as connection:
            rows = page(connection, kind, after, _PAGE)
        yield from rows
        if not rows:
            return
        after = rows[-1]


def correct(connection: Connection, row: Any, values: Mapping[str, Any], json_text: str) -> None:
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
