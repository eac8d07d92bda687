"""STOW-RS (PS3.18 10.5): each part of a request is an object of its own, kept or refused alone.

What is reported as stored is on disk. A request that breaks off loses the part it broke in.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dicom.dataset import Source
from dicom.errors import DicomError, Unreadable
from dicom.json_model import attribute
from dicom.part10 import FileMeta, read_meta
from dicom.sink import Peer, Receipt, Sink, StoreRequest
from server.errors import BadMedia, Busy, Denied, Fault, Full, dimse_status
from server.flows import ingest
from server.flows.access import Grant
from server.flows.committers import Committers
from server.flows.sites import House

log = logging.getLogger(__name__)

DICOM = "application/dicom"
# Preamble and file meta name the object of a part that cannot be stored.
_HEAD = 4096
_COMMENT = 64
# Warning Reason of an object that is kept although it breaks rules (PS3.18 table I.2-1).
_ODD = 0xB007


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that was not stored: what is known of it, and why."""

    sop_class: str
    sop_instance: str
    error: Fault | DicomError


def may_store(grant: Grant) -> None:
    """Raise Denied unless the grant may add objects to its organisation.

    A grant for one patient cannot say whom an object is about: its header would.
    """
    if grant.context != "system" or not grant.everyone:
        raise Denied("objects are stored with a system scope: system/ImagingStudy.c")


class Storing:
    """One STOW-RS request: opens a sink for each part, and remembers what became of it.

    Parts are committed beside each other while the next ones arrive, so that they share the
    flushes of disk and database; the answer waits for all of them.
    """

    def __init__(self, house: House, grant: Grant, study: str = "") -> None:
        may_store(grant)
        self._house = house
        peer = Peer(grant.client, grant.organisation, frozenset({"store"}))
        self._request = StoreRequest("dicomweb", peer, study=study)
        self._base = f"{house.config.base}/dicomweb/studies"
        self._parts: list[Part] = []
        self._committers = Committers()

    def open_part(self, headers: Mapping[str, str]) -> "Part":
        """A sink for the next part, by its header fields."""
        part = Part(self._committers.later)
        self._parts.append(part)
        kind = headers.get("content-type", DICOM).split(";")[0].strip().lower()
        if kind != DICOM:
            part.refuse(BadMedia(f"a part must be {DICOM}"))
        else:
            part.open(lambda: ingest.open_sink(self._house, self._request))
        return part

    def finish(self) -> None:
        """The body has ended, well or not: wait for the commits, drop a part that is incomplete."""
        if self._parts:
            self._parts[-1].cut()
        self._committers.finish()

    @property
    def empty(self) -> bool:
        """Whether there was no part at all."""
        return not self._parts

    @property
    def stored(self) -> list[Receipt]:
        """What is kept, in the order in which it came."""
        return [part.receipt for part in self._parts if part.receipt is not None]

    @property
    def failed(self) -> list[Failure]:
        """What is not kept, in the order in which it came."""
        return [part.failure for part in self._parts if part.failure is not None]

    @property
    def status(self) -> int:
        """The HTTP status that the outcomes add up to (PS3.18 table 10.5.3-1)."""
        failed = self.failed
        if stored := self.stored:
            return 202 if failed or any(map(_warning, stored)) else 200
        passing = [f.error.answer.http for f in failed if isinstance(f.error, Busy | Full)]
        return passing[0] if passing else 409

    def answer(self) -> dict[str, Any]:
        """The Store Instances Response Module (PS3.18 annex I)."""
        stored, failed = self.stored, self.failed
        studies = {receipt.study for receipt in stored}
        address = f"{self._base}/{studies.pop()}" if len(studies) == 1 else ""
        body = {"00081190": attribute("UR", [address])}
        if failed:
            body["00081198"] = attribute("SQ", [_failed(failure) for failure in failed])
        if stored:
            body["00081199"] = attribute("SQ", [self._kept(receipt) for receipt in stored])
        return body

    def _kept(self, receipt: Receipt) -> dict[str, Any]:
        place = f"series/{receipt.series}/instances/{receipt.sop_instance}"
        item = {
            "00081150": attribute("UI", [receipt.sop_class]),
            "00081155": attribute("UI", [receipt.sop_instance]),
            "00081190": attribute("UR", [f"{self._base}/{receipt.study}/{place}"]),
        }
        if warning := _warning(receipt):
            code, sentence = warning
            item |= {"00081196": attribute("US", [code]), "00000902": _comment(sentence)}
        return item


def _warning(receipt: Receipt) -> tuple[int, str] | None:
    """The most important warning: what was done with the object, then what is odd about it."""
    odd = ((_ODD, finding) for finding in receipt.findings)
    return next(iter(receipt.warnings), None) or next(odd, None)


def _failed(failure: Failure) -> dict[str, Any]:
    return {
        "00000902": _comment(str(failure.error)),
        "00081150": attribute("UI", [failure.sop_class]),
        "00081155": attribute("UI", [failure.sop_instance]),
        "00081197": attribute("US", [dimse_status(failure.error)]),
    }


def _comment(sentence: str) -> dict[str, Any]:
    """The code in words. Annex I has no place for them; Error Comment is what peers use."""
    return attribute("LO", [sentence[:_COMMENT]])


class Part:
    """One part on its way to a sink; see dicom.multipart.PartSink. An error ends this part only."""

    def __init__(self, later: Callable[[Callable[[], None]], None]) -> None:
        self.receipt: Receipt | None = None
        self.failure: Failure | None = None
        self._later = later
        self._sink: Sink | None = None
        self._head = bytearray()
        self._ended = False

    def open(self, opening: Callable[[], Sink]) -> None:
        """Open the sink, unless there is no room for another object."""
        with self._refusing():
            self._sink = opening()

    def write(self, data: memoryview) -> None:
        """Take the next bytes; those of a part that has failed are dropped."""
        if len(self._head) < _HEAD:
            self._head += data[: _HEAD - len(self._head)]
        if self._sink is not None and self.failure is None:
            with self._refusing():
                self._sink.write(data)

    def end(self) -> None:
        """The part is complete: make it durable."""
        self._ended = True
        if self.failure is None:
            self._later(self._commit)

    def _commit(self) -> None:
        with self._refusing():
            if self._sink is not None:
                self.receipt = self._sink.commit()
                self._head.clear()

    def cut(self) -> None:
        """The body broke off within this part, if it has not ended."""
        if not self._ended and self.failure is None:
            self.refuse(Unreadable("the request breaks off within this part"))

    def refuse(self, error: Fault | DicomError) -> None:
        """Give up on this part and remember why."""
        meta = _meta(bytes(self._head))
        self.failure = Failure(meta.sop_class, meta.sop_instance, error)
        self._head.clear()
        if self._sink is not None:
            self._sink.abort()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (Fault, DicomError) as error:
            self.refuse(error)
        except Exception:  # told as a failure of this object; the others go on
            log.exception("storing a part failed")
            self.refuse(Fault("the server failed; its log says why"))


def _meta(head: bytes) -> FileMeta:
    """What the file meta says of an object, as far as it can be read."""
    try:
        return read_meta(Source(memoryview(head), "ascii", []))
    except DicomError:
        return FileMeta()
