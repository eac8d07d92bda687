"""When to kill: at random, or in the moment in which a file is made, renamed or written.

Linux tells of changes to files by inotify; the standard library has no name for it.
"""

import ctypes
import os
import random
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AIMS = {
    "at random": ("", 0),
    "while an object is written": ("blobs/tmp", 0x100),  # IN_CREATE
    "between file and row": ("blobs/tmp", 0x40),  # IN_MOVED_FROM
    "while rows are written": ("triptych.db-wal", 0x2),  # IN_MODIFY
}
_LONGEST = 3.0
_HESITATION = 0.004


def wait(aim: str, data: Path, dice: random.Random) -> None:
    """Return in the moment aimed at, or a hair later: windows have a beginning and an end."""
    place, mask = AIMS[aim]
    if not place:
        time.sleep(dice.uniform(0.0, 0.8))
        return
    time.sleep(dice.uniform(0.0, 0.3))
    with _watching(data / place, mask) as handle:
        select.select([handle], [], [], _LONGEST)
    if dice.random() < 0.7:
        time.sleep(dice.uniform(0.0, _HESITATION))


@contextmanager
def _watching(path: Path, mask: int) -> Iterator[int]:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_CLOEXEC)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    try:
        if libc.inotify_add_watch(handle, os.fsencode(path), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(path))
        yield handle
    finally:
        os.close(handle)
