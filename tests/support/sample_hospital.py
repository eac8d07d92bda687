"""The sample hospital of `demo`, started as `make run` starts it, and what it printed."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.support import logs
from tests.support.apps import free_port
from tests.support.server import environment
from tests.support.shell import output
from tests.support.tree import ROOT

INVITED = "Ctrl-C"


@dataclass(slots=True)
class Demo:
    """A sample hospital on ports that stay its own."""

    environment: dict[str, str]
    process: subprocess.Popen[str] | None = None
    ports: dict[str, int] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return Path(self.environment["TRIPTYCH_DATA"])

    def start(self) -> str:
        """Start it, read what it prints until it invites its visitors; gives what it told them."""
        with self._started() as said:
            told = _until(said, INVITED)
        ready = re.search(r"^ready (.+)$", told, re.MULTILINE)
        assert ready is not None, told
        self.ports = json.loads(ready[1])
        self.shown = json.loads(
            next(line for line in told.splitlines() if line.startswith('{"base"'))
        )
        for secret in (self.shown["token"], *(one["password"] for one in self.shown["users"])):
            logs.keep_out(secret)
        return told

    def start_and_kill_at(self, words: str) -> None:
        """Start it, and end it as a power cut would once it says these words."""
        with self._started() as said:
            assert words in _until(said, words)
            assert self.process is not None
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Ctrl-C."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(60) == 0

    @contextmanager
    def _started(self) -> Iterator[IO[str]]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server", "demo"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        with self.process.stdout as said:
            yield said

    def pasted(self, *blocks: str) -> list[str]:
        """Paste blocks into one shell, with this demo's ports, data and Python; each one's output."""
        script = "\necho '<next>'\n".join(blocks)
        for written, ours in (
            (":8080/", f":{self.ports['http']}/"),
            (" 11112", f" {self.ports['dimse']}"),
            (" 2575", f" {self.ports['mllp']}"),
            ("data/demo.json", str(self.data / "demo.json")),
            (".venv/bin/python", shlex.quote(sys.executable)),
        ):
            script = script.replace(written, ours)
        around = self.environment | {"TMPDIR": str(self.data)}
        printed = output("bash", "-euo", "pipefail", "-c", script, cwd=ROOT, **around)
        return printed.split("<next>\n")


def _until(said: IO[str], words: str) -> str:
    lines = []
    for line in said:
        lines.append(line)
        if words in line:
            break
    return "".join(lines)


@contextmanager
def sample_hospital(data: Path) -> Iterator[Demo]:
    """A hospital that is not open yet; it is closed at the end of the block."""
    ports = {f"TRIPTYCH_{name}_PORT": str(free_port()) for name in ("HTTP", "DIMSE", "MLLP")}
    made = Demo(environment(data, ports))
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()
