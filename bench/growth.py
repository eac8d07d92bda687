"""Searches among few studies and among many: how fast each is, and how much the slowest grow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bench import web
from bench.harness import Contender, Line, Row, Run, Scale, compare
from bench.stand import FIRST, Ours, Process, Stand

_CONNECTIONS = 4
_SAMPLE = 50
# A peer that takes a hundred times as long is asked less often.
_PEER_SHARE = 20
# p95 among many is to be at most 1.5 times that among few.
_GROWTH = 1 / 1.5


@dataclass(frozen=True, slots=True)
class Search:
    """A kind of search, by its three rows, and what it asks: a request for each study's number."""

    few: Row
    many: Row
    growth: Row
    asking: Callable[[Ours, Sequence[int]], list[bytes]]

    @property
    def rows(self) -> tuple[Row, Row, Row]:
        return self.few, self.many, self.growth


def search(
    name: str,
    title: str,
    asking: Callable[[Ours, Sequence[int]], list[bytes]],
    *,
    peer: float | None = None,
    limit: float | None = None,
) -> Search:
    """A search that is to be so many times as good as its peer or limit, among many studies."""
    wanted = {"times_peer": peer, "times_limit": limit, "limit": "Flask hello"}
    few = Row(f"{name}-few", f"{title}, few", "requests/s", limit="Flask hello")
    many = Row(f"{name}-many", f"{title}, many", "requests/s", **wanted)  # type: ignore[arg-type]
    growth = Row(
        f"{name}-growth",
        f"{title}, p95 of many",
        "ms",
        less=True,
        limit="of few",
        times_limit=_GROWTH,
    )
    return Search(few, many, growth, asking)


def lines(
    stand: Stand,
    scale: Scale,
    rows: frozenset[Row],
    searches: Sequence[Search],
    peer: Callable[[int], Callable[[Search], Contender] | None],
) -> Iterator[Line]:
    """Measure the rows asked for. `peer` gives one that holds so many studies, or None."""
    counts = scale.few, scale.many
    few, many = (stand.ours(stand.filled(n, scale.instances, reported=True)) for n in counts)
    limit = stand.limit_app()
    for one in searches:
        places = ((one.few, few, scale.few), (one.many, many, scale.many))
        for row, server, count in places:
            if row in rows:
                ours = partial(_rate, server, one, scale.calls, count)
                theirs = peer(count)
                others = [theirs(one) if theirs else None, _hello(limit, scale.calls)]
                yield compare(row, scale.repeats, [Contender(ours, server.role("web")), *others])
        if one.growth in rows:
            p95 = [
                Contender(partial(_p95, server, one, scale.calls, count), server.role("web"))
                for _, server, count in places
            ]
            yield compare(one.growth, scale.repeats, [p95[1], None, p95[0]])


def numbers(count: int) -> list[int]:
    """The numbers of some studies, spread over all."""
    return list(range(FIRST, FIRST + count, max(1, count // _SAMPLE)))[:_SAMPLE]


def _requests(server: Ours, search: Search, calls: int, count: int) -> list[bytes]:
    asked = search.asking(server, numbers(count))
    return [asked[call % len(asked)] for call in range(calls)]


def _rate(server: Ours, search: Search, calls: int, count: int) -> Run:
    requests = _requests(server, search, calls, count)
    return Run(web.load(server.ports["http"], requests, _CONNECTIONS).rate, calls)


def _p95(server: Ours, search: Search, calls: int, count: int) -> Run:
    requests = _requests(server, search, calls, count)
    return Run(web.load(server.ports["http"], requests).p95_ms, calls)


def _hello(limit: Process, calls: int) -> Contender:
    requests = [web.request("/hello")] * calls

    def run() -> Run:
        return Run(web.load(limit.ports["http"], requests, _CONNECTIONS).rate, calls)

    return Contender(run, limit.tree)
