"""Bytes at rest. A blob is durable when `publish` returns: synced, renamed, its folder synced.

Key: organisation/source/yyyy/mm/dd/name. Unfinished blobs stand in `tmp/`, each locked by the
writer that makes it, so that a sweep tells the dead from the living.
"""

import errno
import fcntl
import mmap
import os
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from server.errors import Busy, Fault, Full
from server.store.combine import Combiner, Ticket

# What a reader gets at a time. The HTTP server keeps several in hand for each that is slow.
CHUNK = 1 << 18
_DAY = 86_400_000_000
# No source has a name with a dot in it, so nobody's objects lie there.
DOCUMENTS = "hl7.documents"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def safe_name(source: str) -> str:
    """A source's name in characters that every store takes."""
    return _UNSAFE.sub("_", source) or "_"


def new_key(organisation: int, source: str, micros: int) -> str:
    """A fresh key; the source's name is reduced to characters that every store takes.

    Names follow the clock, so that rows of new blobs stand side by side in an index.
    """
    safe = _UNSAFE.sub("_", source) or "_"
    return f"{organisation}/{safe}/{_day(micros // _DAY)}/{micros:014x}{secrets.token_hex(9)}"


def document_key(organisation: int, micros: int, name: str) -> str:
    """The key of a document that came in a message: the same for the same message and name."""
    return f"{organisation}/{DOCUMENTS}/{_day(micros // _DAY)}/{name}"


def is_document(key: str) -> bool:
    """Whether a key is of a document, and not of a DICOM object."""
    return key.split("/")[1] == DOCUMENTS


@lru_cache(maxsize=2)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY // 1_000_000, UTC).strftime("%Y/%m/%d")


class BlobWriter(Protocol):
    """One blob on its way in; exactly one of publish and abort ends it."""

    size: int

    def write(self, data: memoryview | bytes) -> None: ...

    def view(self) -> mmap.mmap:
        """All bytes written so far, mapped read-only: the caller closes it."""

    def publish(self) -> None:
        """Make the blob durable under its key."""

    def abort(self) -> None: ...


class BlobStore(Protocol):
    """Where blobs live. Every method raises FileNotFoundError for an unknown key."""

    def create(self, key: str) -> BlobWriter: ...

    def read(self, key: str, offset: int, length: int) -> bytes: ...

    def map(self, key: str) -> mmap.mmap: ...

    def stream(self, key: str, offset: int = 0, length: int = -1) -> Iterator[bytes]: ...

    def size(self, key: str) -> int: ...

    def delete(self, key: str) -> None: ...

    def list(self, organisation: int, since: str = "") -> Iterator[str]: ...


