"""What every bench shares: contenders measured in turn, medians with their spread, one table."""

import statistics
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from types import TracebackType

import psutil

Tree = Callable[[], Iterable[psutil.Process]]
_TICK = 0.02


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. `full` fills the peer to `many` studies too, and a store of ours to ten
    times as many `patients`: both take long. Studies of ours that are searched have `instances`, an
    order and a report each.
    """

    repeats: int = 3
    large: int = 150
    small: int = 600
    nagle: int = 20
    frames: int = 400
    slices: int = 500
    beside: int = 10_000
    few: int = 1_000
    many: int = 100_000
    calls: int = 1_000
    messages: int = 2_000
    slow: int = 200
    reports: int = 300
    few_logged: int = 10_000
    logged: int = 1_000_000
    fewest: int = 10
    patients: int = 100_000
    instances: int = 1
    full: bool = False


TINY = Scale(1, 10, 20, 1, 2, 4, 20, 10, 30, 20, 40, 10, 8, 50, 100, 10, 60)
QUICK = Scale(
    large=40,
    small=150,
    nagle=5,
    slices=60,
    beside=500,
    many=10_000,
    calls=200,
    messages=600,
    slow=100,
    reports=100,
    logged=100_000,
    patients=10_000,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A claim: what is measured, in which unit, and the ratios to peer and limit it should reach.

    Ratios say how many times as good we are, whether the unit is better `less` or more. `most` is
    the highest value that is good enough by itself.
    """

    name: str
    title: str
    unit: str
    less: bool = False
    peer: str = "Orthanc"
    limit: str = ""
    times_peer: float | None = None
    times_limit: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement, and how many operations it was of."""

    value: float
    operations: int = 1


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who is measured; `tree` finds the processes whose time and memory count."""

    measure: Callable[[], Run]
    tree: Tree | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """Repeated measurements of one contender, CPU in milliseconds an operation, memory in MB.

    `memory` is the highest seen, `growth` the most that a run added.
    """

    values: tuple[float, ...]
    cpu: float | None = None
    memory: float | None = None
    growth: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return _short(self.median)
        return f"{_short(self.median)} ({_short(min(self.values))}-{_short(max(self.values))})"


@dataclass(frozen=True, slots=True)
class Line:
    """A row with what was measured for it."""

    row: Row
    ours: Figure
    peer: Figure | None = None
    limit: Figure | None = None

    def times(self, other: Figure | None) -> float | None:
        """How many times as good as another we are."""
        if other is None or not other.median or not self.ours.median:
            return None
        better, worse = self.ours.median, other.median
        return worse / better if self.row.less else better / worse


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not pass."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def say(text: str) -> None:
    """Progress, beside the table and not in it."""
    print(text, file=sys.stderr, flush=True)


def compare(row: Row, repeats: int, contenders: Sequence[Contender | None]) -> Line:
    """Measure ours, peer and limit in turn, each round in another order: noise hits all alike."""
    places = [(number, one) for number, one in enumerate(contenders) if one is not None]
    records = {number: _Record() for number, _ in places}
    for turn in range(repeats):
        start = turn % len(places)
        for number, contender in places[start:] + places[:start]:
            records[number].add(contender)
            say(f"  {row.name} {turn + 1}/{repeats} {_NAMES[number]}: {records[number].last}")
    figures = [records[n].figure() if n in records else None for n in range(3)]
    assert figures[0] is not None  # noqa: S101 - ours is always measured
    return Line(row, figures[0], figures[1], figures[2])


_NAMES = ("ours", "peer", "limit")


@dataclass(slots=True)
class _Record:
    """What one contender has shown so far."""

    values: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    growth: list[float] = field(default_factory=list)

    @property
    def last(self) -> str:
        return _short(self.values[-1])

    def add(self, contender: Contender) -> None:
        if contender.tree is None:
            self.values.append(contender.measure().value)
            return
        with Watch(contender.tree) as watch:
            run = contender.measure()
        self.values.append(run.value)
        self.cpu.append(watch.cpu * 1000 / max(1, run.operations))
        self.memory.append(watch.peak)
        self.growth.append(watch.peak - watch.before)

    def figure(self) -> Figure:
        return Figure(
            tuple(self.values),
            statistics.median(self.cpu) if self.cpu else None,
            max(self.memory, default=None),
            max(self.growth, default=None),
        )


class Watch:
    """CPU seconds that processes take within a block, and their memory in MB before and at most.

    Memory is what the processes hold for themselves: pages of mapped files are the system's.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.cpu = 0.0
        self.before = self.peak = 0.0

    def __enter__(self) -> "Watch":
        self.before = self.peak = memory(self._tree())
        self.cpu = -_cpu(self._tree())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.cpu += _cpu(self._tree())
        self.peak = max(self.peak, memory(self._tree()))

    def _look(self) -> None:
        processes = list(self._tree())
        while not self._ended.wait(_TICK):
            self.peak = max(self.peak, memory(processes))


def memory(processes: Iterable[psutil.Process]) -> float:
    """Megabytes that processes have resident, without the pages of files that they map."""
    total = 0.0
    for process in processes:
        with _alive():
            held = process.memory_info()
            total += (held.rss - held.shared) / 1e6
    return total


def _cpu(processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with _alive():
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def _alive() -> Iterator[None]:
    with suppress(psutil.NoSuchProcess):
        yield


def _short(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


_HEAD = ("row", "x peer", "x limit", "wanted", "ours", "peer", "limit", "CPU ms", "MB", "unit")


def table(lines: Sequence[Line]) -> str:
    """All lines as one table, ratios first, in Markdown."""
    cells = [_HEAD, *map(_cells, lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    rule = tuple("-" * width for width in widths)
    padded = [
        [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        for row in (cells[0], rule, *cells[1:])
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def _cells(line: Line) -> tuple[str, ...]:
    row = line.row
    return (
        row.title,
        _short(line.times(line.peer)),
        _short(line.times(line.limit)),
        _wanted(line),
        str(line.ours),
        f"{row.peer} {line.peer}" if line.peer else "",
        f"{row.limit} {line.limit}" if line.limit else "",
        "/".join(_short(f.cpu) if f else "-" for f in (line.ours, line.peer, line.limit)),
        _short(line.ours.memory),
        row.unit,
    )


def _wanted(line: Line) -> str:
    """The ratios wanted, and whether those that could be measured were reached."""
    wanted = ((line.row.times_peer, line.peer, "peer"), (line.row.times_limit, line.limit, "limit"))
    words = []
    for least, figure, name in wanted:
        reached = line.times(figure)
        if least is not None and reached is not None:
            words.append(f"{'' if reached >= least else 'BELOW '}{least:g} {name}")
    if line.row.most is not None:
        over = line.ours.median > line.row.most
        words.append(f"{'ABOVE' if over else 'under'} {line.row.most:g}")
    return ", ".join(words)


def as_json(lines: Sequence[Line]) -> list[dict[str, object]]:
    """The lines for programs, with every single value."""
    return [
        asdict(line) | {"times_peer": line.times(line.peer), "times_limit": line.times(line.limit)}
        for line in lines
    ]
