"""Starts the roles as child processes, restarts those that die, and stops them all together.

Children are forks: they share what the supervisor has imported, which is most of a start. So the
supervisor has one thread and no open database.
"""

import json
import logging
import multiprocessing
import os
import select
import signal
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from multiprocessing.context import ForkProcess

from server.commands import process, roles
from server.config import BadSetting, Config

log = logging.getLogger(__name__)

_START = 60
_GRACE = 35
_LONGEST_PAUSE = 30
_DEATHS, _DEATH_WINDOW = 5, 60.0


class StartFailed(BadSetting):
    """A role did not come up; the message says which."""


def reserve(config: Config) -> tuple[Config, socket.socket]:
    """Hold the HTTP port for the server's life, so that 0 becomes a number that stays ours.

    Workers listen on the port beside this socket (SO_REUSEPORT), which itself never listens.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.http_port))
        except OSError as error:
            raise BadSetting(
                f"cannot listen on {config.host}:{config.http_port} ({error.strerror}): "
                "is another server running? TRIPTYCH_HTTP_PORT=0 takes any free port"
            ) from error
        port = probe.getsockname()[1]
    held = socket.socket(family)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((config.host, port))
    return replace(config, http_port=port), held


@dataclass(slots=True)
class Child:
    """One role and its present process."""

    role: str
    process: ForkProcess | None = None
    pause: float = 1.0
    restart_at: float = 0.0
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=_DEATHS))


class Supervisor:
    """Runs the roles; `run` returns the exit code of `serve`."""

    def __init__(self, config: Config, names: tuple[str, ...], held: socket.socket) -> None:
        self.config = config
        self._held = held
        self.ports: dict[str, int] = {}
        self._children = [Child(name) for name in names]
        self._stopping = threading.Event()
        self._life, self._life_end = os.pipe()

    def start(self) -> None:
        """Start every role, then wait until each serves. Raises StartFailed."""
        roles.load(child.role for child in self._children)
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self) -> None:
        pipes = [self._spawn(child) for child in self._children]
        for child, pipe in zip(self._children, pipes, strict=True):
            self.ports |= _ports(pipe, child)
        if any(child.role == "web" for child in self._children):
            self._await_http()
            self.ports["http"] = self.config.http_port

    def ready_line(self) -> str:
        """The line that tells the outside where everything listens."""
        return "ready " + json.dumps(self.ports | {"base": self.config.base})

    def stop(self) -> None:
        """Ask `run` to stop everything."""
        self._stopping.set()

    def run(self) -> int:
        """Watch the children until stopped (0) or one dies too often (1)."""
        try:
            while not self._stopping.wait(0.1):
                if not all(self._tend(child) for child in self._children):
                    return 1
            return 0
        finally:
            self.end()

    def end(self) -> None:
        """Stop every child: SIGTERM, 35 s, SIGKILL."""
        alive = [c.process for c in self._children if c.process and c.process.is_alive()]
        for running in alive:
            running.terminate()
        deadline = time.monotonic() + _GRACE
        for running in alive:
            running.join(max(0.1, deadline - time.monotonic()))
            if running.is_alive():
                running.kill()
                running.join()

    def _spawn(self, child: Child) -> int:
        """Start a role's process; gives the pipe into which it reports that it serves."""
        reader, writer = os.pipe()
        fork = multiprocessing.get_context("fork")
        child.process = fork.Process(target=self._live, args=(child, writer, os.getpid()))
        signal.pthread_sigmask(
            signal.SIG_BLOCK, process.STOPPERS
        )  # none is to reach our own handlers
        try:
            child.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, process.STOPPERS)
        os.close(writer)
        return reader

    def _live(self, child: Child, ready: int, parent: int) -> None:
        """The life of a child: give up what is its parent's, then run the role."""
        process.stop_at_once()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, process.STOPPERS)
        process.die_with_parent(parent)
        os.close(self._life_end)
        self._held.close()
        process.watch_parent(self._life)
        process.name(child.role)
        os.dup2(2, 1)  # stdout carries the ready line of `serve` and nothing else
        roles.run(child.role, self._for(child), ready)

    def _for(self, child: Child) -> Config:
        """A restarted listener takes the port that it had."""
        return replace(
            self.config,
            dimse_port=self.ports.get("dimse", self.config.dimse_port),
            dimse_tls_port=self.ports.get("dimses", self.config.dimse_tls_port),
            mllp_port=self.ports.get("mllp", self.config.mllp_port),
            mllp_tls_port=self.ports.get("mllps", self.config.mllp_tls_port),
        )

    def _await_http(self) -> None:
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline:
            if _answers(self.config):
                return
            if not all(c.process and c.process.is_alive() for c in self._children):
                break
            time.sleep(0.02)
        raise StartFailed("web did not come up: the lines above say why")

    def _tend(self, child: Child) -> bool:
        """Restart a dead child after a pause that grows; false when it died too often."""
        if child.process is not None and child.process.is_alive():
            return True
        now = time.monotonic()
        if child.process is not None:
            log.error("%s ended with %s", child.role, child.process.exitcode)
            child.process = None
            child.deaths.append(now)
            if len(child.deaths) == _DEATHS and now - child.deaths[0] < _DEATH_WINDOW:
                log.error("%s died %d times within a minute: giving up", child.role, _DEATHS)
                return False
            child.pause = 1.0 if _rested(child, now) else min(child.pause * 2, _LONGEST_PAUSE)
            child.restart_at = now + child.pause
        if now >= child.restart_at:
            self._restart(child)
        return True

    def _restart(self, child: Child) -> None:
        pipe = self._spawn(child)
        try:
            _ports(pipe, child)
        except StartFailed as error:
            log.error("%s", error)
            if child.process is not None:
                child.process.kill()  # it may hang: the next look counts it as dead


def _rested(child: Child, now: float) -> bool:
    """Whether the last death but one lies a while back."""
    return len(child.deaths) < 2 or now - child.deaths[-2] > _DEATH_WINDOW


def _ports(pipe: int, child: Child) -> dict[str, int]:
    """The ports that a child tells when it serves; the web role tells none and is asked later."""
    with open(pipe, "rb", buffering=0) as reader:
        if child.role == "web":
            return {}
        ready, _, _ = select.select([reader], [], [], _START)
        word = reader.read(256) if ready else b""
    if not word:
        raise StartFailed(f"{child.role} did not come up: the lines above say why")
    told: dict[str, int] = json.loads(word)
    return told


def _answers(config: Config) -> bool:
    """Whether the web role answers that it is ready."""
    connection = HTTPConnection(config.host, config.http_port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
