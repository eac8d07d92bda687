"""One TCP connection of MLLP: reads against a deadline, sends whole frames, says goodbye."""

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

TICK = 0.5  # seconds a blocked read sleeps before it looks at its deadline and at the door
LINGER = 2.0  # seconds that a caller gets to read our last answer and hang up
_CHUNK = 65536


class Interrupted(Exception):
    """The door is closing and the connection was idle."""


def never() -> bool:
    """Be the reason to stop of a read that nothing but its deadline stops."""
    return False


class Wire:
    """A connected socket. Every failure is an OSError, silence a TimeoutError."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(TICK)
        self.socket = connection

    def secure(self, tls: ssl.SSLContext, seconds: float) -> ssl.SSLSocket:
        """Shake hands as the TLS server; the caller's thread waits, nobody else's."""
        secured = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.socket = secured  # before the handshake, so that `cut` reaches it
        secured.settimeout(seconds)
        secured.do_handshake()
        secured.settimeout(TICK)
        return secured

    def receive(self, seconds: float, interrupted: Callable[[], bool] = never) -> bytes:
        """Wait for bytes, at most `seconds`; b"" when the other side hung up."""
        deadline = time.monotonic() + seconds
        while not interrupted():
            remaining = max(0.001, deadline - time.monotonic())
            self.socket.settimeout(min(TICK, remaining))
            try:
                return self.socket.recv(_CHUNK)
            except TimeoutError:
                if remaining <= TICK:
                    raise
        raise Interrupted

    def acknowledge(self) -> None:
        """Send the TCP acknowledgement now.

        A sender with Nagle's algorithm on holds the rest of a frame back until the first part is
        acknowledged, which would otherwise wait for our 40 ms delayed acknowledgement.
        """
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send(self, data: bytes, seconds: float) -> None:
        """Send all of it within `seconds`."""
        self.socket.settimeout(seconds)
        self.socket.sendall(data)

    def hang_up(self) -> None:
        """Close, after giving the other side time to read our last answer.

        Closing with unread bytes would reset the connection, and with it drop that answer.
        """
        deadline = time.monotonic() + LINGER
        with suppress(OSError):  # gone already, which is all that was wanted
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            while time.monotonic() < deadline and self._discard():
                pass
        self.socket.close()

    def _discard(self) -> bool:
        try:
            self.socket.settimeout(TICK)
            return bool(self.socket.recv(_CHUNK))
        except TimeoutError:
            return True

    def cut(self) -> None:
        """Break the connection from another thread; whatever is blocked on it returns."""
        with suppress(OSError):  # gone already
            # Not SSLSocket's own shutdown: that one drops the session under its reader.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
