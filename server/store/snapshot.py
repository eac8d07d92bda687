"""A copy of the embedded database while others write, and reading in it what it names."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, func, select, tuple_
from sqlalchemy.pool import NullPool

from server.errors import Busy, Full
from server.store.fhir_tables import content
from server.store.tables import instance

_PAGES = 1024
_BATCH = 200
Progress = Callable[[int, int], None]


def copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy the database as it is at one moment (SQLite's online backup), a few pages at a time.

    Nobody waits: the source is read in one transaction, so that writers do not make the copy begin
    anew. Their write-ahead log cannot be taken in meanwhile, and grows. `progress` gets how many
    pages are left, and of how many.
    """
    target.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(source, isolation_level=None)) as origin:
            origin.execute("BEGIN")
            origin.execute("SELECT count(*) FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(target)) as made:
                made.execute("PRAGMA journal_mode=OFF")  # a copy that is not whole is thrown away
                origin.backup(made, pages=_PAGES, progress=lambda _, left, of: progress(left, of))
    except sqlite3.Error as error:
        if "full" in str(error):
            raise Full("the disk of the copy is full: free space, then begin again") from error
        raise Busy(f"the database cannot be copied ({error}): begin again") from error


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    """A connection to a copy, which leaves no trace in its folder."""
    url = f"sqlite:///file:{path.absolute()}?mode=ro&immutable=1&uri=true"
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        yield connection


def faults(connection: Connection) -> list[str]:
    """What SQLite itself has against the file."""
    rows = connection.exec_driver_sql("PRAGMA quick_check")
    return [str(row[0]) for row in rows if row[0] != "ok"]


def count(connection: Connection) -> tuple[int, int]:
    """How many blobs the rows name, and how many bytes those have."""
    total, size = 0, 0
    for table, length, where in _NAMED:
        query = select(func.count(), func.coalesce(func.sum(length), 0)).select_from(table)
        row = connection.execute(query.where(*where)).one()
        total, size = total + int(row[0]), size + int(row[1])
    return total, size


def blobs(connection: Connection) -> Iterator[list[tuple[str, int]]]:
    """Every blob that a row names, with its size, a batch at a time."""
    for table, length, where in _NAMED:
        key = tuple_(table.c.organisation, table.c.blob)
        query = select(table.c.organisation, table.c.blob, length.label("size"))
        query = query.where(*where).order_by(table.c.organisation, table.c.blob).limit(_BATCH)
        rows = connection.execute(query).fetchall()
        while rows:
            yield [(row.blob, int(row.size)) for row in rows]
            last = tuple_(rows[-1].organisation, rows[-1].blob)
            rows = connection.execute(query.where(key > last)).fetchall()


# Objects; and documents, but for those that lie within an object's blob. Several Binaries with equal
# bytes may share a blob: it is named once for each, and copied once.
_NAMED: tuple[tuple[Any, Any, tuple[Any, ...]], ...] = (
    (instance, instance.c.size, ()),
    (content, content.c.length, (content.c.sha256 != "",)),
)
