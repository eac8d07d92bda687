"""Counts at the door what comes in and leaves by it, independently of the handlers (rules: audit).

Bytes of answers that show what a grant may see go to the auditor; all are counted for the monitor,
and each answer is a line of the log: its route, never its address.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Response, request

from server import trace
from server.flows.sites import House
from server.web.routes import Call, Linked, Route, Scoped, Signed

log = logging.getLogger(__name__)

_KEY, _SEEN = "triptych.door", "triptych.seen"
_NOBODY = ("other", "unknown")

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


def mark(call: Call, response: Response) -> None:
    """Have an answer's bytes counted, if it shows what a grant may see."""
    access = call.route.access
    shows = isinstance(access, Signed)
    shows |= isinstance(access, Scoped | Linked) and access.letter in "rs"
    if shows and 200 <= response.status_code < 300:
        request.environ[_KEY] = call.who.organisation, call.route.door


def shows(organisation: int, door: str) -> None:
    """Have an answer's bytes counted of a route that is public, and shows what it was asked for."""
    request.environ[_KEY] = organisation, door


def asks(route: Route) -> None:
    """Say which route a request is for: as it is written in the table, without anybody's id."""
    request.environ[_SEEN] = route.door, route.rule


class Counter:
    """A WSGI application around another (PEP 3333): every request is counted when its answer ends."""

    def __init__(self, application: Application, house: House) -> None:
        self._application = application
        self._house = house

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request, under the id that it came with or a new one."""
        trace.begin(environ.get("HTTP_X_REQUEST_ID", ""))
        answer = _Answer(environ, self._house, start_response)
        if environ.get("CONTENT_LENGTH") or environ.get("HTTP_TRANSFER_ENCODING"):
            environ["wsgi.input"] = answer.input = _Input(environ["wsgi.input"])
        return answer.begun(self._application(environ, answer.start))


class _Input:
    """A body that counts what is read of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.size = 0

    def read(self, *size: int) -> bytes:
        data: bytes = self._stream.read(*size)
        self.size += len(data)
        return data

    def readline(self, *size: int) -> bytes:
        data: bytes = self._stream.readline(*size)
        self.size += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Answer:
    """An answer that counts itself. No generator: one that was never begun would not be closed."""

    def __init__(self, environ: Environ, house: House, start_response: Any) -> None:
        self._environ = environ
        self._house = house
        self._start = start_response
        self._began = time.monotonic_ns()
        self._status = "500"
        self._size = 0
        self.input: _Input | None = None

    def start(self, status: str, headers: Any, *more: Any) -> Any:
        """The start_response of the application within."""
        self._status = status[:3]
        return self._start(status, headers, *more)

    def begun(self, chunks: Iterable[bytes]) -> "_Answer":
        self._chunks = chunks
        self._rest = iter(chunks)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._rest)
        self._size += len(chunk)
        return chunk

    def close(self) -> None:
        """Tell what has left; then the body itself may end."""
        shown = self._environ.get(_KEY)
        if shown is not None:
            organisation, door = shown
            self._house.auditor.left(organisation, door, self._size)
        self._count()
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()

    def _count(self) -> None:
        door, route = self._environ.get(_SEEN, _NOBODY)
        # Whoever asks for what there is not may make methods up.
        method = self._environ["REQUEST_METHOD"] if _SEEN in self._environ else "any"
        micros = self._micros()
        count = self._house.counters.add
        labels = {"door": door, "route": route, "method": method}
        count("http_requests_total", status=f"{self._status[0]}xx", **labels)
        count("http_request_seconds_total", micros, door=door, route=route)
        count("sent_bytes_total", self._size, door=door)
        if self.input is not None:
            count("received_bytes_total", self.input.size, door=door)
        level = logging.DEBUG if door == "ops" else logging.INFO
        told = {"route": route, "status": int(self._status), "ms": micros / 1000}
        words = "%s %s %s in %.1f ms"
        log.log(level, words, method, route, self._status, micros / 1000, extra=told)

    def _micros(self) -> int:
        return (time.monotonic_ns() - self._began) // 1000
