"""A real MLLP door on a loopback port that judges and keeps messages, and callers for it."""

import queue
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from types import TracebackType
from typing import Any

from hl7 import ack
from hl7.ack import Stamp
from hl7.judge import judge
from hl7.message import parse
from hl7.mllp import Door
from hl7.profiles import DEFAULT
from hl7.rules import Caller, Event, Limits, Rules

PATIENCE = 20.0  # how long a test waits for what has to come before it counts as missing
HURRIED = Limits(handshake=0.3, idle=0.3, stall=0.3, frame=0.6, undecided=0.05)


class Ward:
    """The door, what it took, and what it reported. `trouble` is raised instead of taking."""

    def __init__(self, host: str = "127.0.0.1", **rules: Any) -> None:
        self.taken: list[bytes] = []
        self.callers: list[Caller] = []
        self.known = True
        self.trouble: Exception | None = None
        self._events: queue.Queue[Event[str]] = queue.Queue()
        self._numbers = count(1)
        settings: dict[str, Any] = {"limits": Limits()} | rules
        self.door: Door[str] = Door(
            host,
            0,
            Rules(self.identify, self.receive, self.stamp, self._events.put, **settings),
        )

    @property
    def port(self) -> int:
        """Return the port that the door found for itself."""
        return self.door.port

    def identify(self, caller: Caller) -> str | None:
        """Name the feed after the caller."""
        self.callers.append(caller)
        return f"feed of {caller.address}" if self.known else None

    def receive(self, feed: str, raw: bytes) -> bytes:
        """Keep a message and answer it as judged."""
        if self.trouble is not None:
            raise self.trouble
        self.taken.append(raw)
        return ack.answer(judge(raw, DEFAULT), self.stamp())

    def stamp(self) -> Stamp:
        """Date an answer."""
        return Stamp(datetime(2026, 9, 5, 12, tzinfo=UTC), f"A{next(self._numbers)}")

    def next_event(self) -> Event[str]:
        """Wait for the next end of a connection."""
        return self._events.get(timeout=PATIENCE)


@contextmanager
def running_ward(host: str = "127.0.0.1", **rules: Any) -> Iterator[Ward]:
    """Start a door and stop it at the end."""
    ward = Ward(host, **rules)
    ward.door.start()
    try:
        yield ward
    finally:
        ward.door.stop(PATIENCE)


class MllpParrot:
    """A connection that says any bytes. Its reads fail the test after a while, not hang."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._heard = b""

    def __enter__(self) -> "MllpParrot":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def say(self, *data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(b"".join(data))

    def hear(self) -> bytes:
        """Read one frame. EOFError when the door hung up."""
        while b"\x1c\r" not in self._heard:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._heard += data
        frame, _, self._heard = self._heard.partition(b"\x1c\r")
        assert frame.startswith(b"\x0b"), frame
        return frame[1:]

    def verdict(self) -> tuple[str, str]:
        """Read one answer: its code and the control id it names."""
        msa = parse(self.hear()).first("MSA")
        return msa.text(1), msa.text(2)

    def finish(self) -> list[bytes]:
        """Say no more, and read every answer up to the end."""
        with suppress(OSError):  # the door has hung up before us
            self.socket.shutdown(socket.SHUT_WR)
        answers = []
        try:
            while True:
                answers.append(self.hear())
        except (EOFError, ConnectionError):
            return answers
