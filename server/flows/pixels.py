"""WADO-RS (PS3.18 10.4): stored objects, their metadata, values and frames, as streams.

What is sent is counted as it leaves, and its event is durable before its first byte.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dicom import coerce, convert, files, frames
from dicom.coerce import Coercion
from dicom.errors import Undecodable
from dicom.json_model import WORDS
from dicom.part10 import EXPLICIT_BIG, IMPLICIT_LITTLE, deflate, encoding_of, seen_encoding
from server.errors import Missing
from server.flows import current, reach
from server.flows.access import Grant
from server.flows.audit import Reading
from server.flows.query import absolute
from server.flows.sites import House
from server.store import dicom_search, index
from server.store.blobs import CHUNK
from server.store.index import StudyKey

_BATCH = 100
_PREAMBLE = 128
_MAGIC = slice(128, 132)
_PIXEL_DATA = "7FE00010"

ReadRange = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Selection:
    """The instances that an address means, and the claim they belong to."""

    claim: Any
    rows: Sequence[Any]

    @property
    def syntaxes(self) -> list[str]:
        """The transfer syntaxes that they are stored in."""
        return sorted({row.transfer_syntax for row in self.rows})


def select(house: House, grant: Grant, study: str, series: str = "", uid: str = "") -> Selection:
    """What an address means to this caller: of the first claim that has what is named.

    Missing when there is no such thing, Denied when it is another patient's.
    """
    with house.database.read() as connection:
        for claim in reach.claims(connection, grant, study):
            key = StudyKey(grant.organisation, study, claim.claim)
            rows = index.visible(connection, key, series, uid)
            if rows:
                return Selection(claim, reach.shown(connection, grant, claim, rows))
    raise Missing(f"the study holds no such {'instance' if uid else 'series'}")


def reading(house: House, grant: Grant, selection: Selection) -> Reading:
    """Open the event that covers what is about to be sent; the caller ends it."""
    claim = selection.claim
    return house.auditor.reading(
        reach.event(grant, "read", patient=claim.filed_under, study=claim.uid)
    )


@dataclass(frozen=True, slots=True)
class Copy:
    """A Part 10 file as it goes out: its length, and its bytes on demand."""

    length: int
    chunks: Iterable[bytes]


def copy(house: House, claim: Any, row: Any) -> Copy:
    """An object of a claim, its data set byte for byte unless its patient was changed since.

    A preamble that is neither zero nor TIFF is zeroed; file meta that never came is written.
    """
    head, rest = _begin(house, claim, row)
    return Copy(len(head) + row.size - rest, _follow(house, head, row, rest))


def data_set(house: House, claim: Any, row: Any, syntax: str) -> Iterable[bytes]:
    """The data set of an object of a claim, as it goes to a DICOM peer (PS3.8 annex E).

    `syntax` is the one it is stored in, or the other uncompressed one.
    """
    head, rest = _data_head(house, row, current.coercion(claim))
    if syntax == row.transfer_syntax:
        return _follow(house, head, row, rest)
    return _converted(house, head, row, rest)


def _converted(house: House, head: bytes, row: Any, rest: int) -> Iterator[bytes]:
    """Implicit instead of explicit VR or the other way round; long values come from the blob."""
    explicit = row.transfer_syntax == IMPLICIT_LITTLE
    with house.blobs.map(row.blob) as mapped, memoryview(mapped) as view:
        encoding = seen_encoding(view, row.dataset_offset) or encoding_of(row.transfer_syntax)
        if not head:
            parts = convert.parts(view, rest, encoding, explicit)
            for part in parts:
                yield from _part(house, row, part)
            return
        with view[rest:] as tail:
            whole = head + tail.tobytes()
    for part in convert.parts(memoryview(whole), 0, encoding, explicit):
        yield part if isinstance(part, bytes) else whole[part[0] : sum(part)]


def _part(house: House, row: Any, part: convert.Part) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
        return
    offset, length = part
    for at in range(0, length, CHUNK):
        yield house.blobs.read(row.blob, offset + at, min(CHUNK, length - at))


def lengths(house: House, selection: Selection) -> list[int]:
    """How long the copies will be. Finds out before the first byte leaves if one cannot be read."""
    found = []
    for row in selection.rows:
        head, rest = _begin(house, selection.claim, row)
        found.append(int(len(head) + row.size - rest))
    return found


def etag(selection: Selection) -> str:
    """Names one object in the form in which it is served."""
    form = f"-{selection.claim.coerced:x}" if selection.claim.coerced else ""
    return f'"{selection.rows[0].sha256}{form}"'


def _begin(house: House, claim: Any, row: Any) -> tuple[bytes, int]:
    """What a copy begins with, and from where on the stored bytes follow."""
    head, rest = _data_head(house, row, current.coercion(claim))
    return _head(house, row) + head, rest


def _data_head(house: House, row: Any, change: Coercion | None) -> tuple[bytes, int]:
    """What a data set begins with, and from where on the stored bytes follow."""
    if change is None:
        return b"", row.dataset_offset
    if row.deflated:
        return _deflated(house, row, change), row.size
    with house.blobs.map(row.blob) as mapped, memoryview(mapped) as view:
        encoding = seen_encoding(view, row.dataset_offset) or encoding_of(row.transfer_syntax)
        return coerce.head(view, row.dataset_offset, encoding, change)


def _deflated(house: House, row: Any, change: Coercion) -> bytes:
    """The coerced data set of an object that is compressed as a whole."""
    whole = house.blobs.read(row.blob, 0, row.size)
    data = files.inflated(whole, row.dataset_offset, files.Limits())
    with memoryview(data) as view:
        head, rest = coerce.head(view, 0, encoding_of(row.transfer_syntax), change)
        return deflate(head + view[rest:])


def _head(house: House, row: Any) -> bytes:
    """Preamble and file meta of a copy."""
    head = house.blobs.read(row.blob, 0, row.dataset_offset)
    if head[_MAGIC] != b"DICM":
        return files.file_meta(row.sop_class, row.uid, row.transfer_syntax, "")
    return head if row.preamble_clean else bytes(_PREAMBLE) + head[_PREAMBLE:]


def _follow(house: House, head: bytes, row: Any, rest: int) -> Iterator[bytes]:
    """Head and data set, the first chunk together: most objects are sent in one piece."""
    body = house.blobs.stream(row.blob, rest)
    yield head + next(body, b"")
    yield from body


def metadata(house: House, grant: Grant, selection: Selection) -> Iterator[str]:
    """The DICOM JSON of each instance, read in batches, its bulk data addressed absolutely."""
    study = f"{house.config.base}/dicomweb/studies/{selection.claim.uid}"
    for start in range(0, len(selection.rows), _BATCH):
        rows = selection.rows[start : start + _BATCH]
        with house.database.read() as connection:
            uids = [row.uid for row in rows]
            models = dicom_search.models(connection, grant.organisation, uids)
        for row in rows:
            address = f"{study}/series/{row.series}/instances/{row.uid}"
            yield absolute(current.model(selection.claim, models[row.uid]), address)


@dataclass(frozen=True, slots=True)
class Source:
    """One instance opened for values and frames: its row, its places, and how to read it."""

    row: Any
    bulk: dict[str, tuple[str, int, int]]
    index: frames.FrameIndex | None
    facts: str
    read: ReadRange

    @property
    def frame_count(self) -> int:
        return self.index.count if self.index else 0

    def check(self, number: int) -> frames.FrameIndex:
        """The frame index, or Missing when it has no frame of this number."""
        if self.index is None or not 1 <= number <= self.index.count:
            raise Missing(f"there is no frame {number}: the instance has {self.frame_count}")
        return self.index

    def frame(self, number: int) -> bytes:
        """One frame as it is stored, native ones in little endian order.

        Missing when the object, cut short, does not hold it.
        """
        try:
            return frames.read_frame(self.read, self.check(number), number)
        except Undecodable as error:
            raise Missing(f"{error}: the object was cut short before frame {number}") from error

    def value(self, path: str) -> tuple[int, Iterator[bytes]]:
        """A bulk value by its path: its length, and its bytes in little endian order."""
        if path not in self.bulk:
            raise Missing("the instance has no such bulk data")
        vr, offset, length = self.bulk[path]
        steps = range(0, length, CHUNK)
        chunks = (self.read(offset + at, min(CHUNK, length - at)) for at in steps)
        word = self._word(path, vr)
        return length, (frames.swap(chunk, word) for chunk in chunks)

    def _word(self, path: str, vr: str) -> int:
        """The width of the words that are turned round: of pixels it is known from their frames."""
        if path == _PIXEL_DATA and self.index is not None:
            return self.index.word
        return WORDS.get(vr, 1) if self.row.transfer_syntax == EXPLICIT_BIG else 1

    def whole(self, path: str) -> bytes:
        """A bulk value in one piece: for tables, not for pixels."""
        return b"".join(self.value(path)[1])

    def is_encapsulated(self, path: str) -> bool:
        """Whether a bulk value is compressed pixel data, which goes out frame by frame."""
        return path in self.bulk and self.bulk[path][2] < 0


def source(house: House, grant: Grant, row: Any) -> Source:
    """Open one instance for its bulk values and frames."""
    with house.database.read() as connection:
        places = index.places(connection, grant.organisation, row.uid)
    bulk = {path: (vr, offset, length) for path, vr, offset, length in json.loads(places.bulk)}
    packed = frames.unpack(places.frame_index) if places.frame_index else None
    return Source(row, bulk, packed, places.facts, _reader(house, row))


def _reader(house: House, row: Any) -> ReadRange:
    """How to read a range of an object; a deflated one counts in its inflated data set."""
    if not row.deflated:
        return lambda offset, length: house.blobs.read(row.blob, offset, length)
    whole = house.blobs.read(row.blob, 0, row.size)
    inflated = memoryview(files.inflated(whole, row.dataset_offset, files.Limits()))
    return lambda offset, length: bytes(inflated[offset : offset + length])


@dataclass(slots=True)
class Tally:
    """Instances that have left since somebody asked."""

    count: int = 0

    def whole(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks of one instance, which counts when its last one has been handed over."""
        yield from chunks
        self.count += 1

    def take(self) -> int:
        count, self.count = self.count, 0
        return count


def counted(seen: Reading, chunks: Iterable[bytes], tally: Tally) -> Iterator[bytes]:
    """Count bytes as they are handed to the wire, so that a caller who hangs up is counted too."""
    for chunk in chunks:
        seen.sent(len(chunk), tally.take())
        yield chunk
    seen.sent(0, tally.take())
