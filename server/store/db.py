"""The only way to the database: `read()` for a snapshot, `write()` for a fair write transaction.

Raising rolls back, returning commits. Write transactions stay under 50 ms; no network and no
blob I/O inside one. A commit is on disk when `write()` returns (SQLite: WAL, synchronous=FULL).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from server.errors import Busy, Full, TooLarge
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


def _prepare_sqlite(engine: Engine) -> None:
    """Take transaction control from the driver: `read` and `write` say when one begins, and how."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()


class _Kept:
    """Connections to SQLite kept at hand: to fetch one from a pool costs as much as a small commit."""

    def __init__(self, engine: Engine, begin: str, end: Callable[[Connection], None]) -> None:
        self._engine = engine
        self._begin = begin
        self._end = end
        self._idle: list[Connection] = []

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection with a transaction for a block; one that raises is rolled back."""
        connection = self._take()
        try:
            _driver(connection).execute(self._begin)
            yield connection
            self._end(connection)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._engine.connect()

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def _driver(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection


def _knowing(connection: Connection) -> Any:
    """Who is to end a transaction: SQLAlchemy knows of it only if it has run a statement in it."""
    return connection if connection.in_transaction() else _driver(connection)


def _commit(connection: Connection) -> None:
    _knowing(connection).commit()


def _forget(connection: Connection) -> None:
    _knowing(connection).rollback()


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    """Undo what is done in the block if it raises. The driver is asked itself: it takes a tenth."""
    driver = _driver(connection)
    driver.execute("SAVEPOINT one")
    try:
        yield
    except BaseException:
        driver.execute("ROLLBACK TO SAVEPOINT one")
        raise
    finally:
        driver.execute("RELEASE SAVEPOINT one")


def _plain(error: Exception) -> Exception:
    """The product's error for what the database says of its own state."""
    text = str(getattr(error, "orig", error))
    if "is full" in text or "No space left" in text:
        return Full("the database's disk is full: free space, then send again")
    if "locked" in text or "connect" in text:
        return Busy("the database cannot be reached or is busy", retry=5)
    if "parser stack" in text:  # as far as SQLite reads conditions that lie in each other
        return TooLarge("this asks for more at once than the database can read: use shorter chains")
    return error


class Database:
    """Engines for reading and writing one database. Safe for threads; one per process."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self._combiner: Combiner[Work, Any] = Combiner(self._flush)
        if self.sqlite:
            path = Path(parsed.database or "")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._turnstile = Turnstile(path)
            self.reader = _engine(url, pool_size=32, max_overflow=32)
            self.writer = _engine(url, pool_size=4, max_overflow=32)
            _prepare_sqlite(self.reader)
            _prepare_sqlite(self.writer)
            self._readers = _Kept(self.reader, "BEGIN", _forget)
            self._writers = _Kept(self.writer, "BEGIN IMMEDIATE", _commit)
        else:
            self.reader = _engine(url, pool_size=16, max_overflow=16, pool_pre_ping=True)
            self.writer = self.reader
        # What SQLAlchemy raises, and what drivers do when they are asked themselves.
        self._unwell = (OperationalError, self.reader.dialect.loaded_dbapi.OperationalError)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one consistent snapshot; never commits anything."""
        block = self._readers.transaction() if self.sqlite else self.reader.connect()
        with self._telling(), block as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, entered in order of arrival."""
        turn = self._turnstile.turn() if self.sqlite else nullcontext()
        block = self._writers.transaction() if self.sqlite else self.writer.begin()
        with self._telling(), turn, block as connection:
            yield connection

    def is_awaited(self) -> bool:
        """Whether another writer waits for the one who asks, and who writes."""
        return self.sqlite and self._turnstile.is_awaited()

    def apply(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction that is shared with whoever else waits.

        Each caller's work stands in a savepoint of its own: one that raises is undone alone.
        """
        return cast(T, self._combiner.run(work))

    def _flush(self, tickets: Sequence[Ticket[Work, Any]]) -> None:
        with self.write() as connection:
            if len(tickets) == 1:
                tickets[0].result = tickets[0].context.run(tickets[0].item, connection)
                return
            for ticket in tickets:
                try:
                    with _savepoint(connection):
                        ticket.result = ticket.context.run(ticket.item, connection)
                except Exception as error:  # told to its own caller; the others go on
                    ticket.error = error

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except self._unwell as error:
            raise _plain(error) from error

    def close(self) -> None:
        """Close every connection; the Database cannot be used afterwards."""
        if self.sqlite:
            self._readers.close()
            self._writers.close()
            self._turnstile.close()
        self.reader.dispose()
        self.writer.dispose()
