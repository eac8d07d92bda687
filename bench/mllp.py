"""HL7 v2 over MLLP: messages judged, logged, synced and audited before each is answered; applied after."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import func, select

from bench import reports
from bench.fill_log import fill
from bench.harness import Contender, Line, Row, Run, Scale, compare, say
from bench.stand import Ours, Process, Stand
from server.store.db import Database
from server.store.hl7_tables import message

_LIMIT = "append+sync"
_PATIENCE = 600.0


def _stream(connections: int) -> Row:
    plural = "connection" if connections == 1 else "connections"
    title = f"ORU 2 KB, durable ACK, {connections} {plural}"
    name = f"mllp-{connections}"
    return Row(name, title, "messages/s", peer="python-hl7", limit=_LIMIT, times_limit=0.6)


CONNECTIONS = (1, 4, 16)
STREAMS = {connections: _stream(connections) for connections in CONNECTIONS}
HL7APY = Row("mllp-hl7apy", "ORU 2 KB, 1 connection", "messages/s", peer="hl7apy", times_peer=30.0)
MAPPED = Row("mllp-mapped", "ORU mapped and linked with order and study", "reports/s")
GROWTH = Row(
    "mllp-growth",
    "ORU, durable ACK among many",
    "ms",
    less=True,
    limit="among few",
    times_limit=1 / 1.5,
)
APPLIED = Row(
    "mllp-applied-growth",
    "ORU, mapped among many",
    "ms",
    less=True,
    limit="among few",
    times_limit=1 / 1.5,
)
ROWS = (*STREAMS.values(), HL7APY, MAPPED, GROWTH, APPLIED)


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    numbers = _Numbers()
    yield from _rates(stand, scale, rows, numbers)
    if MAPPED in rows:
        applied = _Applied(stand.ours(), numbers, scale.reports)
        yield compare(MAPPED, scale.repeats, [Contender(applied.rate)])
    if rows & {GROWTH, APPLIED}:
        yield from _growth(stand, scale, rows, numbers)


def _rates(stand: Stand, scale: Scale, rows: frozenset[Row], numbers: "_Numbers") -> Iterator[Line]:
    wanted = [(count, row) for count, row in STREAMS.items() if row in rows]
    ours = stand.ours() if wanted or HL7APY in rows else None
    load = partial(_contender, numbers, scale.messages)
    if wanted:
        others = stand.python_hl7(), stand.limit_mllp("append")
        for connections, row in wanted:
            contenders = [load(one, connections) for one in (ours, *others)]
            yield compare(row, scale.repeats, contenders)
    if HL7APY in rows:
        few = partial(_contender, numbers, scale.slow)
        peer = stand.limit_mllp("hl7apy")
        yield compare(HL7APY, scale.repeats, [load(ours, 1), few(peer, 1)])


class _Numbers:
    """Numbers that no message has had."""

    def __init__(self) -> None:
        self._next = 1_000_000

    def take(self, count: int) -> range:
        first, self._next = self._next, self._next + count
        return range(first, self._next)


def _contender(
    numbers: _Numbers, count: int, receiver: Process | None, connections: int
) -> Contender | None:
    """How many messages a receiver answers in a second, over so many connections."""
    if receiver is None:
        return None

    def run() -> Run:
        sent = [reports.report(number) for number in numbers.take(count)]
        seconds = reports.send(receiver.ports["mllp"], reports.deal(sent, connections))
        _settle(receiver)
        return Run(count / seconds, count)

    return Contender(run, receiver.tree)


def _settle(receiver: Process) -> None:
    """Wait until what was answered is applied: it is not to disturb the next measurement."""
    if isinstance(receiver, Ours):
        _applied(receiver)


class _Applied:
    """Reports of orders that are known, from the first one sent to the last one applied."""

    def __init__(self, server: Ours, numbers: _Numbers, count: int) -> None:
        self._server = server
        self._numbers = numbers
        self._count = count

    def seconds(self) -> float:
        """Send orders and wait for them, then reports, for which the clock runs."""
        numbers, port = self._numbers.take(self._count), self._server.ports["mllp"]
        reports.send(port, reports.deal([reports.order(one) for one in numbers], 4))
        _applied(self._server)
        start = time.perf_counter()
        reports.send(port, reports.deal([reports.report(one) for one in numbers], 4))
        _applied(self._server)
        return time.perf_counter() - start

    def rate(self) -> Run:
        return Run(self._count / self.seconds(), self._count)

    def cost(self) -> Run:
        return Run(self.seconds() * 1000 / self._count, self._count)


def _applied(server: Ours) -> None:
    """Wait until no message is pending."""
    database = Database(f"sqlite:///{server.folder / 'triptych.db'}")
    try:
        deadline = time.monotonic() + _PATIENCE
        query = select(func.count()).where(
            message.c.state == "pending", message.c.organisation == 1
        )
        while _count(database, query):
            if time.monotonic() > deadline:
                raise RuntimeError("messages are not applied")
            time.sleep(0.05)
    finally:
        database.close()


def _count(database: Database, query: object) -> int:
    with database.read() as connection:
        return int(connection.execute(query).scalar() or 0)  # type: ignore[call-overload]


def _growth(stand: Stand, scale: Scale, rows: frozenset[Row], numbers: _Numbers) -> Iterator[Line]:
    few, many = (stand.ours(_logged(stand, count)) for count in (scale.few_logged, scale.logged))
    if GROWTH in rows:
        yield compare(GROWTH, scale.repeats, _sides(many, few, partial(_ms, numbers, scale.slow)))
    if APPLIED in rows:
        yield compare(
            APPLIED,
            scale.repeats,
            _sides(many, few, lambda one: _Applied(one, numbers, scale.reports).cost()),
        )


def _sides(many: Ours, few: Ours, measure: Callable[[Ours], Run]) -> list[Contender | None]:
    return [Contender(partial(measure, many)), None, Contender(partial(measure, few))]


def _ms(numbers: _Numbers, count: int, server: Ours) -> Run:
    sent = [reports.report(number) for number in numbers.take(count)]
    seconds = reports.send(server.ports["mllp"], [sent])
    _applied(server)
    return Run(seconds * 1000 / count, count)


def _logged(stand: Stand, count: int) -> Path:
    """A store whose log holds so many messages."""
    say(f"  filling a message log with {count:,} messages")
    data = stand.new_folder("logged")
    fill(data, 10_000_000, count)
    return data
