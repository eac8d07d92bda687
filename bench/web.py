"""An HTTP client that costs next to nothing, so that the server is what is measured."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from io import BufferedReader
from socket import SocketIO
from typing import Any

from bench.harness import percentile
from bench.stand import HOST

_SCRATCH = 1 << 20


class Unexpected(Exception):
    """An answer that was not the one asked for."""


def request(
    path: str, headers: Mapping[str, str] | None = None, body: bytes = b"", method: str = "GET"
) -> bytes:
    """A request as it goes over the wire."""
    fields = {"Host": HOST, "Connection": "keep-alive"} | dict(headers or {})
    if body:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One kept-alive connection, made anew when the server ends it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection((HOST, self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = BufferedReader(SocketIO(self._socket, "r"), 1 << 16)

    def ask(self, asked: bytes) -> int:
        """Send a request and read its answer; gives the length of the body. Unexpected if not 200."""
        self._socket.sendall(asked)
        status = self._in.readline()
        fields = dict(line.lower().split(b": ", 1) for line in iter(self._in.readline, b"\r\n"))
        size = self._body(fields)
        if fields.get(b"connection", b"").strip() == b"close":
            self.close()
            self._open()
        if b" 200 " not in status:
            raise Unexpected(f"{status.decode()} for {asked[:200].decode()}")
        return size

    def _body(self, fields: Mapping[bytes, bytes]) -> int:
        """Read a body over, whichever way its length is told (RFC 9112 6.3)."""
        if b"transfer-encoding" in fields:
            return sum(self._skip(chunk) for chunk in self._chunks())
        if b"content-length" in fields:
            return self._skip(int(fields[b"content-length"]))
        return sum(iter(lambda: self._in.readinto(self._scratch), 0))

    def _chunks(self) -> Iterator[int]:
        """The length of each chunk of a chunked body (RFC 9112 7.1)."""
        while length := int(self._in.readline(), 16):
            yield length
            self._in.readline()
        self._in.readline()

    def _skip(self, length: int) -> int:
        left = length
        while left:
            got = self._in.readinto(self._scratch[: min(left, _SCRATCH)])
            if not got:
                raise Unexpected("the answer was cut short")
            left -= got
        return length

    def close(self) -> None:
        self._in.close()
        self._socket.close()


def fetch(port: int, path: str, headers: Mapping[str, str]) -> Any:
    """The JSON at an address, to prepare a bench with."""
    connection = HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise Unexpected(f"{answer.status} for {path}")
    return json.loads(body)


@dataclass(frozen=True, slots=True)
class Load:
    """What many requests came to: each one's seconds, in all how many seconds and bytes."""

    each: tuple[float, ...]
    seconds: float
    size: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.each) / self.seconds

    @property
    def median_ms(self) -> float:
        return percentile(self.each, 0.5) * 1000

    @property
    def p95_ms(self) -> float:
        return percentile(self.each, 0.95) * 1000


def load(port: int, requests: Sequence[bytes], connections: int = 1) -> Load:
    """Send each request once, over so many connections that each wait for their answers."""
    waiting = iter(requests)
    mutex = threading.Lock()
    each: list[float] = []
    sizes: list[int] = []
    faults: list[Exception] = []

    def run(connection: Connection) -> None:
        try:
            while asked := _next(waiting, mutex):
                start = time.perf_counter()
                sizes.append(connection.ask(asked))
                each.append(time.perf_counter() - start)
        except (OSError, Unexpected) as fault:
            faults.append(fault)

    opened = [Connection(port) for _ in range(connections)]
    threads = [threading.Thread(target=run, args=(one,)) for one in opened]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    for one in opened:
        one.close()
    if faults:
        raise faults[0]
    return Load(tuple(each), seconds, sum(sizes))


def _next(waiting: Iterator[bytes], mutex: threading.Lock) -> bytes:
    with mutex:
        return next(waiting, b"")
