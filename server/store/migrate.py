"""Brings a database to the present schema. `python -m server.store.migrate MESSAGE` drafts a step."""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from server.store.db import Database

FOLDER = Path(__file__).parent / "migrations"


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config


def migrate(database: Database) -> None:
    """Apply every step that is missing, in one transaction; one process at a time."""
    with database.write() as connection:
        command.upgrade(_config(connection), "head")


def _draft(message: str) -> None:
    """Write the step that leads from the latest migrations to the tables as they are now."""
    database = Database("sqlite:////dev/shm/triptych-draft.db")
    migrate(database)
    with database.write() as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=_next())
    database.close()


def _next() -> str:
    return f"{len(list((FOLDER / 'versions').glob('*.py'))) + 1:04d}"


if __name__ == "__main__":
    _draft(" ".join(sys.argv[1:]))
