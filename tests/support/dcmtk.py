"""Debian's dcmtk tools as peers, called by their full path."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = Path("/usr/bin")


def dcmtk(tool: str, *arguments: str | Path, nodelay: bool = True) -> str:
    """Run a tool to its end and return what it printed; skip if it is not installed.

    As packaged the tools leave Nagle's algorithm on; with `nodelay` they turn it off.
    """
    path = FOLDER / tool
    if not path.exists():
        pytest.skip(f"{path} is missing: run `make peers`")
    environment = {name: text for name, text in os.environ.items() if name != "TCP_NODELAY"}
    run = subprocess.run(
        [path, *arguments],
        env=environment | ({"TCP_NODELAY": "1"} if nodelay else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, f"{tool}: {run.returncode}\n{run.stdout}\n{run.stderr}"
    return run.stdout + run.stderr


@contextmanager
def storescp(folder: Path) -> Iterator[tuple[int, Path]]:
    """Run dcmtk's receiver, which with +B keeps each data set bit by bit, on a free port."""
    path = FOLDER / "storescp"
    if not path.exists():
        pytest.skip(f"{path} is missing: run `make peers`")
    folder.mkdir()
    port = _free_port()
    arguments = ["+B", "+xa", "-od", str(folder), "-aet", "TRIPTYCH", str(port)]
    receiver = subprocess.Popen([path, *arguments], stdin=subprocess.DEVNULL)
    try:
        _await_listener(port, receiver)
        yield port, folder
    finally:
        receiver.terminate()
        receiver.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await_listener(port: int, receiver: subprocess.Popen[bytes]) -> None:
    while receiver.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return
    pytest.fail("storescp ended before it listened")
