"""Runs commands as forks of a process that has imported the product once: each start saves a second.

The command runs as `python -m server WORDS` would, from its first line on, in a process of its own
with its own folder, environment, streams and exit code. What imports cost is no promise of most
tests; those about starting start their processes anew.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO, cast

from tests.support.tree import ROOT

_LONGEST = 1 << 20


class Process:
    """A command that runs, with the part of subprocess.Popen that tests need."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], *streams: int) -> None:
        self._told, told = os.pipe()
        asked = json.dumps({"words": list(words), "env": dict(env)}).encode()
        try:
            socket.send_fds(_channel(), [asked], [*streams, told])
        finally:
            os.close(told)
        self.pid = int(os.read(self._told, 20))
        self.returncode: int | None = None
        self.stdout: TextIO | None = None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code as soon as it ends: negative for a signal, as subprocess tells it."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(["server"], timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(os.read(self._told, 20)))
            os.close(self._told)
        return self.returncode


def start(words: Sequence[str], env: Mapping[str, str], errors: TextIO) -> Process:
    """Start a command whose standard output is read by the caller, line by line."""
    reader, writer = os.pipe()
    with open(os.devnull) as nothing:
        process = Process(words, env, nothing.fileno(), writer, errors.fileno())
    os.close(writer)
    process.stdout = open(reader)  # noqa: SIM115 (its reader closes it, as with Popen)
    return process


def run(
    words: Sequence[str], env: Mapping[str, str], stdin: str | None, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what it reads and says passes through files in `folder`."""
    names = [folder / f".{kind}-{time.monotonic_ns()}" for kind in ("in", "out", "err")]
    names[0].write_text(stdin or "")
    try:
        with names[0].open() as given, names[1].open("w") as out, names[2].open("w") as errors:
            process = Process(words, env, given.fileno(), out.fileno(), errors.fileno())
            code = process.wait(120)
        return subprocess.CompletedProcess(
            list(words), code, names[1].read_text(), names[2].read_text()
        )
    finally:
        for name in names:
            name.unlink()


@cache
def _channel() -> socket.socket:
    """The way to the nursery of this process, which ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())]
    with theirs:
        nursery = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])

    @atexit.register
    def end() -> None:
        ours.close()
        nursery.wait()

    return ours


def _serve(channel: socket.socket) -> None:
    """Fork for each request until nobody asks any more; returns in each fork, ready to run."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([channel.fileno(), reader], [], [])
        if reader in ready:
            os.read(reader, 512)
            _tell_who_ended(running)
        if channel.fileno() not in ready:
            continue
        asked, streams, _, _ = socket.recv_fds(channel, _LONGEST, 4)
        if not asked:
            os._exit(0)
        pid = os.fork()
        if not pid:
            return _become(json.loads(asked), streams)
        running[pid] = streams[3]
        os.write(streams[3], str(pid).encode())
        for stream in streams[:3]:
            os.close(stream)


def _tell_who_ended(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        told = running.pop(pid)
        with suppress(BrokenPipeError):  # nobody wants to know
            os.write(told, str(status).encode())
        os.close(told)


def _become(asked: dict[str, Any], streams: Sequence[int]) -> None:
    """Take on what a new process would have been given."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    os.closerange(3, 4096)
    sys.stdin, sys.stdout, sys.stderr = map(_stream, range(3), "rww")
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    sys.argv = ["server", *asked["words"]]


def _stream(number: int, mode: str) -> TextIO:
    return cast(TextIO, open(number, mode, closefd=False))


def main() -> None:
    """Be the nursery."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process that forks has one thread
    from server import __main__ as product
    from server.commands import roles

    for module in {module for module, _ in product.COMMANDS.values()}:
        import_module(module)
    roles.load(roles.ROLES)
    _serve(socket.socket(fileno=int(sys.argv[1])))
    product.main()


if __name__ == "__main__":
    main()
