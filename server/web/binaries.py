"""A Binary as it goes out: its document as a stream, alone or within its FHIR JSON (R4 binary)."""

import base64
import json
from collections.abc import Iterable, Iterator

from flask import Response

from server.flows.audit import Reading
from server.flows.contents import Content
from server.web.replies import FHIR_JSON

# Base64 makes four characters of three bytes, so that pieces of this size need no padding.
_PIECE = 3 << 15


def document(text: str, content: Content, reading: Reading) -> Response:
    """The document under its own type: a file to keep, never a page of ours."""
    response = _streamed(content.chunks(), content.length, json.loads(text)["contentType"], reading)
    response.headers["Content-Disposition"] = "attachment"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def with_data(text: str, content: Content, reading: Reading) -> Response:
    """The FHIR JSON of a Binary, its document in `data`."""
    head, tail = text.rstrip().removesuffix("}").rstrip().encode() + b',"data":"', b'"}'
    length = len(head) + 4 * -(-content.length // 3) + len(tail)
    return _streamed(_around(head, content.chunks(), tail), length, FHIR_JSON, reading)


def _around(head: bytes, chunks: Iterable[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    rest = b""
    for chunk in chunks:
        rest += chunk
        whole = len(rest) - len(rest) % _PIECE
        if whole:
            yield base64.b64encode(rest[:whole])
            rest = rest[whole:]
    yield base64.b64encode(rest) + tail


def _streamed(chunks: Iterable[bytes], length: int, kind: str, reading: Reading) -> Response:
    """A body that is counted as it leaves; its event ends when it has left."""
    response = Response(_counted(chunks, reading), content_type=kind)
    response.content_length = length
    response.call_on_close(reading.end)
    return response


def _counted(chunks: Iterable[bytes], reading: Reading) -> Iterator[bytes]:
    for chunk in chunks:
        reading.sent(len(chunk))
        yield chunk
    reading.sent(0, count=1)
