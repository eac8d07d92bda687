"""The only way to the database: `read()` for a snapshot, `write()` for a fair write transaction.

Raising rolls back, returning commits. Write transactions stay under 50 ms; no network and no
blob I/O inside one. A commit is on disk when `write()` returns (SQLite: WAL, synchronous=FULL).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from server.errors import Busy, Full
from server.store.combine import Combiner, Ticket
from server.store.turnstile import Turnstile

T = TypeVar("T")
Work = Callable[[Connection], Any]

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=15000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16000",
    "PRAGMA mmap_size=268435456",
)


def _engine(url: str, **pool: Any) -> Engine:
    """An engine whose errors do not quote the values of a statement: they end in the log."""
    return create_engine(url, hide_parameters=True, **pool)


def _prepare_sqlite(engine: Engine, begin: str) -> None:
    """Take transaction control from the driver, so that a write begins as one."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.connection.driver_connection.execute(begin)  # type: ignore[union-attr]


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    """Undo what is done in the block if it raises. The driver is asked itself: it takes a tenth."""
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT one")
    try:
        yield
    except BaseException:
        driver.execute("ROLLBACK TO SAVEPOINT one")
        raise
    finally:
        driver.execute("RELEASE SAVEPOINT one")


def _plain(error: OperationalError) -> Exception:
    """The product's error for what the database says of its own state."""
    text = str(error.orig)
    if "is full" in text or "No space left" in text:
        return Full("the database's disk is full: free space, then send again")
    if "locked" in text or "connect" in text:
        return Busy("the database cannot be reached or is busy", retry=5)
    return error


class Database:
    """Engines for reading and writing one database. Safe for threads; one per process."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self._turnstile: Turnstile | None = None
        self._writing: Connection | None = None
        if self.sqlite:
            path = Path(parsed.database or "")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._turnstile = Turnstile(path)
            self.reader = _engine(url, pool_size=32, max_overflow=32)
            self.writer = _engine(url, pool_size=4, max_overflow=32)
            _prepare_sqlite(self.reader, "BEGIN")
            _prepare_sqlite(self.writer, "BEGIN IMMEDIATE")
        else:
            self.reader = _engine(url, pool_size=16, max_overflow=16, pool_pre_ping=True)
            self.writer = self.reader
        self._combiner: Combiner[Work, Any] = Combiner(self._flush)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one consistent snapshot; never commits anything."""
        with self._telling(), self.reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, entered in order of arrival."""
        if self._turnstile is None:
            with self._telling(), self.writer.begin() as connection:
                yield connection
            return
        with (
            self._telling(),
            self._turnstile.turn(),
            self._kept() as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _kept(self) -> Iterator[Connection]:
        """SQLite's one writer keeps its connection: fetching it costs as much as a small commit."""
        connection = self._writing or self.writer.connect()
        self._writing = None
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._writing = connection

    def apply(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction that is shared with whoever else waits.

        Each caller's work stands in a savepoint of its own: one that raises is undone alone.
        """
        return cast(T, self._combiner.run(work))

    def _flush(self, tickets: Sequence[Ticket[Work, Any]]) -> None:
        with self.write() as connection:
            if len(tickets) == 1:
                tickets[0].result = tickets[0].item(connection)
                return
            for ticket in tickets:
                try:
                    with _savepoint(connection):
                        ticket.result = ticket.item(connection)
                except Exception as error:  # told to its own caller; the others go on
                    ticket.error = error

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise _plain(error) from error

    def close(self) -> None:
        """Close every connection; the Database cannot be used afterwards."""
        if self._writing is not None:
            self._writing.close()
        self.reader.dispose()
        self.writer.dispose()
        if self._turnstile:
            self._turnstile.close()
