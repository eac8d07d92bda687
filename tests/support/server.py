"""Starts the real server, as a user would, on free ports of loopback and a folder of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import requests

from tests.support import logs, nursery
from tests.support.tree import ROOT

PATIENCE = 60


@dataclass(slots=True)
class Server:
    """A running server: its process, ports, base address, data folder and log file.

    `setup` is the address that makes the first operator, if it printed one.
    """

    process: subprocess.Popen[str] | nursery.Process
    data: Path
    log: Path
    base: str
    http: int
    dimse: int
    mllp: int
    mllps: int
    dimses: int
    environment: dict[str, str]
    setup: str = ""

    def run(self, *words: str, stdin: str | None = None, check: bool = True) -> Any:
        """Run a command against the same data; gives its JSON answer, or its exit code and text."""
        done = nursery.run(words, self.environment, stdin, self.data.parent)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def token(self, scope: str, *more: str) -> str:
        """An access token for scripts, as `token --scope …` prints it."""
        return logs.keep_out(self.run("token", "--scope", scope, *more)["access_token"])

    def get(self, path: str, token: str = "", **headers: str) -> requests.Response:
        """GET an address of the server, with a bearer token if one is given."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return requests.get(self.base + path, headers=sent, timeout=60)

    def children(self) -> dict[str, int]:
        """The process id of each role."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                number, name, rest = re.split(r" \(|\) ", stat.read_text(), maxsplit=2)
            except (OSError, ValueError):
                continue
            if int(rest.split()[1]) == self.process.pid and name.startswith("triptych-"):
                found[name.removeprefix("triptych-")] = int(number)
        return found

    def stop(self) -> int:
        """Stop it as an operator would; gives the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


def environment(data: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server of its own: free ports, one HTTP worker, quick settling."""
    own = {
        "TRIPTYCH_DATA": str(data),
        "TRIPTYCH_HTTP_PORT": "0",
        "TRIPTYCH_DIMSE_PORT": "0",
        "TRIPTYCH_DIMSE_TLS_PORT": "0",
        "TRIPTYCH_MLLP_PORT": "0",
        "TRIPTYCH_MLLP_TLS_PORT": "0",
        "TRIPTYCH_SETTLE_SECONDS": "1",
        "TRIPTYCH_MIN_FREE_BYTES": "1M",
    }
    plain = {k: v for k, v in os.environ.items() if not k.startswith("TRIPTYCH_")}
    return plain | own | dict(settings)


def start(data: Path, *words: str, under: tuple[str, ...] = (), **settings: str) -> Server:
    """Start `serve WORDS` and wait for its ready line; settings are named without TRIPTYCH_.

    It runs `under` another program if one is given (`env` is one that changes nothing), and else
    as a fork, which shares what was imported before.
    """
    data.mkdir(parents=True, exist_ok=True)
    env = environment(data, {f"TRIPTYCH_{name}": value for name, value in settings.items()})
    log = data / "server.log"
    logs.watch(log)
    with log.open("a") as errors:
        process = _process(("serve", *words), under, env, errors)
    assert process.stdout is not None
    line, setup = process.stdout.readline(), ""
    if line.startswith("setup "):
        setup = logs.keep_out(line.removeprefix("setup ").strip())
        line = process.stdout.readline()
    if not line.startswith("ready "):
        process.kill()
        process.wait()
        raise AssertionError(f"the server did not start:\n{log.read_text()[-4000:]}")
    ports = json.loads(line.removeprefix("ready "))
    doors = {name: int(ports.get(name, 0)) for name in ("http", "dimse", "mllp", "mllps", "dimses")}
    return Server(process, data, log, ports["base"], environment=env, setup=setup, **doors)


def _process(
    words: Sequence[str], under: tuple[str, ...], env: Mapping[str, str], errors: TextIO
) -> subprocess.Popen[str] | nursery.Process:
    if not under:
        return nursery.start(words, env, errors)
    return subprocess.Popen(
        [*under, sys.executable, "-m", "server", *words],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


@contextmanager
def running(
    data: Path, *words: str, under: tuple[str, ...] = (), **settings: str
) -> Iterator[Server]:
    """A server for the length of a block."""
    server = start(data, *words, under=under, **settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        if server.process.stdout is not None:
            server.process.stdout.close()
