"""A Magic Link as a disc in a ZIP: DICOM files, a DICOMDIR, and pages that any browser shows.

It is streamed: of the files only one chunk is in memory at a time. Names say nothing of the person
or of the examination.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from zipfile import ZIP64_LIMIT, ZIP_STORED, ZipFile, ZipInfo

from dicom.directory import Directory
from dicom.directory import File as Record
from server.errors import Gone, Missing
from server.flows import album, current, holding, pixels
from server.flows.access import Grant
from server.flows.album import File, Pages
from server.flows.audit import Reading
from server.flows.holding import Person
from server.flows.pixels import Tally
from server.flows.sites import House
from server.store import dicom_search

_BATCH = 100
# Every file has the same time, the first that a ZIP knows: when it was made says nothing.
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Placed:
    """An instance of a claim and its place on the disc."""

    path: tuple[str, ...]
    claim: Any
    row: Any


class _Sink:
    """What the ZIP is written to: what has gathered is taken out and sent."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken


def size(house: House, grant: Grant) -> int:
    """About how many bytes the disc has: those of its files."""
    return sum(one.row.size for one in _places(house, grant))


@dataclass(frozen=True, slots=True)
class Cover:
    """What a disc says of itself: its UID, a word on what it is for, whose it is, and its pages."""

    uid: str
    words: str
    person: Person
    pages: Pages


def stream(house: House, grant: Grant, cover: Cover, seen: Reading) -> Iterator[bytes]:
    """The ZIP, counted as it leaves. Raises Missing before its first byte if there is no file."""
    places = _places(house, grant)
    if not places:
        raise Missing("there are no pictures yet")
    directory = _directory(house, grant, cover.uid, places)
    tally = Tally()
    dicom = _files(house, places, directory, cover.words, tally)
    pages = album.files(house, grant, cover.person, cover.pages)
    return pixels.counted(seen, _zipped(chain(dicom, pages)), tally)


def _places(house: House, grant: Grant) -> Sequence[_Placed]:
    """Every instance of the link with its path: eight characters for each part (PS3.10 8.2)."""
    placed, series = list[_Placed](), dict[str, int]()
    for number, study in enumerate(holding.studies(house, grant), 1):
        try:
            found = pixels.select(house, grant, study.uid)
        except (Missing, Gone):  # nothing of it is released, or it has gone meanwhile
            continue
        for count, row in enumerate(found.rows, 1):
            nth = series.setdefault(row.series, len(series) + 1)
            path = ("DICOM", f"ST{number:06d}", f"SE{nth:06d}", f"IM{count:06d}")
            placed.append(_Placed(path, found.claim, row))
    return placed


def _directory(house: House, grant: Grant, uid: str, places: Sequence[_Placed]) -> bytes:
    made = Directory(uid)
    for start in range(0, len(places), _BATCH):
        batch = places[start : start + _BATCH]
        with house.database.read() as connection:
            uids = [one.row.uid for one in batch]
            models = dicom_search.models(connection, grant.organisation, uids)
        for one in batch:
            row = one.row
            model = json.loads(current.model(one.claim, models[row.uid]))
            made.add(Record(one.path, row.sop_class, row.uid, row.transfer_syntax, model))
    return made.written()


def _files(
    house: House, places: Sequence[_Placed], directory: bytes, words: str, tally: Tally
) -> Iterator[File]:
    """Name, length and bytes of each file."""
    readme = words.replace("\n", "\r\n").encode()
    yield "README.TXT", len(readme), [readme]
    yield "DICOMDIR", len(directory), [directory]
    for one in places:
        copy = pixels.copy(house, one.claim, one.row)
        yield "/".join(one.path), copy.length, tally.whole(copy.chunks)


def _zipped(files: Iterable[File]) -> Iterator[bytes]:
    """A ZIP of files as they are: pictures are compressed already, or are to stay readable."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]  # it only writes
        for name, length, chunks in files:
            entry = ZipInfo(name, _TIME)
            entry.external_attr = 0o600 << 16
            with archive.open(entry, "w", force_zip64=length >= ZIP64_LIMIT) as out:
                for chunk in chunks:
                    out.write(chunk)
                    yield sink.take()
    yield sink.take()
