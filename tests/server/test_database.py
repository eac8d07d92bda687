"""Writers take turns, errors undo their own work alone, and the schema is what migrations make."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from server.store.columns import metadata
from server.store.db import Database
from server.store.migrate import migrate, upgrade
from server.store.tables import install


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'triptych.db'}")
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[Database]:
    """A database that went through every migration."""
    opened = Database(f"sqlite:///{tmp_path / 'stepped.db'}")
    with opened.write() as connection:
        upgrade(connection)
    yield opened
    opened.close()


def test_migrations_make_exactly_the_tables_of_the_code(stepped: Database) -> None:
    with stepped.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_an_empty_database_gets_the_tables_that_migrations_make(
    database: Database, stepped: Database
) -> None:
    assert list(schema(database).items()) == list(schema(stepped).items())
    with database.read() as fresh, stepped.read() as old:
        revision = MigrationContext.configure(fresh).get_current_revision()
        assert revision == MigrationContext.configure(old).get_current_revision() is not None


def schema(database: Database) -> dict[str, list[str]]:
    """Every table and index in order, which planners heed, with what it says in any order."""
    with database.read() as connection:
        rows = connection.execute(
            text("SELECT name, sql FROM sqlite_master ORDER BY rowid")
        ).fetchall()
    return {row.name: sorted(re.findall(r"[^\s,()]+", row.sql or "")) for row in rows}


def test_migrating_again_changes_nothing(database: Database) -> None:
    before = schema(database)
    migrate(database)
    assert schema(database) == before


def test_a_commit_is_synced_before_write_returns(database: Database) -> None:
    with database.write() as connection:
        modes = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in PRAGMAS]
    assert modes == ["wal", 2]


def test_an_error_of_the_database_does_not_quote_what_was_to_be_written(
    database: Database,
) -> None:
    """It goes into the log, and what is written speaks of patients."""

    def write() -> None:
        with database.write() as connection:
            connection.execute(insert(install).values(name="a", value="Liddell^Alice"))

    write()
    with pytest.raises(IntegrityError, match="UNIQUE") as caught:
        write()
    assert "Alice" not in str(caught.value)


def test_raising_rolls_back_and_returning_commits(database: Database) -> None:
    def break_off() -> None:
        with database.write() as connection:
            connection.execute(insert(install).values(name="a", value="1"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    with database.write() as connection:
        connection.execute(insert(install).values(name="b", value="2"))
    with database.read() as connection:
        assert connection.execute(select(install.c.name)).scalars().all() == ["b"]


def test_work_that_fails_in_a_shared_transaction_is_undone_alone(database: Database) -> None:
    def work(number: int) -> Callable[[Connection], int]:
        def run(connection: Connection) -> int:
            connection.execute(insert(install).values(name=f"n{number}", value=""))
            if number % 3 == 0:
                raise ValueError(str(number))
            return number

        return run

    done: list[int] = []
    failed: list[str] = []

    def call(number: int) -> None:
        try:
            done.append(database.apply(work(number)))
        except ValueError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=call, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with database.read() as connection:
        kept = set(connection.execute(select(install.c.name)).scalars())
    assert sorted(done) == [n for n in range(30) if n % 3]
    assert sorted(map(int, failed)) == list(range(0, 30, 3))
    assert kept == {f"n{n}" for n in done}


PRAGMAS = ("journal_mode", "synchronous")

WRITER = """
import sys, time
from server.store.db import Database
from sqlalchemy import text
database = Database(sys.argv[1])
ended = time.monotonic() + 2
count = 0
while time.monotonic() < ended:
    with database.write() as connection:
        connection.execute(text("INSERT OR REPLACE INTO install VALUES (:n, 'x')"), {"n": sys.argv[2]})
    count += 1
print(count)
"""


@pytest.mark.slow
def test_five_writing_processes_get_equal_turns(database: Database, tmp_path: Path) -> None:
    """Without the turnstile the best writer commits hundreds of times for one of the worst."""
    url = f"sqlite:///{tmp_path / 'triptych.db'}"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, str(n)], stdout=subprocess.PIPE)
        for n in range(5)
    ]
    counts = sorted(int(writer.communicate(timeout=60)[0]) for writer in writers)
    assert counts[0] * 3 > counts[-1] > 0