def told(error: OSError) -> Fault:
    """The product's error for what the disk says."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Full("the disk that holds the blobs is full: free space, then send again")
    return Busy(f"the blob store cannot be written: {errno.errorcode.get(error.errno or 0, '?')}")


class LocalBlobs:
    """Blobs as files under one folder."""

    def __init__(self, root: Path, min_free: int = 0) -> None:
        self.root = root
        self._tmp = root / "tmp"
        self._root, self._unfinished = str(root), str(root / "tmp")
        self._min_free = min_free
        self._tmp.mkdir(parents=True, exist_ok=True)
        _sync_folder(str(root.parent))
        self._known: set[str] = set()
        self._mutex = threading.Lock()
        self._sync: Combiner[str, None] = Combiner(_sync_folders)

    def create(self, key: str) -> "LocalWriter":
        """Open a blob for writing, unless the disk is nearly full."""
        try:
            state = os.statvfs(self._unfinished)
            if state.f_bavail * state.f_frsize < self._min_free:
                raise OSError(errno.ENOSPC, "below the reserve")
            return LocalWriter(self, key, f"{self._unfinished}/{secrets.token_hex(16)}")
        except OSError as error:
            raise told(error) from error

    def path(self, key: str) -> Path:
        """The file of a key."""
        return Path(self.name(key))

    def name(self, key: str) -> str:
        """The same as a text: a Path costs as much as opening the file."""
        return f"{self._root}/{key}"

    def read(self, key: str, offset: int, length: int) -> bytes:
        with open(self.name(key), "rb", buffering=0) as file:
            return os.pread(file.fileno(), length, offset)

    def map(self, key: str) -> mmap.mmap:
        """The whole blob mapped read-only: the caller closes it."""
        with open(self.name(key), "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def stream(self, key: str, offset: int = 0, length: int = -1) -> Iterator[bytes]:
        """Pieces of at most CHUNK bytes."""
        with open(self.name(key), "rb", buffering=0) as file:
            left = os.fstat(file.fileno()).st_size - offset if length < 0 else length
            while left > 0:
                chunk = os.pread(file.fileno(), min(CHUNK, left), offset)
                if not chunk:
                    raise OSError(errno.EIO, "a blob is shorter than its row says")
                yield chunk
                offset, left = offset + len(chunk), left - len(chunk)

    def size(self, key: str) -> int:
        return os.stat(self.name(key)).st_size

    def delete(self, key: str) -> None:
        path = self.name(key)
        os.unlink(path)
        self._sync.run(os.path.dirname(path))

    def list(self, organisation: int, since: str = "") -> Iterator[str]:
        """Every key of an organisation whose day (yyyy/mm/dd) is not before `since`."""
        for folder, folders, names in os.walk(self.root / str(organisation)):
            at = Path(folder).relative_to(self.root).parts
            if len(at) > 1:  # below the source: yyyy, mm, dd
                days = {name: "/".join((*at[2:], name)) for name in folders}
                folders[:] = sorted(n for n, day in days.items() if day >= since[: len(day)])
            for name in sorted(names):
                yield str((Path(folder) / name).relative_to(self.root))

    def sweep(self) -> int:
        """Remove unfinished blobs whose writer is gone; returns how many."""
        return sum(_remove_if_dead(path) for path in self._tmp.iterdir())

    def folder(self, key: str) -> str:
        """The folder of a blob, made if it is new, each level synced into its parent once.

        Levels that exist are synced as well: the process that made them may not have come to it.
        """
        folder = os.path.dirname(self.name(key))
        with self._mutex:
            if folder not in self._known:
                _make(self.root, key.split("/")[:-1])
                self._known.add(folder)
        return folder

    def sync_folder(self, folder: str) -> None:
        """Sync a folder; callers that wait at the same time share one flush."""
        self._sync.run(folder)


class LocalWriter:
    """A blob being written to `tmp/`; see BlobWriter."""

    def __init__(self, store: LocalBlobs, key: str, path: str) -> None:
        self.size = 0
        self._store = store
        self._key = key
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, data: memoryview | bytes) -> None:
        try:
            done = os.write(self._file, data)
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError as error:
            raise told(error) from error
        self.size += len(data)

    def view(self) -> mmap.mmap:
        return mmap.mmap(self._file, self.size, access=mmap.ACCESS_READ)

    def publish(self) -> None:
        try:
            os.fsync(self._file)
            folder = self._store.folder(self._key)
            os.rename(self._path, self._store.name(self._key))
            self._store.sync_folder(folder)
        except OSError as error:
            raise told(error) from error
        os.close(self._file)
        self._file = -1

    def abort(self) -> None:
        if self._file < 0:
            return
        os.close(self._file)
        self._file = -1
        with suppress(FileNotFoundError):
            os.unlink(self._path)


def _make(root: Path, levels: Sequence[str]) -> None:
    for depth in range(len(levels)):
        folder = root.joinpath(*levels[: depth + 1])
        folder.mkdir(exist_ok=True)
        _sync_folder(str(folder.parent))


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folders(tickets: Sequence[Ticket[str, None]]) -> None:
    for folder in {ticket.item for ticket in tickets}:
        _sync_folder(folder)


def _remove_if_dead(path: Path) -> bool:
    """Remove an unfinished blob if nobody holds its lock."""
    with suppress(FileNotFoundError), open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        path.unlink()
        return True
    return False
