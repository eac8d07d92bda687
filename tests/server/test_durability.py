"""Blob first, row second, answer third: seen in the system calls of a running server."""

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.crash.objects import make
from tests.support.modality import modality
from tests.support.server import Server, running
from tests.support.shell import output
from tests.support.strace import CALLS, Call, answers, calls, complaints
from tests.support.tree import ROOT
from tests.support.waiting import until
from tests.support.web import web

pytestmark = [pytest.mark.peers, pytest.mark.slow]

IMPORTS = "from pathlib import Path; from server.store.blobs import LocalBlobs"
DATA = Path("/d")
# A store as it has to be, with one call of another thread in between.
RIGHT = """\
7 mkdir("/d/blobs/1/ct/2026/11/24", 0777) = 0
7 fsync(9</d/blobs/1/ct/2026/11>) = 0
7 write(8</d/blobs/tmp/a1>, "DICM"..., 900) = 900
7 fsync(8</d/blobs/tmp/a1> <unfinished ...>
9 write(2</dev/pts/0>, "x", 1) = 1
7 <... fsync resumed>) = 0
7 rename("/d/blobs/tmp/a1", "/d/blobs/1/ct/2026/11/24/a2") = 0
7 fsync(9</d/blobs/1/ct/2026/11/24>) = 0
7 pwrite64(5</d/triptych.db-wal>, "row"..., 4096, 0) = 4096
7 fdatasync(5</d/triptych.db-wal>) = 0
7 sendto(6<TCP:[127.0.0.1:104->127.0.0.1:5000]>, "\\4\\0"..., 90, 0, NULL, 0) = 90
"""


@dataclass(frozen=True, slots=True)
class Traced:
    """A server that runs under strace, and the log of its calls."""

    server: Server
    log: Path

    def since(self, start: int) -> list[Call]:
        """What was called since the log had a length."""
        with self.log.open(errors="replace") as file:
            file.seek(start)
            return calls(file)

    def await_answer(self, port: int, start: int = 0) -> int:
        """Wait until an answer that left a port stands in the log; gives the log's length."""

        def sent() -> bool:
            return any(c.ended >= 0 for c in answers(self.since(start), port))

        until(sent, "an answer in the log")
        return self.log.stat().st_size


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """The doors without the worker, which writes rows of its own."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing: run `make peers`")
    folder = tmp_path_factory.mktemp("traced")
    log = folder / "calls"
    under = ("strace", "-D", "-f", "-yy", "-qq", "-e", f"trace={CALLS}", "-o", str(log))
    with running(folder / "data", "--only", "dimse,web", under=under) as server:
        yield Traced(server, log)


def test_a_log_of_a_durable_store_pleases() -> None:
    assert complaints(calls(RIGHT.splitlines()), 104, DATA) == []


@pytest.mark.parametrize("number", [1, 3, 6, 7, 8, 9])
def test_a_log_that_lacks_a_step_displeases(number: int) -> None:
    lines = RIGHT.splitlines()
    del lines[number]
    assert complaints(calls(lines), 104, DATA) != []


@pytest.mark.parametrize("number", [5, 7, 9])
def test_a_step_after_the_answer_counts_as_missing(number: int) -> None:
    lines = RIGHT.splitlines()
    lines.append(lines.pop(number))
    assert complaints(calls(lines), 104, DATA) != []


def test_folders_that_another_process_made_are_synced_too(tmp_path: Path) -> None:
    """It may not have come to that yet, and a power cut would take the folder with all in it."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing: run `make peers`")
    log, day = tmp_path / "calls", tmp_path / "1" / "ct" / "2026" / "11" / "24"
    day.mkdir(parents=True)
    store = f"w = LocalBlobs(Path({str(tmp_path)!r})).create('1/ct/2026/11/24/a')"
    program = f"{IMPORTS}; {store}; w.write(b'x'); w.publish()"
    output("strace", "-yy", "-o", log, "-e", "fsync", sys.executable, "-c", program, cwd=ROOT)
    synced = [Path(on) for on in re.findall(r"^fsync\(\d+<(.*?)>\)", log.read_text(), re.M)]
    assert synced[-1] == day
    assert set(synced) >= {tmp_path.parent, tmp_path, *list(day.parents)[:4]}


def test_c_store_is_answered_when_file_folder_and_row_are_synced(traced: Traced) -> None:
    made, door = make("traced", "CT1", 1), traced.server.dimse
    with modality(door, made.file) as peer:
        start = traced.await_answer(door)  # the A-ASSOCIATE-AC
        assert peer.store(made.file) == 0
        traced.await_answer(door, start)
    assert complaints(traced.since(start), door, traced.server.data) == []


def test_stow_is_answered_when_file_folder_and_row_are_synced(traced: Traced) -> None:
    made, door = make("traced", "WEB", 2), traced.server.http
    client = web(traced.server, "system/ImagingStudy.c")
    start = traced.log.stat().st_size
    assert client.store(made.file).status_code == 200
    traced.await_answer(door, start)
    assert complaints(traced.since(start), door, traced.server.data) == []
