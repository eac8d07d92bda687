"""Import: files, folders, discs and archives through the same sink as the network doors."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock

from dicom.errors import DicomError, MediaDirectory
from dicom.media import looks_like_dicom
from dicom.sink import Peer, Receipt, Sink, StoreRequest
from server import clock
from server.errors import Conflict, Fault
from server.flows import ingest, parties
from server.flows.committers import Committers
from server.flows.gathering import UNREADABLE, ZIP_MAGIC, Entry
from server.flows.sites import House
from server.store import people

_HEAD = 4096
_NOT_DICOM = "not a DICOM file"


@dataclass(slots=True)
class Tally:
    """What became of the files: each counts once. Details name those that need a look."""

    files: int = 0
    accepted: int = 0
    warned: int = 0
    duplicate: int = 0
    rejected: int = 0
    skipped: int = 0
    details: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Skipped(Exception):
    """A file that is nothing to store."""

    reason: str


def destination(house: House, organisation: str, issuer: str) -> StoreRequest:
    """Where imported objects go: the organisation, whose `issuer` their bare numbers get."""
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        if issuer:
            system = parties.check_system(issuer)
            if people.own_system(connection, owner, system, now=clock.now()) != owner:
                raise Conflict(f"the numbers of {system} belong to another organisation")
    return StoreRequest("import", Peer("import", owner, frozenset({"store"}), issuer))


class Importer:
    """One import: reads file after file, commits several beside each other."""

    def __init__(self, house: House, request: StoreRequest) -> None:
        self._house = house
        self._request = request
        self._committers = Committers()
        self._mutex = Lock()
        self._details: dict[int, dict[str, str]] = {}
        self._tally = Tally()

    def run(self, entries: Iterable[Entry], progress: Callable[[int], None]) -> Tally:
        """Import every entry; `progress` is told the weight of each."""
        try:
            for number, entry in enumerate(entries):
                self._tally.files += 1
                self._take(number, entry)
                progress(entry.weight)
        finally:
            self._committers.finish()
        self._tally.details = [self._details[number] for number in sorted(self._details)]
        return self._tally

    def _take(self, number: int, entry: Entry) -> None:
        """Read one file into a sink and have it committed, or say why not."""
        sink = None
        try:
            if entry.skip:
                raise Skipped(entry.skip)
            chunks = _begin(entry.chunks())
            sink = ingest.open_sink(self._house, self._request)
            for chunk in chunks:
                sink.write(memoryview(chunk))
        except (Skipped, Fault, DicomError, *UNREADABLE) as error:
            if sink is not None:
                sink.abort()
            self._refuse(number, entry, error)
            return
        self._committers.later(lambda: self._commit(number, entry, sink))

    def _commit(self, number: int, entry: Entry, sink: Sink) -> None:
        try:
            receipt = sink.commit()
        except (Fault, DicomError) as error:
            sink.abort()
            self._refuse(number, entry, error)
            return
        self._keep(number, entry, receipt)

    def _keep(self, number: int, entry: Entry, receipt: Receipt) -> None:
        reasons = [sentence for _, sentence in receipt.warnings] + list(receipt.findings)
        with self._mutex:
            if receipt.duplicate:
                self._tally.duplicate += 1
            elif reasons:
                self._tally.warned += 1
                self._note(number, entry, "warned", "; ".join(reasons))
            else:
                self._tally.accepted += 1

    def _refuse(self, number: int, entry: Entry, error: Exception) -> None:
        skipped = isinstance(error, Skipped | MediaDirectory)
        with self._mutex:
            if skipped:
                self._tally.skipped += 1
            else:
                self._tally.rejected += 1
            self._note(number, entry, "skipped" if skipped else "rejected", _reason(error))

    def _note(self, number: int, entry: Entry, verdict: str, reason: str) -> None:
        self._details[number] = {"path": entry.name, "verdict": verdict, "reason": reason}


def _begin(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, if they begin as DICOM does; raises Skipped before anything is kept."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD:
            break
    if head.startswith(ZIP_MAGIC):
        raise Skipped("an archive inside an archive is not opened")
    if not looks_like_dicom(head):
        raise Skipped(_NOT_DICOM if head else "an empty file")
    return _chain(head, chunks)


def _chain(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from chunks


def _reason(error: Exception) -> str:
    if isinstance(error, Skipped):
        return error.reason
    if isinstance(error, DicomError | Fault):
        return str(error)
    return f"it cannot be read: {getattr(error, 'strerror', None) or error}"
