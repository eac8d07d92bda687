"""One TCP connection of the DIMSE door: exact reads against a deadline, and a bounded goodbye."""

import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from dicom.pdu import HEADER

TICK = 0.5  # seconds a blocked read sleeps before it looks at its deadline and at the door
LINGER = 2.0  # seconds that a peer gets to read our last PDU and hang up


class Interrupted(Exception):
    """The door is closing and the association was idle."""


def never() -> bool:
    """Be the reason to stop of a read that nothing but its deadline stops."""
    return False


class Wire:
    """A socket that reads and writes whole PDUs. Every failure is an OSError.

    ConnectionError: the peer is gone. TimeoutError: it was silent for too long.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(TICK)
        self.socket = connection
        self._header = memoryview(bytearray(HEADER))

    def secure(self, tls: ssl.SSLContext, seconds: float) -> None:
        """Shake hands as the TLS server; the caller's thread waits, nobody else's."""
        secured = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.socket = secured  # before the handshake, so that `cut` reaches it
        secured.settimeout(seconds)
        secured.do_handshake()
        secured.settimeout(TICK)

    def read_header(
        self, seconds: float, interrupted: Callable[[], bool] = never
    ) -> tuple[int, int]:
        """Read type and length of the next PDU (PS3.8 9.3.1)."""
        self.fill(self._header, seconds, interrupted)
        return self._header[0], int.from_bytes(self._header[2:], "big")

    def fill(
        self, view: memoryview, seconds: float, interrupted: Callable[[], bool] = never
    ) -> None:
        """Read exactly as many bytes as the view holds, within `seconds`."""
        if interrupted():
            raise Interrupted
        deadline = time.monotonic() + seconds
        while view:
            try:
                count = self.socket.recv_into(view)
            except TimeoutError:
                self._consider(deadline, interrupted)
                continue
            if not count:
                raise ConnectionError("the peer hung up")
            view = view[count:]
            if view:
                self.acknowledge()
                self._consider(deadline, interrupted)

    @staticmethod
    def _consider(deadline: float, interrupted: Callable[[], bool]) -> None:
        if time.monotonic() >= deadline:
            raise TimeoutError("the peer was silent or too slow")
        if interrupted():
            raise Interrupted

    def acknowledge(self) -> None:
        """Send the TCP acknowledgement now.

        A sender with Nagle's algorithm on holds the rest of a PDU back until the first part is
        acknowledged, which would otherwise wait for our 40 ms delayed acknowledgement.
        """
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def readable(self) -> bool:
        """Tell whether a read would find something; poll, unlike select, takes any descriptor."""
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        return bool(poller.poll(0))

    def send(self, data: bytes) -> None:
        """Send all of it; a peer that leaves its window shut for a whole tick counts as gone."""
        self.socket.sendall(data)

    def send_within(self, data: bytes, seconds: float) -> None:
        """Send all of it within `seconds`: for what a slow line needs longer for."""
        self.socket.settimeout(seconds)
        try:
            self.socket.sendall(data)
        finally:
            self.socket.settimeout(TICK)

    def send_last(self, data: bytes) -> None:
        """Send what may come too late."""
        with suppress(OSError):
            self.send(data)

    def hang_up(self) -> None:
        """Close, after giving the peer time to read our last PDU (PS3.8 9.2, state 13).

        Closing with unread bytes would reset the connection, and with it drop that PDU.
        """
        deadline = time.monotonic() + LINGER
        scratch = bytearray(65536)
        with suppress(OSError):  # gone already, which is all that was wanted
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            while time.monotonic() < deadline and self._discard(scratch):
                pass
        self.socket.close()

    def _discard(self, scratch: bytearray) -> bool:
        try:
            return bool(self.socket.recv_into(scratch))
        except TimeoutError:
            return True

    def cut(self) -> None:
        """Break the connection from another thread; whatever is blocked on it returns."""
        with suppress(OSError):  # gone already
            # Not SSLSocket's own shutdown: that one drops the session under its reader.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
