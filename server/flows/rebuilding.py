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
from server.flows.actors import CLI
from server.flows.arrivals import arrive
from server.flows.sites import House
from server.store import index, install, jobs, remaking
from server.store import messages as log
from server.store.index import StudyKey
from server.store.resources import Change

_REASON = "made anew"
# Rows in a transaction: somebody else waits for it.
_STEP = 10


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the work: what it goes through, how many there are, and what is wrong with each."""

    name: str
    count: int
    faults: Iterator[str]


def steps(house: House) -> Iterator[Step]:
    """The parts, in the order in which each needs what the one before it made."""
    _tell(house)
    recovery.mend(house, whole=True)
    for name, kind, work in _WORKS:
        with house.database.read() as connection:
            count = remaking.count(connection, kind)
        yield Step(name, count, work(house, remaking.through(house.database, kind)))


def _tell(house: House) -> None:
    """Let the audit of each organisation say who had this done."""
    with house.database.write() as connection:
        for organisation in install.organisations(connection):
            event = CLI.event(organisation, "update", "rebuild: what is derived is made anew")
            house.auditor.append(connection, event)


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
    if header.facts.uid != row.uid:
        return f"{row.uid}: its bytes are those of another object"
    said = {name: values[name] for name in remaking.READ}
    with house.database.read() as connection:
        known = remaking.json_of(connection, row)
    if known != header.json or any(getattr(row, name) != it for name, it in said.items()):
        with house.database.write() as connection:
            remaking.correct(connection, row, said, header.json)
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

    def apply(connection: Connection, row: Any) -> None:
        messages.apply_again(connection, log.row(connection, *row), clock.now())

    return _steps(house, rows, apply)


_WORKS = (
    ("objects", remaking.OBJECTS, _objects),
    ("studies", remaking.STUDIES, _studies),
    ("resources", remaking.RESOURCES, _resources),
    ("messages", remaking.MESSAGES, _messages),
)
