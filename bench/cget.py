"""C-GET and C-FIND with dcmtk's tools: a study comes back, and one patient's studies are found."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from bench import objects, qido, sender
from bench.harness import Contender, Line, Row, Run, Scale, compare
from bench.objects import draw, uid
from bench.stand import Process, Stand

_GETSCU, _FINDSCU = Path("/usr/bin/getscu"), Path("/usr/bin/findscu")
_AE = "GETSCU"
_FINDS = 20

GET = Row("cget", "C-GET of a study of 0.5 MB slices, getscu", "objects/s", times_peer=1)
SLOW = Row("cget-nagle", "C-GET, getscu as Debian sets it", "objects/s", times_peer=1)
FIND = Row("cfind", "C-FIND of one patient's studies, findscu", "ms", True, times_peer=1)
ROWS = (GET, SLOW, FIND)


@dataclass(frozen=True, slots=True)
class _Server:
    """Who is asked: its process, its port and its AE title."""

    process: Process
    title: str

    @property
    def place(self) -> list[str]:
        port = str(self.process.ports["dimse"])
        return ["-aet", _AE, "-aec", self.title, "127.0.0.1", port, "-S"]


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    servers = _servers(stand, scale)
    folder = stand.new_folder("got")
    plans: tuple[tuple[Row, Callable[[_Server], Run]], ...] = (
        (GET, partial(_get, folder=folder, study=1, count=scale.slices, nodelay=True)),
        (SLOW, partial(_get, folder=folder, study=2, count=_few(scale), nodelay=False)),
        (FIND, _find),
    )
    for row, measure in plans:
        if row in rows:
            found = [_contender(measure, one) for one in servers]
            yield compare(row, scale.repeats, found)


def _few(scale: Scale) -> int:
    """How many a peer that collapses can give in good time."""
    return max(2, scale.slices // 20)


def _contender(measure: Callable[[_Server], Run], server: _Server | None) -> Contender | None:
    if server is None:
        return None
    return Contender(partial(measure, server), server.process.tree)


def _servers(stand: Stand, scale: Scale) -> list[_Server | None]:
    """Ours and Orthanc, each with two studies and others beside them."""
    ours, orthanc = stand.ours(stand.filled(scale.beside)), stand.orthanc()
    ours.run("peer", "add", _AE, "127.0.0.1", "104", "--may", "find,get")
    slices = [(1, number) for number in range(scale.slices)]
    slices += [(2, scale.slices + number) for number in range(_few(scale))]
    sender.send(ours.ports["dimse"], draw(objects.LARGE), [slices])
    if orthanc is None:
        return [_Server(ours, "TRIPTYCH"), None]
    sender.send(orthanc.ports["dimse"], draw(objects.LARGE), [slices])
    qido.fill_peer(orthanc, scale.beside)
    return [_Server(ours, "TRIPTYCH"), _Server(orthanc, "ORTHANC")]


def _run(tool: Path, server: _Server, words: list[str], *, nodelay: bool = True) -> float:
    environment = {name: text for name, text in os.environ.items() if name != "TCP_NODELAY"}
    environment |= {"TCP_NODELAY": "1"} if nodelay else {}
    started = perf_counter()
    subprocess.run([tool, *server.place, *words], env=environment, check=True, capture_output=True)
    return perf_counter() - started


def _get(server: _Server, *, folder: Path, study: int, count: int, nodelay: bool) -> Run:
    target = folder / server.title
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    named = [
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        f"StudyInstanceUID={uid(objects.STUDY, study)}",
    ]
    tuned = ["-pdu", "131072"] if nodelay else []
    taken = _run(_GETSCU, server, [*tuned, "+B", "-od", str(target), *named], nodelay=nodelay)
    arrived = len(list(target.iterdir()))
    if arrived != count:
        raise RuntimeError(f"{server.title} gave {arrived} of {count} objects")
    return Run(count / taken, count)


def _find(server: _Server) -> Run:
    """One association each time, as findscu does it."""
    named = [
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        "StudyInstanceUID",
        "-k",
        f"PatientID={uid(objects.PATIENT, 1)}",
    ]
    taken = sum(_run(_FINDSCU, server, named) for _ in range(_FINDS))
    return Run(taken / _FINDS * 1000, _FINDS)
