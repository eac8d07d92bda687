"""Waiting for what has to come: a test asks again until it is there, and fails when time is over."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
TICK = 0.05


def until(look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """The first thing that `look` gives and that is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still missing: {what}"
        time.sleep(TICK)
    return found
