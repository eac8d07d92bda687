"""The house's own detectors must bite: a guard that never fires protects nobody."""

import socket
import sys
import threading
from pathlib import Path

import pytest

from tests.support import leaks, logs
from tests.support.loopback import LeftLoopback, take_violations
from tests.support.shell import finish
from tests.support.tree import ROOT

SKIPPING = """
import pytest

def test_with_a_peer():
    pytest.skip("no peer")
"""


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "example.org"])
def test_a_connection_beyond_loopback_is_refused_and_remembered(address: str) -> None:
    with pytest.raises(LeftLoopback):
        socket.create_connection((address, 80), timeout=1)
    assert any(address in violation for violation in take_violations())


def test_a_connection_on_loopback_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_a_thread_that_stays_is_named() -> None:
    stop = threading.Event()
    before = set(threading.enumerate())
    thread = threading.Thread(target=stop.wait, name="left behind")
    thread.start()
    assert leaks.threads_left(before, patience=0.0) == ["left behind"]
    stop.set()
    thread.join()


def test_a_socket_that_still_listens_is_seen() -> None:
    before = leaks.listening_ports()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert leaks.listening_ports() - before == {server.getsockname()[1]}


@pytest.mark.parametrize(("no_skips", "code"), [("1", 1), ("0", 0)])
def test_a_skip_fails_the_run_where_skips_are_forbidden(
    no_skips: str, code: int, tmp_path: Path
) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    run = finish(
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        ".",
        cwd=tmp_path,
        PYTHONPATH=str(ROOT),
        TRIPTYCH_NO_SKIPS=no_skips,
    )
    assert run.returncode == code, run.stdout + run.stderr
    assert ("skipped although" in run.stdout) == bool(code)
    assert "test_skipping.py::test_with_a_peer" in run.stdout or not code


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("GET /fhir with Authorization: Bearer abcdefghijklmnopqrstuvwxyz", "a bearer token"),
        ("grant s3cr3t-0f-this-test began", "a token"),
        ("C-STORE of Liddell^Alice failed", "a patient's name or number"),
    ],
)
def test_a_log_that_tells_too_much_is_found(
    line: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_FILES", [])
    monkeypatch.setattr(logs, "_SECRETS", {"s3cr3t-0f-this-test"})
    file = tmp_path / "server.log"
    file.write_text(f"all is well\n{line}\n")
    logs.watch(file)
    assert logs.findings() == [f"{file}:2: {kind}"]
