"""A copy of the whole embedded store while the server runs, and whether such a copy is whole.

First the database as it is at one moment, then the blobs that its rows name: a blob is on disk before
its row, and never changes, so all of them are there. What was acknowledged before is in the copy.
A folder can be backed up to again: blobs that it has are not copied anew, however the last run ended.

    triptych.db     the database; it names every blob
    blobs/          as in the data folder
    copied.jsonl    blob, size and SHA-256 of each that was copied
    manifest.json   when, from what, and the SHA-256 of the database: written last
    tmp/            what is not whole yet; a next run begins by emptying it
"""

import ctypes
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from server import VERSION, clock
from server.errors import Busy, Invalid, Missing
from server.flows import audit
from server.flows.audit import Event
from server.flows.sites import HOME, House
from server.store import install, snapshot
from server.store.blobs import CHUNK, told
from server.store.snapshot import Progress

DATABASE, MANIFEST, COPIED = "triptych.db", "manifest.json", "copied.jsonl"
_LOCK, _TMP = "backup.lock", "tmp"
_OURS = {DATABASE, MANIFEST, COPIED, _LOCK, _TMP, "blobs"}


@dataclass(slots=True)
class Tally:
    """What a backup holds: blobs and bytes in all, and how many were copied this time."""

    blobs: int = 0
    bytes: int = 0
    copied: int = 0
    missing: int = 0


