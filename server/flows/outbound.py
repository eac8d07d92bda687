"""HTTP to others: the one module that calls out, within the rules for address, size and time.

The address that was checked is the one that is dialled; redirects are not followed, proxies are
not asked, compression is not taken.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, NewConnectionError

from server.flows.addresses import Received, Resolve, Unreachable, check, dialable, resolve

_LATE = "its time was over"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take; `certificates` is a bundle in place of the public authorities.

    `public`: the address arrived over the network, so that no private one is dialled.
    """

    seconds: float = 5.0
    bytes: int = 256 << 10
    resolve: Resolve = resolve
    certificates: str | None = None
    public: bool = False


def fetch(url: str, *, accept: str, limits: Limits | None = None) -> Received:
    """GET a small document. Raises Unreachable for whatever is not a prompt, small 200."""
    limits = limits or Limits()
    parts = check(url)
    addresses = dialable(parts, limits.resolve, public=limits.public)
    with _Line(addresses, limits.seconds).open() as line, requests.Session() as session:
        session.trust_env = False
        session.mount(f"{parts.scheme}://", line)
        try:
            received = _get(session, url, accept, limits)
        except (requests.RequestException, HTTPError, OSError) as error:
            reason = _LATE if line.over.is_set() else type(error).__name__
            raise Unreachable(reason) from error
        if line.over.is_set():  # a cut line looks like the end of the body
            raise Unreachable(_LATE)
        return received


def _get(session: requests.Session, url: str, accept: str, limits: Limits) -> Received:
    with session.get(
        url,
        headers={"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "triptych"},
        timeout=limits.seconds,
        allow_redirects=False,
        stream=True,
        verify=limits.certificates or True,
    ) as response:
        if response.status_code != 200 or "Content-Encoding" in response.headers:
            raise Unreachable(f"it answered {response.status_code}, or compressed")
        body = bytearray()
        while chunk := response.raw.read1(64 << 10, decode_content=False):
            body += chunk
            if len(body) > limits.bytes:
                raise Unreachable(f"its answer is longer than {limits.bytes} bytes")
        return Received({k.lower(): v for k, v in response.headers.items()}, bytes(body))


class _Line(HTTPAdapter):
    """Dials only addresses that were checked, and is cut when its time is over.

    Time-outs of single reads would let a peer that sends a byte now and then hold us for ever.
    """

    def __init__(self, addresses: list[str], seconds: float) -> None:
        super().__init__()
        self.over = threading.Event()
        self._addresses = addresses
        self._handles: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)

    @contextmanager
    def open(self) -> Iterator["_Line"]:
        """Start the clock; stop it and let go of every connection at the end."""
        self._timer.start()
        try:
            yield self
        finally:
            self._timer.cancel()
            self._timer.join()
            for handle in self._handles:
                handle.close()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = partial(self._dialled, pool.ConnectionCls)
        return pool

    def _dialled(self, kind: type[HTTPConnection], **settings: Any) -> HTTPConnection:
        """urllib3's connection for the host, with our way to get its socket."""
        made = kind(**settings)
        made._new_conn = partial(self._dial, made)  # type: ignore[method-assign]
        return made

    def _dial(self, connection: HTTPConnection) -> socket.socket:
        """Connect to one of the checked addresses; keep a second handle, with which to cut."""
        error = OSError(_LATE)
        for address in self._addresses:
            if self.over.is_set():
                break
            try:
                made = socket.create_connection((address, connection.port), connection.timeout)
            except OSError as refused:
                error = refused
                continue
            self._handles.append(made.dup())
            if self.over.is_set():
                self._cut()
            return made
        raise NewConnectionError(connection, str(error))

    def _cut(self) -> None:
        self.over.set()
        for handle in self._handles:
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)
