"""QIDO-RS: the newest fifty studies, and those of one patient, among few studies and many."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from bench import growth, objects, sender, web
from bench.growth import Search
from bench.harness import Contender, Line, Row, Run, Scale, say
from bench.objects import draw
from bench.stand import FIRST, Ours, Process, Stand

_CONNECTIONS = 4
_PEER_CALLS = 40
_JSON = {"Accept": "application/dicom+json"}


def _page(_: int) -> str:
    return "/studies?limit=50"


def _patient(number: int) -> str:
    text = objects.number(objects.PATIENT.encode(), number, 0)
    return f"/studies?PatientID={text.decode()}"


def _asking(path: Callable[[int], str]) -> Callable[[Ours, Sequence[int]], list[bytes]]:
    return lambda server, numbers: _requests("/dicomweb", path, numbers, server.bearer)


def _requests(
    root: str, path: Callable[[int], str], numbers: Sequence[int], more: Mapping[str, str]
) -> list[bytes]:
    return [web.request(root + path(number), {**_JSON, **more}) for number in numbers]


PAGE = growth.search("qido-page", "QIDO-RS newest 50", _asking(_page), peer=50)
PATIENT = growth.search("qido-patient", "QIDO-RS by PatientID", _asking(_patient), peer=50)
_PATHS = {PAGE: _page, PATIENT: _patient}
ROWS: tuple[Row, ...] = (*PAGE.rows, *PATIENT.rows)


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    counts = [scale.few, scale.many] if scale.full else [scale.few]
    peers = {count: _orthanc(stand, count) for count in counts}
    if not scale.full:
        say(f"  Orthanc is filled to {scale.many:,} studies with --full only: it takes minutes")

    def peer(count: int) -> Callable[[Search], Contender] | None:
        found = peers.get(count)
        return None if found is None else partial(_ask, found, count)

    return growth.lines(stand, scale, rows, (PAGE, PATIENT), peer)


def _orthanc(stand: Stand, count: int) -> Process | None:
    """Orthanc with so many studies."""
    orthanc = stand.orthanc()
    if orthanc is not None:
        fill_peer(orthanc, count)
    return orthanc


def fill_peer(peer: Process, count: int) -> None:
    """Send so many studies of one instance, the same that `Stand.filled` has."""
    say(f"  filling Orthanc with {count:,} studies")
    studies = [(number, number) for number in range(FIRST, FIRST + count)]
    queues = [studies[part::_CONNECTIONS] for part in range(_CONNECTIONS)]
    sender.send(peer.ports["dimse"], draw(objects.TINY), queues)


def _ask(orthanc: Process, count: int, search: Search) -> Contender:
    """A peer that takes a hundred times as long is asked less often."""
    numbers = growth.numbers(count)[:_PEER_CALLS]
    requests = _requests("/dicom-web", _PATHS[search], numbers, {})

    def run() -> Run:
        return Run(web.load(orthanc.ports["http"], requests, _CONNECTIONS).rate, len(requests))

    return Contender(run, orthanc.tree)
