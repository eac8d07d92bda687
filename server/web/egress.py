"""Counts at the door what leaves by it, independently of the handlers that send it (rules: audit)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Response, request

from server.flows.audit import Auditor
from server.web.routes import Call, Linked, Scoped, Signed

_KEY = "triptych.door"

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


class Counter:
    """A WSGI application around another (PEP 3333): bytes of marked answers go to the auditor."""

    def __init__(self, application: Application, auditor: Auditor) -> None:
        self._application = application
        self._auditor = auditor

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        chunks = self._application(environ, start_response)
        door = environ.get(_KEY)
        return chunks if door is None else _Counted(chunks, self._auditor, *door)


class _Counted:
    """A body that counts itself. No generator: one that was never begun would not be closed."""

    def __init__(
        self, chunks: Iterable[bytes], auditor: Auditor, organisation: int, door: str
    ) -> None:
        self._chunks = chunks
        self._rest = iter(chunks)
        self._auditor = auditor
        self._door = organisation, door
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._rest)
        self._size += len(chunk)
        return chunk

    def close(self) -> None:
        """Tell what has left; then the body itself may end."""
        self._auditor.left(*self._door, self._size)
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
