"""Start-up and rest: how soon a server is ready, and what it holds when nobody asks for anything."""

import time
from collections.abc import Callable, Iterator

import psutil

from bench.harness import Contender, Line, Row, Run, Scale, compare
from bench.stand import Process, Stand

READY = Row("start-ready", "Start to ready, store in place", "s", less=True, most=3.0)
MEMORY = Row("start-memory", "Idle memory of all roles", "MB", less=True, most=500.0)
ROWS = (READY, MEMORY)
_REST = 3.0


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    data = stand.new_folder("startup")
    starts: tuple[Callable[[], Process | None], ...] = (lambda: stand.ours(data), stand.orthanc)
    stand.ours(data)  # makes the tables
    stand.rest()
    for row, measure in ((READY, _ready), (MEMORY, _memory)):
        if row in rows:
            yield compare(row, scale.repeats, [_contender(stand, s, measure) for s in starts])


def _contender(
    stand: Stand,
    start: Callable[[], Process | None],
    measure: Callable[[Callable[[], Process]], float],
) -> Contender | None:
    """One who is started anew for each measurement; None for a peer that is missing."""
    if start() is None:
        return None
    stand.rest()

    def run() -> Run:
        value = measure(start)  # type: ignore[arg-type]  # it is not missing
        stand.rest()
        return Run(value)

    return Contender(run)


def _ready(start: Callable[[], Process]) -> float:
    begun = time.perf_counter()
    start()
    return time.perf_counter() - begun


def _memory(start: Callable[[], Process]) -> float:
    """Megabytes, each page that processes share counted once in all."""
    server = start()
    time.sleep(_REST)
    return sum(_proportional(process) for process in server.tree())


def _proportional(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 1e6
