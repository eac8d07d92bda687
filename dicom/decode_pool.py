"""Pictures made in child processes: a hostile frame costs one answer, never the server.

A child has so much memory and a job so much time; whoever passes a limit is killed and replaced.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from typing import Any

from dicom.errors import DicomError, TooLarge, Undecodable
from dicom.pictures import Decoded, Frame, Options, Picture

_START_SECONDS = 60.0
_STOP_SECONDS = 2.0
_LONGEST_HEAD = 4096
_LONGEST_BODY = 1 << 30
_ROOT = Path(__file__).resolve().parent.parent


class Pool:
    """`workers` children that turn frames into pictures. Safe to use from many threads.

    Children start with their first job, or with `warm`. `close` ends them after the jobs that
    are under way.
    """

    def __init__(self, workers: int, memory_bytes: int, seconds: float) -> None:
        self._idle: LifoQueue[_Child] = LifoQueue()
        self._workers = workers
        self._closing = Lock()
        self._closed = False
        for _ in range(workers):
            self._idle.put(_Child(memory_bytes, seconds))

    def render(self, frame: Frame, options: Options) -> Picture:
        """The picture of a frame. Raises TooLarge or Undecodable."""
        head, body = self._ask("render", frame, options)
        return Picture(body, str(head["media_type"]))

    def decode(self, frame: Frame) -> Decoded:
        """The frame without compression. Raises TooLarge or Undecodable."""
        head, body = self._ask("native", frame, Options())
        return Decoded(body, str(head["photometric"]))

    def warm(self) -> None:
        """Start every idle child now, so that the first picture need not wait for it."""
        children = []
        while not self._idle.empty():
            children.append(self._idle.get())
        for child in children:
            child.start()
            self._idle.put(child)

    def close(self) -> None:
        """End the children; jobs under way are finished first, later ones refused."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            for _ in range(self._workers):
                self._idle.get().stop()
        self._idle.put(_Child(0, 0))

    def _ask(self, kind: str, frame: Frame, options: Options) -> tuple[dict[str, Any], bytes]:
        child = self._idle.get()
        try:
            if self._closed:
                raise Undecodable("the decode pool is closed")
            return child.ask(kind, frame, options)
        finally:
            self._idle.put(child)


class _Child:
    """One child process and the connection to it."""

    def __init__(self, memory: int, seconds: float) -> None:
        self._memory = memory
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._ready = False

    def ask(self, kind: str, frame: Frame, options: Options) -> tuple[dict[str, Any], bytes]:
        """One job and its answer; a child that fails or is late is killed."""
        try:
            connection = self.start()
            if not self._ready:
                self._await(connection, _START_SECONDS)
                self._ready = True
            connection.send((kind, replace(frame, data=b""), options))
            connection.send_bytes(frame.data)
            head = json.loads(self._await(connection, self._seconds))
            body = connection.recv_bytes(_LONGEST_BODY)
        except TimeoutError as error:
            self._kill()
            raise Undecodable("the frame takes longer than it is worth") from error
        except (OSError, EOFError, ValueError) as error:
            self._kill()
            raise Undecodable("the decoder broke off") from error
        if head.get("exhausted"):
            self._kill()
        if "error" in head:
            raise _refusal(head)
        return head, body

    def start(self) -> Connection:
        """The connection to a running child."""
        if self._connection is None:
            ours, theirs = Pipe()
            command = [sys.executable, "-P", "-m", "dicom.decode_child"]
            limits = [str(theirs.fileno()), str(self._memory), str(self._seconds)]
            self._process = subprocess.Popen(  # noqa: S603  (our own module)
                [*command, *limits],
                pass_fds=[theirs.fileno()],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            theirs.close()
            self._connection, self._ready = ours, False
        return self._connection

    def stop(self) -> None:
        """Hang up and see the child end."""
        if self._connection is None or self._process is None:
            return
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    @staticmethod
    def _await(connection: Connection, seconds: float) -> bytes:
        if not connection.poll(seconds):
            raise TimeoutError
        return connection.recv_bytes(_LONGEST_HEAD)


def _refusal(head: dict[str, Any]) -> DicomError:
    """What the child reported."""
    kind = TooLarge if head["error"] == "TooLarge" else Undecodable
    return kind(str(head["message"]), where=str(head["where"]), expected=str(head["expected"]))


def _environment() -> dict[str, str]:
    """A child's environment: where our code is, one thread for each library, nothing else."""
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}
    kept = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "VIRTUAL_ENV")
    return single | {name: os.environ[name] for name in kept if name in os.environ}
