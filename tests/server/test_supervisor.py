"""`serve` keeps its roles alive, ends them all together, and is alone on its folder."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from bench.crash.objects import make
from tests.support.modality import send
from tests.support.parrot import Parrot, command, message, request
from tests.support.server import PATIENCE, Server, running
from tests.support.tree import ROOT
from tests.support.waiting import until
from tests.support.web import web

pytestmark = pytest.mark.slow

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("supervised") / "data", under=("env",)) as started:
        yield started


def serve_again(server: Server, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run `serve` with a server's own settings, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "server", "serve"],
        cwd=ROOT,
        env=server.environment | settings,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def processes(data: Path) -> list[psutil.Process]:
    """Every living process that was started for a data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get("TRIPTYCH_DATA") == str(data):
                found.append(process)
        except psutil.Error:
            continue
    return found


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_whole(server: Server, before: dict[str, int]) -> bool:
    """Whether every role runs in another process than before, and all doors answer."""
    now = server.children()
    if set(now) != set(before) or any(now[role] == before[role] for role in before):
        return False
    try:
        socket.create_connection(("127.0.0.1", server.dimse), timeout=2).close()
        return requests.get(f"{server.base}/readyz", timeout=2).status_code == 200
    except (OSError, requests.RequestException):
        return False


def test_a_child_that_is_killed_comes_back_at_its_port(server: Server) -> None:
    before = server.children()
    assert set(before) == {"web", "dimse", "mllp", "worker"}
    for pid in before.values():
        psutil.Process(pid).kill()
    until(lambda: is_whole(server, before), "every role in a new process")
    made = make("back", "CT1", 1)
    assert send(server.dimse, made.file) == [0]
    path = f"/studies/{made.study}/instances"
    assert len(web(server, "system/ImagingStudy.rs").found(path)) == 1


def test_a_second_server_on_the_same_folder_is_refused_in_a_sentence(server: Server) -> None:
    second = serve_again(server, TRIPTYCH_HTTP_PORT="0", TRIPTYCH_DIMSE_PORT="0")
    assert second.returncode == 2
    assert f"another server (process {server.process.pid}) runs on" in second.stderr
    assert "TRIPTYCH_DATA" in second.stderr
    assert "Traceback" not in second.stderr
    assert requests.get(f"{server.base}/readyz", timeout=5).status_code == 200


def test_what_the_server_writes_is_for_its_own_user_alone(server: Server) -> None:
    assert send(server.dimse, make("mode", "a", 1).file) == [0]
    open_to_others = [
        path
        for path in server.data.rglob("*")
        if path != server.log and path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


def test_sigterm_ends_serve_with_0_after_what_was_begun(tmp_path: Path) -> None:
    with running(tmp_path / "data", under=("env",)) as server:
        large, small = make("term", "CT1", 1, 20_000_000), make("term", "CT1", 2, 20_000)
        assert send(server.dimse, large.file) == [0]
        reading = slow_reader(server, large.study)
        with Parrot(server.dimse) as writing, Parrot(server.dimse) as idle:
            contexts = [(1, SECONDARY_CAPTURE, [EXPLICIT])]
            idle.associate(request(contexts))
            writing.associate(request(contexts))
            store = command(1, sop_class=SECONDARY_CAPTURE, sop_instance=small.uid)
            stream = message(1, store, small.data)
            writing.say(stream[:10_000])
            until(
                lambda: list((server.data / "blobs" / "tmp").iterdir()), "a message that has begun"
            )
            server.process.send_signal(signal.SIGTERM)
            assert idle.aborted() is not None
            writing.say(stream[10_000:])
            assert writing.response().Status == 0
        length = int(reading.headers["Content-Length"])
        assert len(reading.raw.read()) == length > len(large.data)
        assert server.process.wait(PATIENCE) == 0
        assert processes(server.data) == []
        assert server.process.stdout is not None
        assert server.process.stdout.read() == "", "the ready line is all that serve prints"


def slow_reader(server: Server, study: str) -> requests.Response:
    """Ask for a study's only object and read nothing but the header of the answer."""
    client = web(server, "system/ImagingStudy.rs")
    (row,) = client.found(f"/studies/{study}/instances")
    address = row["00081190"]["Value"][0]
    return requests.get(
        address,
        headers={
            "Authorization": f"Bearer {client.token}",
            "Accept": "application/dicom; transfer-syntax=*",
        },
        stream=True,
        timeout=PATIENCE,
    )


def test_a_killed_supervisor_leaves_no_orphan_and_its_ports_are_free(tmp_path: Path) -> None:
    with running(tmp_path / "data", under=("env",)) as server:
        made = make("orphan", "CT1", 1, 10_000)
        assert send(server.dimse, made.file) == [0]
        picture = f"/studies/{made.study}/series/{made.series}/instances/{made.uid}/rendered"
        assert web(server, "system/*.rs").get(picture).status_code == 200
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert len(family) > 5, "three roles, two web workers, and who decodes pictures"
        server.process.kill()
        server.process.wait()
        until(lambda: not any(lives(member) for member in family), "the end of the whole family")
        ports = str(server.http), str(server.dimse)
        with running(server.data, under=("env",), HTTP_PORT=ports[0], DIMSE_PORT=ports[1]) as heir:
            assert (heir.http, heir.dimse) == (server.http, server.dimse)
            tree = psutil.Process(heir.process.pid)
            heirs = {tree.pid, *(child.pid for child in tree.children(recursive=True))}
            assert {process.pid for process in processes(heir.data)} == heirs
            assert send(heir.dimse, made.file) == [0]


def test_five_deaths_within_a_minute_end_serve_with_1_and_say_so(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--only", "worker", under=("env",)) as server:
        killed = set[int]()
        while server.process.poll() is None:
            worker = server.children().get("worker")
            if worker is not None and worker not in killed:
                killed.add(worker)
                psutil.Process(worker).kill()
            until(lambda: server.process.poll() is not None or is_new(server, killed), "a worker")
        assert server.process.wait() == 1
        assert len(killed) == 5
        assert "worker died 5 times within a minute: giving up" in server.log.read_text()
        assert processes(server.data) == []


def is_new(server: Server, killed: set[int]) -> bool:
    return server.children().get("worker") not in {None, *killed}
