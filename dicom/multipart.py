"""Multipart/related bodies, written and read as streams (RFC 2387, PS3.18 8.6.1.2)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError

from dicom.errors import Malformed, TooLarge
from dicom.media_types import MULTIPART, MediaType

_BOUNDARY_LENGTH = 70  # RFC 2046 5.1.1
_PREAMBLE_LENGTH = 16384

Part = tuple[Mapping[str, str], Iterable[bytes]]


class PartSink(Protocol):
    """Where one part goes. A part that got no `end` is incomplete and its owner's to drop."""

    def write(self, data: memoryview) -> None:
        """Take the next bytes; they must not be referred to afterwards."""

    def end(self) -> None:
        """Note that the part is complete."""


@dataclass(frozen=True, slots=True)
class PartLimits:
    """How many parts there may be, and how large their headers."""

    parts: int = 10_000
    headers: int = 16
    header: int = 4096


def content_type(boundary: str, inner: str, transfer_syntax: str = "") -> str:
    """The Content-Type of a body with parts of type `inner` (PS3.18 8.7.3.3)."""
    suffix = f"; transfer-syntax={transfer_syntax}" if transfer_syntax else ""
    return f'{MULTIPART}; type="{inner}"; boundary={boundary}{suffix}'


def write(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """The body, as its bytes are wanted. `boundary` must be unguessable: token_hex will do."""
    for headers, body in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        yield f"--{boundary}\r\n{lines}\r\n".encode("latin-1")
        yield from body
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")


def boundary_of(media_type: MediaType) -> str:
    """The boundary parameter of a multipart/related type. Raises Malformed."""
    if media_type.name != MULTIPART:
        raise Malformed("not a multipart body", expected=MULTIPART)
    boundary = media_type.parameters.get("boundary", "")
    legal = boundary.isascii() and boundary.isprintable() and not boundary.endswith(" ")
    if not legal or not 1 <= len(boundary) <= _BOUNDARY_LENGTH:
        raise Malformed("a boundary parameter that is missing or illegal", where="boundary")
    return boundary


class Reader:
    """Takes a body chunk by chunk, of any size, and opens a sink for each part.

    `open_part` gets the part's headers by lower-case name. Raises Malformed for what breaks the
    grammar and TooLarge for what passes the limits; what a sink raises comes through.
    """

    def __init__(
        self,
        boundary: str,
        open_part: Callable[[Mapping[str, str]], PartSink],
        limits: PartLimits = PartLimits(),
    ) -> None:
        self._open_part = open_part
        self._limits = limits
        self._delimiter = b"--" + boundary.encode("ascii")
        self._preamble = bytearray()
        self._started = False
        self._part: PartSink | None = None
        self._parts = 0
        self._headers: dict[str, str] = {}
        self._name = self._value = b""
        self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._take_name,
                "on_header_value": self._take_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._open,
                "on_part_data": self._take_data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
            max_header_count=limits.headers,
            max_header_size=limits.header,
        )

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if self._complete:
            return
        if not self._started:
            data = self._after_preamble(data)
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise Malformed("a multipart body that cannot be read", expected="RFC 2046") from error

    def close(self) -> None:
        """The body has ended: raises Malformed unless its last delimiter was seen."""
        if not self._complete:
            raise Malformed("a multipart body that is cut short", expected="a closing delimiter")

    def _after_preamble(self, data: bytes) -> bytes:
        """Skip what RFC 2046 allows before the first delimiter, which the parser does not."""
        self._preamble += data
        start = 0 if self._preamble.startswith(self._delimiter) else -1
        if start < 0:
            start = self._preamble.find(b"\r\n" + self._delimiter)
        if start < 0:
            if len(self._preamble) > _PREAMBLE_LENGTH:
                raise Malformed("a multipart body without its boundary", where="boundary")
            return b""
        self._started = True
        return bytes(self._preamble[start:])

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise TooLarge(f"more than {self._limits.parts} parts")
        self._headers = {}

    def _take_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        name = self._name.decode("latin-1").lower()
        self._headers.setdefault(name, self._value.decode("latin-1").strip())
        self._name = self._value = b""

    def _open(self) -> None:
        self._part = self._open_part(self._headers)

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._part.write(memoryview(data)[start:end])

    def _end(self) -> None:
        if self._part is not None:
            self._part.end()
        self._part = None

    def _finish(self) -> None:
        self._complete = True
