"""The audit chain: whole, signed, and broken by any change."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, select, update

from server.errors import Full
from server.flows import audit
from server.flows.audit import Auditor, Event
from server.store.db import Database
from server.store.migrate import migrate
from server.store.tables import audit as rows

READ = Event(1, "dicomweb", "read", grant="g", patient="p", study="1.2")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'triptych.db'}")
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def auditor(database: Database) -> Auditor:
    return Auditor(database, "web-1")


def stored(database: Database) -> list[tuple[str, int, int]]:
    with database.read() as connection:
        query = select(rows.c.action, rows.c.count, rows.c.bytes).order_by(rows.c.seq)
        return [tuple(row) for row in connection.execute(query)]


def test_reads_of_one_window_are_one_event_closed_with_what_was_sent(
    database: Database, auditor: Auditor
) -> None:
    for _ in range(3):
        reading = auditor.reading(READ)
        reading.sent(100, count=1)
        reading.end()
    assert stored(database) == [("read", 0, 0)]
    auditor.close()
    assert stored(database) == [("read", 0, 0), ("close", 3, 300)]


def test_another_person_or_door_opens_another_event(database: Database, auditor: Auditor) -> None:
    for other in (READ, Event(1, "dicomweb", "read", grant="g", patient="q", study="1.2")):
        auditor.reading(other).end()
    assert len(stored(database)) == 2


def test_a_row_names_no_patient_but_the_salted_digest(database: Database, auditor: Auditor) -> None:
    auditor.note(READ)
    with database.read() as connection:
        row = connection.execute(select(rows)).mappings().one()
        assert row["person"] == auditor.person(connection, 1, "p")
    assert len(row["person"]) == 64


def test_an_untouched_chain_verifies_with_its_signatures(
    database: Database, auditor: Auditor
) -> None:
    for number in range(5):
        auditor.note(Event(1, "fhir", "search", detail=str(number)))
    auditor.tend()
    with database.write() as connection:
        assert audit.verify(connection) == []


def test_a_full_disk_lets_the_chain_wait_and_ends_nobody(
    database: Database, auditor: Auditor
) -> None:
    """Roles tend their chain once a minute: what that raises would end them."""
    auditor.single(READ).end()
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")  # no page more than there is
    with suppress(Full):
        while auditor.note(READ):
            pass
    auditor.tend()
    assert ("close", 0, 0) not in stored(database)
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    auditor.tend()
    assert ("close", 0, 0) in stored(database)


def change(connection: Connection) -> None:
    connection.execute(update(rows).where(rows.c.seq == 3).values(detail="other"))


def remove(connection: Connection) -> None:
    connection.execute(delete(rows).where(rows.c.seq == 3))


def truncate(connection: Connection) -> None:
    connection.execute(delete(rows).where(rows.c.seq > 3))


def forge(connection: Connection) -> None:
    """Change a row and chain everything after it anew, as somebody with the database can."""
    change(connection)
    digest = "0" * 64
    for row in connection.execute(select(rows).order_by(rows.c.seq)).mappings().all():
        digest = audit.link(digest, {key: val for key, val in row.items() if key != "hash"})
        connection.execute(update(rows).where(rows.c.seq == row["seq"]).values(hash=digest))


@pytest.mark.parametrize("harm", [change, remove, truncate, forge])
def test_a_chain_that_was_tampered_with_is_found(
    database: Database, auditor: Auditor, harm: Callable[[Connection], None]
) -> None:
    for number in range(5):
        auditor.note(Event(1, "fhir", "search", detail=str(number)))
    auditor.tend()
    with database.write() as connection:
        harm(connection)
    with database.read() as connection:
        assert audit.verify(connection) != []
