"""Send messages over MLLP and wait for the acknowledgement that belongs to each."""

import socket
import ssl
import time
from collections.abc import Iterable
from types import TracebackType

from hl7.errors import NoReply, NotHL7
from hl7.framing import Deframer, frame
from hl7.message import parse
from hl7.wire import Wire

_REPLY_LIMIT = 1_000_000


class Sender:
    """One connection for as many messages as wanted, one after the other.

    `seconds` is the time for the connection and for each acknowledgement. `name` is what the
    certificate of the other side has to say under TLS, if not the host.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        seconds: float = 30.0,
        tls: ssl.SSLContext | None = None,
        name: str = "",
    ) -> None:
        connection = socket.create_connection((host, port), timeout=seconds)
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname=name or host)
        self._wire = Wire(connection)
        self._deframer = Deframer(_REPLY_LIMIT)
        self._waiting: list[bytes] = []
        self._seconds = seconds

    def __enter__(self) -> "Sender":
        """Use it in a with statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self._wire.socket.close()

    def send(self, message: bytes) -> bytes:
        """Send one message and return the answer whose MSA-2 is its MSH-10.

        Raises NoReply if none comes in time; other answers on the way belong to nobody.
        """
        control_id = parse(message).first("MSH").text(10)
        deadline = time.monotonic() + self._seconds
        try:
            self._wire.send(frame(message), self._seconds)
            while True:
                reply = self._next(deadline)
                if _answered(reply) == control_id:
                    return reply
        except TimeoutError as error:
            raise NoReply("no acknowledgement came in time", where="MSA-2") from error
        except OSError as error:
            raise NoReply("the connection broke before the acknowledgement") from error

    def _next(self, deadline: float) -> bytes:
        while not self._waiting:
            if self._deframer.undecided:
                return self._deframer.close().content
            data = self._wire.receive(deadline - time.monotonic())
            if not data:
                raise ConnectionError("the other side hung up")
            self._waiting = [one.content for one in self._deframer.feed(data)]
        return self._waiting.pop(0)


def _answered(reply: bytes) -> str | None:
    """The control id that an acknowledgement names, None if it is none."""
    try:
        msa = parse(reply).first("MSA")
    except NotHL7:
        return None
    return msa.text(2) if msa else None


def send(
    host: str,
    port: int,
    messages: Iterable[bytes],
    *,
    seconds: float = 30.0,
    tls: ssl.SSLContext | None = None,
    name: str = "",
) -> list[bytes]:
    """Send messages over one connection, each after the answer to the one before."""
    with Sender(host, port, seconds=seconds, tls=tls, name=name) as sender:
        return [sender.send(message) for message in messages]
