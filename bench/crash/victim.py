"""The server under the crash bench: started, killed process by process, and started again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bench.crash.doors import HOST, Web

# Every role with the number of its processes.
_ROLES = {"supervisor": 1, "dimse": 1, "mllp": 1, "web": 1, "web worker": 2, "worker": 1}
VICTIMS = (*_ROLES, "everything")
PATIENCE = 90.0
_TICK = 0.1
_FRESH = 300.0


class Trouble(Exception):
    """The server did not do what it has to, in plain words."""


def until(happened: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Look until something has happened; Trouble says what has not."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise Trouble(f"after {seconds:.0f} s still not: {what}")
        time.sleep(_TICK)


class Victim:
    """`python -m server serve` on fixed ports and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.http, self.dimse = _free_ports()
        self.web = Web(self.http, folder / "token")
        self.restarts = 0
        self._tokened = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        plain = {k: v for k, v in os.environ.items() if not k.startswith("TRIPTYCH_")}
        self._environment = plain | {
            "TRIPTYCH_DATA": str(self.data),
            "TRIPTYCH_HTTP_PORT": str(self.http),
            "TRIPTYCH_DIMSE_PORT": str(self.dimse),
            "TRIPTYCH_MLLP_PORT": "0",
            "TRIPTYCH_SETTLE_SECONDS": "1",
            "TRIPTYCH_MIN_FREE_BYTES": "1M",
            "TRIPTYCH_LOG_LEVEL": "WARNING",
        }

    def start(self) -> None:
        """Start it; Trouble when it does not come up."""
        self._spawn()
        self.await_health()

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server", "serve"],
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def log(self) -> Path:
        """What it said on its standard error."""
        return self.folder / "server.log"

    @property
    def recovered(self) -> int:
        """How many objects it says that it has found between blob and row."""
        return sum(map(int, re.findall(r"recovered (\d+) objects", self.log.read_text())))

    def await_health(self) -> None:
        """Wait until every role serves; a supervisor that has ended is started again."""
        until(self._is_healthy, f"a healthy server ({self.log} tells more)")
        self._renew_token()

    def _is_healthy(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            if self._process.returncode not in (-signal.SIGKILL, 1):
                raise Trouble(f"serve ended with {self._process.returncode}")
            self.restarts += 1
            self._spawn()
        return _listens(self.dimse) and self.web.is_ready() and self._is_whole()

    def _is_whole(self) -> bool:
        """Whether every role has its processes."""
        found = {name: sum(map(_lives, living)) for name, living in self.processes().items()}
        return all(found.get(name, 0) >= least for name, least in _ROLES.items())

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Every process of the server, by role."""
        found: dict[str, list[psutil.Process]] = {}
        try:
            top = psutil.Process(self._pid)
            found["supervisor"] = [top]
            for process in top.children():
                role = process.name().removeprefix("triptych-")
                found.setdefault(role, []).append(process)
            for process in found.get("web", []):
                found.setdefault("web worker", []).extend(process.children())
        except (psutil.Error, IndexError):  # one ended while we looked
            return {}
        return found

    @property
    def _pid(self) -> int:
        assert self._process is not None  # noqa: S101 - `start` came before
        return self._process.pid

    def choose(self, name: str) -> list[psutil.Process]:
        """The processes that die when a victim is named."""
        found = self.processes()
        if name == "everything":
            return [process for role in found.values() for process in role]
        return found.get(name, [])[:1]

    def kill(self, processes: list[psutil.Process]) -> None:
        """Send SIGKILL, and see that no child survives its dead parent."""
        family = [*processes, *(child for one in processes for child in _descendants(one))]
        for process in processes:
            _kill(process)
        if self._process is not None and self._process.pid in {one.pid for one in processes}:
            self._process.wait()
        until(lambda: not any(map(_lives, family)), "a killed process gone with its children", 30)

    def _renew_token(self) -> None:
        if time.monotonic() - self._tokened > _FRESH or not self._tokened:
            scope = "system/ImagingStudy.crs system/Patient.rs system/DiagnosticReport.rs system/Binary.r"
            answer = self.run("token", "--scope", scope)
            fresh = self.folder / "token.new"
            fresh.write_text(answer["access_token"])
            fresh.rename(self.folder / "token")
            self._tokened = time.monotonic()

    def run(self, *words: str) -> dict[str, Any]:
        """Run a command on the same data; gives the JSON object that it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "server", *words],
            env=self._environment,
            capture_output=True,
            check=False,
            text=True,
        )
        if not done.stdout:
            raise Trouble(f"{' '.join(words[:1])} ended with {done.returncode}: {done.stderr}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def stop(self) -> None:
        """Stop it in order; Trouble unless it ends with 0."""
        assert self._process is not None  # noqa: S101 - `start` came before
        self._process.terminate()
        code = self._process.wait(PATIENCE)
        if code != 0:
            raise Trouble(f"serve ended with {code} after SIGTERM")

    def abandon(self) -> None:
        """Kill whatever is left of it."""
        if self._process is not None and self._process.poll() is None:
            self.kill(self.choose("everything"))


def _free_ports() -> tuple[int, int]:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
