"""Makes anew whatever was made from stored objects and from the log of messages.

For rows that were lost or damaged, and for a version that reads more out of an object or finds a
resource by more. Runs beside the server, in steps that each stand alone: one that was cut off is
begun again. What people decided and what clients wrote is not derived, and stays.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from dicom import files
from dicom.errors import DicomError
from dicom.sink import Peer, StoreRequest
from server import clock
from server.errors import Fault
from server.flows import messages, recovery
from server.flows.arrivals import arrive
from server.flows.sites import House
from server.store import index, jobs, remaking
from server.store.index import StudyKey
from server.store.remaking import Kind
from server.store.resources import Change

_REASON = "made anew"
_STEP = 50
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the work: what it goes through, how many there are, and what is wrong with each."""

    name: str
    count: int
    faults: Iterator[str]


def steps(house: House) -> Iterator[Step]:
    """The parts, in the order in which each needs what the one before it made."""
    recovery.mend(house, whole=True)
    for name, kind, work in _WORKS:
        with house.database.read() as connection:
            count = remaking.count(connection, kind)
        yield Step(name, count, work(house, _through(house, kind)))


def _through(house: House, kind: Kind) -> Iterator[Any]:
    """Every row, a page at a time: no snapshot stays open for hours."""
    after, rows = None, [None]
    while rows:
        with house.database.read() as connection:
            rows = list(remaking.page(connection, kind, after, _PAGE))
        yield from rows
        after = rows[-1] if rows else None


def _steps(
    house: House, rows: Iterator[Any], work: Callable[[Connection, Any], None]
) -> Iterator[str]:
    """Do something with each row, some in each transaction."""
    while some := list(islice(rows, _STEP)):
        with house.database.write() as connection:
            for row in some:
                work(connection, row)
        yield from ("" for _ in some)


def _objects(house: House, rows: Iterator[Any]) -> Iterator[str]:
    """Read each object's header again, and keep what it says if that is more or other."""
    for row in rows:
        try:
            yield _read_again(house, row)
        except (DicomError, Fault, OSError) as error:
            yield f"{row.uid}: {error}"


def _read_again(house: House, row: Any) -> str:
    request = StoreRequest(row.door, Peer(row.peer, row.organisation, frozenset()))
    with house.blobs.map(row.blob) as view, memoryview(view) as data:
        header = files.read(data)
    values = arrive(request, header, row.blob, row.size, row.sha256).row
    if values["uid"] != row.uid:
        return f"{row.uid}: its bytes are those of another object"
    with house.database.read() as connection:
        known = remaking.json_of(connection, row)
    if known != header.json or any(getattr(row, name) != it for name, it in values.items()):
        with house.database.write() as connection:
            remaking.correct(connection, row, values, header.json)
    return ""


def _studies(house: House, rows: Iterator[Any]) -> Iterator[str]:
    """Ask for the ImagingStudy of each study, which asks for its documents and its joins."""

    def ask(connection: Connection, row: Any) -> None:
        now, key = clock.now(), StudyKey(row.organisation, row.uid, row.claim)
        index.set_settling(connection, key, True)
        where = f"{key.uid}|{key.claim}"
        jobs.add(connection, key.organisation, "settle", where, now=now, run_at=now)

    return _steps(house, rows, ask)


def _resources(house: House, rows: Iterator[Any]) -> Iterator[str]:
    """Write anew what each resource is found by, and what a release table asks of it."""
    change = Change(clock.now(), _REASON, house.config.fhir_base)
    return _steps(house, rows, lambda at, row: remaking.index_again(at, row, change))


def _messages(house: House, rows: Iterator[Any]) -> Iterator[str]:
    """Apply each message anew, in its lanes, in the order in which they came."""
    return _steps(house, rows, lambda at, row: messages.apply_again(at, row, clock.now()))


_WORKS = (
    ("objects", remaking.OBJECTS, _objects),
    ("studies", remaking.STUDIES, _studies),
    ("resources", remaking.RESOURCES, _resources),
    ("messages", remaking.MESSAGES, _messages),
)
