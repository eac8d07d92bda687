"""What the processes of a server count: a small file for each, which outlives the one that wrote it.

A file is mapped memory, so that counting costs no system call; its writer keeps it locked, so that
readers tell who still runs. It is no record: the next start of the server begins at nothing.
"""

import fcntl
import json
import mmap
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SIZE = 1 << 18
_USED = struct.Struct("<q")
_ENTRY = struct.Struct("<qH")

# A name and its labels, in the order of their names.
Key = tuple[str, tuple[tuple[str, str], ...]]


def key_of(name: str, labels: Mapping[str, str]) -> Key:
    """What one number stands under."""
    return name, tuple(sorted(labels.items()))


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one process has counted: its writer's name, and whether it still runs."""

    writer: str
    lives: bool
    numbers: dict[Key, int]


class Counters:
    """The numbers of this process. Safe for threads; the file is made with the first number."""

    def __init__(self, folder: Path | None = None, writer: str = "") -> None:
        self._path = folder / writer if folder is not None else None
        self._mutex = threading.Lock()
        self._places: dict[Key, int] = {}  # labels in the order of who counts: sorting costs more
        self._map: mmap.mmap | None = None
        self._file = -1

    def add(self, name: str, amount: int = 1, **labels: str) -> None:
        """Count: a name that ends in `_total` only rises, any other holds while the process lives."""
        self._set((name, tuple(labels.items())), amount, keep=True)

    def put(self, name: str, value: int, **labels: str) -> None:
        """Set a number to what it is now."""
        self._set((name, tuple(labels.items())), value, keep=False)

    def _set(self, key: Key, number: int, *, keep: bool) -> None:
        with self._mutex:
            memory = self._map or self._open()
            at = self._places.get(key) or self._enter(memory, key)
            if at:
                before = _USED.unpack_from(memory, at)[0] if keep else 0
                _USED.pack_into(memory, at, before + number)

    def _open(self) -> mmap.mmap:
        """Map the file. Its room is reserved: on a disk that fills, mapped writes would kill us."""
        self._map = mmap.mmap(-1, SIZE)
        if self._path is not None:
            with suppress(OSError):  # no room: what is counted stays unseen
                self._path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                self._file = os.open(self._path, flags, 0o600)
                fcntl.flock(self._file, fcntl.LOCK_EX)
                os.posix_fallocate(self._file, 0, SIZE)
                self._map = mmap.mmap(self._file, SIZE)
        _USED.pack_into(self._map, 0, _USED.size)
        return self._map

    def _enter(self, memory: mmap.mmap, key: Key) -> int:
        """A place for a new key. Names and labels come from our own tables, so they are few."""
        at = _USED.unpack_from(memory, 0)[0]
        text = json.dumps(key_of(key[0], dict(key[1]))).encode()
        end = at + _padded(_ENTRY.size + len(text))
        if end > SIZE:
            return 0
        _ENTRY.pack_into(memory, at, 0, len(text))
        memory[at + _ENTRY.size : at + _ENTRY.size + len(text)] = text
        _USED.pack_into(memory, 0, end)  # now it can be seen
        self._places[key] = at
        return int(at)

    def close(self) -> None:
        """Let go of the file: what it counted stays, what it held ends. What comes later is unseen."""
        with self._mutex:
            if self._file >= 0:
                if self._map is not None:
                    self._map.close()  # it has the file open too
                os.close(self._file)
            self._map, self._path, self._file = None, None, -1
            self._places.clear()


def _padded(size: int) -> int:
    return -(-size // _USED.size) * _USED.size


def clear(folder: Path) -> None:
    """Begin at nothing: for a server that starts, and has the folder to itself."""
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()


def sheets(folder: Path) -> Iterator[Sheet]:
    """What every process of this server has counted."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with suppress(FileNotFoundError), path.open("rb") as file:
            data = file.read()
            if len(data) == SIZE:
                yield Sheet(path.name, _is_locked(file.fileno()), _numbers(data))


def _is_locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _numbers(data: bytes) -> dict[Key, int]:
    found: dict[Key, int] = {}
    at, used = _USED.size, _USED.unpack_from(data, 0)[0]
    while at < used:
        number, length = _ENTRY.unpack_from(data, at)
        name, labels = json.loads(data[at + _ENTRY.size : at + _ENTRY.size + length])
        key = name, tuple((one, text) for one, text in labels)
        found[key] = found.get(key, 0) + number
        at += _padded(_ENTRY.size + length)
    return found
