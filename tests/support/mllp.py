"""A sender of HL7 messages: a socket, frames, and the answers it was given."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hl7.message import parse

PATIENCE = 60
START, END = b"\x0b", b"\x1c\r"


@dataclass(slots=True)
class Sender:
    """One connection."""

    connection: socket.socket
    rest: bytes = b""

    def answer_to(self, raw: bytes) -> bytes:
        """Send a message and wait for its answer."""
        self.connection.sendall(START + raw + END)
        while END not in self.rest:
            data = self.connection.recv(65536)
            if not data:
                raise ConnectionError("the server hung up")
            self.rest += data
        answer, _, self.rest = self.rest.partition(END)
        return answer.removeprefix(START)

    def send(self, raw: bytes) -> str:
        """Send a message; gives MSA-1 of its answer."""
        return parse(self.answer_to(raw)).first("MSA").text(1)


@contextmanager
def sender(port: int) -> Iterator[Sender]:
    """A connection for the length of a block."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        yield Sender(connection)


def send(port: int, *messages: bytes) -> list[str]:
    """Send messages on one connection; gives MSA-1 of each answer."""
    with sender(port) as one:
        return [one.send(raw) for raw in messages]
