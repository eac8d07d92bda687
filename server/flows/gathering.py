"""Files to import, from folders, discs and ZIP archives. Names are labels: no path is made of one.

Links are not followed, devices not opened. Archives are bounded in entries, directory, inflated
bytes and ratio; an archive inside an archive stays shut.
"""

import io
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from dicom.errors import DicomError
from dicom.media import referenced_files
from server.errors import Invalid, TooLarge

CHUNK = 1 << 20
ZIP_MAGIC = b"PK\x03\x04"
_DIRECTORY = "DICOMDIR"
_LARGEST_DIRECTORY = 64 << 20
_LARGEST_ZIP_DIRECTORY = 16 << 20
# Blank pictures shrink a thousandfold, so small files may; nothing honest grows so without end.
_FREE_INFLATION = 16 << 20
_FREE_ARCHIVE = 1 << 30
_MOST_RATIO = 200
_LONGEST_NAME = 300
_ENCRYPTED = 0x1

# What reading an archive or a file can raise.
UNREADABLE = (OSError, EOFError, BadZipFile, zlib.error, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. `skip` says why it is not to be read; `weight` is its share of the progress."""

    name: str
    weight: int = 0
    skip: str = ""
    chunks: Callable[[], Iterator[bytes]] = lambda: iter(())


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one archive may hold: entries, and inflated bytes of all of them."""

    entries: int
    inflated: int


def weigh(paths: Sequence[Path]) -> int:
    """How many bytes `gather` will look at."""
    return sum(max(0, _size(path)) for one in paths for path in _files(_start(one)))


def gather(paths: Sequence[Path], bounds: Bounds) -> Iterator[Entry]:
    """Every file under the paths, in a fixed order, archives opened.

    An entry can be read until the next one is asked for.
    """
    for given in paths:
        start = _start(given)
        for path in _files(start):
            yield from _look(path, str(path), bounds)
        if start.is_dir():
            yield from _missing(start)


def _start(path: Path) -> Path:
    """Whoever names a DICOMDIR means the disc. A link that was named by hand is followed."""
    path = path.resolve()
    return path.parent if path.is_file() and path.name.upper() == _DIRECTORY else path


def _files(start: Path) -> Iterator[Path]:
    if not start.is_dir():
        yield start
        return
    for folder, folders, names in os.walk(start):
        folders.sort()
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*names, *links]):
            yield Path(folder, name)


def _size(path: Path) -> int:
    """The size of a regular file, -1 of anything else."""
    try:
        state = path.lstat()
    except OSError:
        return -1
    return state.st_size if stat.S_ISREG(state.st_mode) else -1


def _look(path: Path, name: str, bounds: Bounds) -> Iterator[Entry]:
    size = _size(path)
    if size < 0:
        kind = "a symbolic link" if path.is_symlink() else "not a regular file"
        yield Entry(name, 0, f"{kind}: it is not followed or opened")
        return
    try:
        with _open(path) as file:
            archive = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    except OSError as error:
        yield Entry(name, size, f"it cannot be opened: {error.strerror}")
        return
    if archive:
        yield from _archive(path, name, size, bounds)
    else:
        yield Entry(name, size, chunks=lambda: _read_file(path))


def _open(path: Path) -> io.FileIO:
    """A regular file for reading; a link or a device that took its place is refused."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return io.FileIO(handle, "rb")


def _read_file(path: Path) -> Iterator[bytes]:
    with _open(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk


class _Bounded(io.BufferedReader):
    """A file of which no great part is read at once: the directory of a bomb stays on disk."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = size if size is not None and size >= 0 else _LARGEST_ZIP_DIRECTORY + 1
        found = super().read(min(wanted, _LARGEST_ZIP_DIRECTORY + 1))
        if len(found) > _LARGEST_ZIP_DIRECTORY:
            raise BadZipFile("its directory is too large")
        return found


def _archive(path: Path, name: str, size: int, bounds: Bounds) -> Iterator[Entry]:
    try:
        with _Bounded(_open(path)) as file, ZipFile(file) as archive:
            yield from _entries(archive, name, size, bounds)
    except UNREADABLE as error:
        yield Entry(name, size, f"the archive cannot be read: {error}")


def _entries(archive: ZipFile, name: str, size: int, bounds: Bounds) -> Iterator[Entry]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > bounds.entries:
        yield Entry(name, size, f"the archive has more than {bounds.entries} files")
        return
    room = _Room(min(bounds.inflated, _FREE_ARCHIVE + _MOST_RATIO * size))
    for info in infos:
        label = f"{name}!{_printable(info.filename)}"
        yield Entry(label, info.compress_size, _locked(info), _reader(archive, info, room))


def _printable(name: str) -> str:
    """A name out of an archive, fit to be shown."""
    return "".join(c if c.isprintable() else "?" for c in name)[:_LONGEST_NAME]


def _locked(info: ZipInfo) -> str:
    """Why an entry cannot be opened, "" if it can."""
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return "it is compressed in a way that is not supported"
    return ""


@dataclass(slots=True)
class _Room:
    """Bytes that an archive may still inflate to."""

    left: int

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise TooLarge("the archive inflates to more than it may")


def _reader(archive: ZipFile, info: ZipInfo, room: _Room) -> Callable[[], Iterator[bytes]]:
    most = max(_FREE_INFLATION, _MOST_RATIO * info.compress_size)

    def chunks() -> Iterator[bytes]:
        total = 0
        with archive.open(info) as file:
            while chunk := file.read(CHUNK):
                total += len(chunk)
                room.take(len(chunk))
                if total > most:
                    raise TooLarge(f"it inflates to more than {_MOST_RATIO} times its size")
                yield chunk

    return chunks


def _missing(folder: Path) -> Iterator[Entry]:
    """What the DICOMDIR of a disc names and the disc does not hold."""
    found: Any = next((p for p in folder.iterdir() if p.name.upper() == _DIRECTORY), None)
    if found is None or not 0 <= _size(found) <= _LARGEST_DIRECTORY:
        return
    try:
        names = referenced_files(found.read_bytes())
    except (DicomError, OSError) as error:
        yield Entry(str(found), 0, f"the media directory cannot be read: {error}")
        return
    there = {str(p.relative_to(folder)).upper() for p in _files(folder)}
    for name in names:
        if name.upper() not in there:
            label = f"{folder}/{_printable(name)}"
            yield Entry(label, 0, "the DICOMDIR names it, but it is not there")


def check_paths(paths: Sequence[Path]) -> None:
    """Raise Invalid for a path that does not exist."""
    for path in paths:
        if not path.exists():
            raise Invalid(f"{path}: there is no such file or folder")
