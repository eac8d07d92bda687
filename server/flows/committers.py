"""Commits of several objects beside each other, so that they share the flushes of disk and database.

For doors that answer for many objects at once: the parts of a STOW-RS request, an import.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore

_THREADS = 4


class Committers:
    """A few threads that commit; whoever brings more than they can take waits."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "commit")
        self._room = Semaphore(2 * _THREADS)

    def later(self, commit: Callable[[], None]) -> None:
        """Run a commit as soon as there is room. It must tell its outcome itself, not raise."""
        self._room.acquire()
        self._pool.submit(commit).add_done_callback(lambda _: self._room.release())

    def finish(self) -> None:
        """Wait for everything that was brought."""
        self._pool.shutdown()
