"""Brings a database to the present schema. `python -m server.store.migrate MESSAGE` drafts a step."""

import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.schema import CreateIndex, CreateTable

from server.store import (  # noqa: F401 - they fill the metadata
    fhir_tables,
    hl7_tables,
    login_tables,
    release_tables,
    share_tables,
    tables,
)
from server.store.columns import metadata
from server.store.db import Database
from server.store.install import schema_version

FOLDER = Path(__file__).parent / "migrations"
_STAMP = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def _config(connection: Connection) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config


def migrate(database: Database) -> None:
    """Bring the tables to the last step, in one transaction; one process at a time.

    Alembic is asked only where there is something to move: it takes longer to import than to make
    all tables anew, and a test holds that they are the same tables.
    """
    with database.write() as connection:
        version = schema_version(connection)
        if version is None:
            _create(connection)
        elif version != _latest():
            upgrade(connection)


def _create(connection: Connection) -> None:
    """Make everything as the steps would, in their order: SQLite's planner decides ties by it."""
    connection.execute(text(_STAMP))
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index))
    stamp = text("INSERT INTO alembic_version (version_num) VALUES (:version)")
    connection.execute(stamp, {"version": _latest()})


def upgrade(connection: Connection) -> None:
    """Apply every step that is missing."""
    from alembic import command

    command.upgrade(_config(connection), "head")


def _latest() -> str:
    """The last step's number, with which its file's name begins."""
    return max(path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def _draft(message: str) -> None:
    """Write the step that leads from the latest migrations to the tables as they are now."""
    from alembic import command

    database = Database("sqlite:////dev/shm/triptych-draft.db")
    with database.write() as connection:
        upgrade(connection)
    with database.write() as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=_next())
    database.close()


def _next() -> str:
    return f"{len(list((FOLDER / 'versions').glob('*.py'))) + 1:04d}"


if __name__ == "__main__":
    _draft(" ".join(sys.argv[1:]))