class Backup:
    """One run into a folder. `begin`, then `blobs` to its end, then `finish`."""

    def __init__(self, house: House, folder: Path, *, link: bool = False) -> None:
        self._house = house
        self._folder = folder
        self._link = link
        self._at = clock.now()
        self.tally = Tally()

    def begin(self, progress: Progress) -> int:
        """Copy the database; gives how many blobs it names. Raises Invalid, Busy and Full."""
        source = self._source()
        self._claim()
        self._note("backup begun")
        try:
            snapshot.copy(source, self._fresh, progress)
            _sync(self._fresh)
        except OSError as error:
            raise told(error) from error
        with snapshot.reading(self._fresh) as connection:
            return snapshot.count(connection)[0]

    @property
    def _fresh(self) -> Path:
        return self._folder / _TMP / DATABASE

    def _source(self) -> Path:
        if not self._house.database.sqlite:
            raise Invalid(
                "the database is PostgreSQL: back it up with its own tools first, and copy the blobs "
                "folder after it"
            )
        return Path(str(self._house.database.reader.url.database))

    def _claim(self) -> None:
        """Take the folder, if it is empty or a backup of ours, and nobody else is at it."""
        folder, data = self._folder.resolve(), self._house.config.data.resolve()
        if folder == data or data / "blobs" in (folder, *folder.parents):
            raise Invalid("a backup needs a folder of its own, best on another disk")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in folder.iterdir()}
            if names and (_LOCK not in names or names - _OURS):
                raise Invalid("the folder holds something else than a backup: give an empty one")
            self._lock = (folder / _LOCK).open("w")
            (folder / _TMP).mkdir(exist_ok=True)
        except OSError as error:
            raise told(error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("another backup into this folder is running") from error
        for path in (folder / _TMP).iterdir():
            path.unlink()

    def blobs(self) -> Iterator[tuple[int, str]]:
        """Copy what is not there yet; gives for each batch how many it held, and a fault or ""."""
        with snapshot.reading(self._fresh) as connection:
            for batch in snapshot.blobs(connection):
                try:
                    fault = self._copy(batch)
                except OSError as error:
                    raise told(error) from error
                yield len(batch), fault

    def _copy(self, batch: list[tuple[str, int]]) -> str:
        """Copy a batch: to disk under other names, then into the list, then to their places."""
        lines, moves, gone = list[str](), list[tuple[Path, Path]](), list[str]()
        for key, size in dict(batch).items():
            self.tally.blobs += 1
            self.tally.bytes += size
            target = self._folder / "blobs" / key
            if target.is_file() and target.stat().st_size == size:
                continue
            aside = self._folder / _TMP / str(len(moves))
            try:
                digest = self._bring(self._house.blobs.path(key), aside)
            except FileNotFoundError:
                gone.append(key)
                continue
            lines.append(json.dumps({"blob": key, "size": size, "sha256": digest}) + "\n")
            moves.append((aside, target))
        self._settle(lines, moves)
        self.tally.copied += len(moves)
        self.tally.missing += len(gone)
        return f"missing in the store: {', '.join(gone)}" if gone else ""

    def _bring(self, source: Path, target: Path) -> str:
        """Copy or link a file; gives its SHA-256."""
        if self._link:
            os.link(source, target)
            return _digest(source)
        digest = hashlib.sha256()
        with source.open("rb") as read, target.open("wb") as write:
            while data := read.read(CHUNK):
                digest.update(data)
                write.write(data)
        return digest.hexdigest()

    def _settle(self, lines: list[str], moves: list[tuple[Path, Path]]) -> None:
        if not moves:
            return
        with (self._folder / COPIED).open("a", encoding="utf-8") as listed:
            listed.writelines(["\n", *lines])  # what a crash cut short stays a line of its own
        _sync_disk(self._folder)
        for aside, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(target)

    def finish(self) -> dict[str, Any]:
        """Put the database in its place and sign off: from now on the folder is this backup."""
        try:
            _sync_disk(self._folder)
            with snapshot.reading(self._fresh) as connection:
                schema = install.schema_version(connection)
            manifest = {
                "at": clock.instant(self._at),
                "version": VERSION,
                "schema": schema,
                "database": _digest(self._fresh),
                **asdict(self.tally),
            }
            aside = self._folder / _TMP / MANIFEST
            aside.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
            self._fresh.rename(self._folder / DATABASE)
            aside.rename(self._folder / MANIFEST)
            _sync_disk(self._folder)
        except OSError as error:
            raise told(error) from error
        self._note("backup ended", self.tally)
        return manifest

    def _note(self, words: str, tally: Tally | None = None) -> None:
        told_of = tally or Tally()
        self._house.auditor.note(
            Event(
                HOME, "command", "execute", detail=words, count=told_of.blobs, bytes=told_of.bytes
            )
        )


def check(folder: Path) -> Iterator[tuple[int, str]]:
    """Whether a backup is whole: gives for each step how many blobs it saw, and a fault or "".

    Raises Missing where there is none.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        digest = _digest(folder / DATABASE)
    except FileNotFoundError as error:
        raise Missing("there is no finished backup in this folder: run `backup` again") from error
    if digest != manifest["database"]:
        yield 0, "the database is not the one of the manifest: run `backup` again"
        return
    with snapshot.reading(folder / DATABASE) as connection:
        for fault in (*snapshot.faults(connection), *audit.verify(connection)):
            yield 0, fault
        for batch in snapshot.blobs(connection):
            for key, size in batch:
                path = folder / "blobs" / key
                whole = path.is_file() and path.stat().st_size == size
                yield 0, "" if whole else f"{key}: missing, or of another length"
    yield from _check_bytes(folder)


def _check_bytes(folder: Path) -> Iterator[tuple[int, str]]:
    """Read every blob that was ever copied again."""
    if not (folder / COPIED).exists():
        return
    with (folder / COPIED).open(encoding="utf-8") as listed:
        for line in listed:
            told_of = _line(line)
            path = folder / "blobs" / told_of.get("blob", "-")
            if not told_of or not path.is_file():
                yield 1, ""  # it was never put in its place; a row that needs it has said so
                continue
            same = _digest(path) == told_of["sha256"]
            yield 1, "" if same else f"{told_of['blob']}: its bytes have changed"


def _line(text: str) -> dict[str, Any]:
    """A line of the list; a crash may have cut one short."""
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return {}
    return found


def named(folder: Path) -> int:
    """How many steps `check` takes, about."""
    manifest = folder / MANIFEST
    return int(json.loads(manifest.read_text())["blobs"]) if manifest.exists() else 0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_disk(folder: Path) -> None:
    """Have everything that was written to the folder's disk on it: one flush for a whole batch."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):
            raise OSError(ctypes.get_errno(), "the disk of the backup cannot be written")
    finally:
        os.close(handle)
