"""A receiver of HL7 messages that is not ours: it keeps what it hears and answers as it is told."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from hl7.framing import Deframer, frame
from hl7.message import parse

LIMIT = 1_000_000


class Ear:
    """A listener on a loopback port. `code` is MSA-1 of its answers, "" for silence."""

    def __init__(self, port: int = 0) -> None:
        self.heard: list[bytes] = []
        self.code = "CA"
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self.thread = Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        deframer = Deframer(LIMIT)
        while data := connection.recv(65536):
            for one in deframer.feed(data):
                self.heard.append(one.content)
                if not self.code:
                    return
                control_id = parse(one.content).first("MSH").text(10)
                reply = f"MSH|^~\\&|E||T||20260101||ACK|1|P|2.5.1\rMSA|{self.code}|{control_id}\r"
                connection.sendall(frame(reply.encode()))

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.thread.join()


@contextmanager
def listening(port: int = 0) -> Iterator[Ear]:
    """An ear for the length of a block."""
    ear = Ear(port)
    try:
        yield ear
    finally:
        ear.close()
