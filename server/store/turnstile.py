"""A fair queue for SQLite writers of several processes: two file locks passed hand over hand.

`BEGIN IMMEDIATE` alone polls with back-off, so some writers starve. Here a writer takes lock A,
then lock B, releases A, writes, releases B: whoever waits next stands at B while the others
queue at A, and the kernel serves waiters of a file lock in turn.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Gate:
    """One lock that holds between threads of this process and between processes."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._thread = threading.Lock()

    def take(self) -> None:
        self._thread.acquire()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except BaseException:
            self._thread.release()
            raise

    def leave(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._thread.release()

    def is_taken(self) -> bool:
        """Whether somebody holds it, in this process or another."""
        if not self._thread.acquire(blocking=False):
            return True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(self._file, fcntl.LOCK_UN)
        except BlockingIOError:
            return True
        finally:
            self._thread.release()
        return False

    def close(self) -> None:
        os.close(self._file)


class Turnstile:
    """`with turnstile.turn():` is held by one writer at a time, in order of arrival."""

    def __init__(self, database: Path) -> None:
        self._outer = _Gate(database.with_name(database.name + ".queue"))
        self._inner = _Gate(database.with_name(database.name + ".turn"))

    @contextmanager
    def turn(self) -> Iterator[None]:
        self._outer.take()
        try:
            self._inner.take()
        finally:
            self._outer.leave()
        try:
            yield
        finally:
            self._inner.leave()

    def is_awaited(self) -> bool:
        """Whether somebody waits for the turn that the caller has: who is next holds lock A."""
        return self._outer.is_taken()

    def close(self) -> None:
        self._outer.close()
        self._inner.close()
