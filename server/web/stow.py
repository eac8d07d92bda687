"""STOW-RS over HTTP (PS3.18 10.5): a body is read once, each part straight into the blob store."""

import json
from typing import Any

from flask import Response, request
from werkzeug.exceptions import ClientDisconnected

from dicom import multipart
from dicom.errors import DicomError, Malformed
from dicom.media_types import MULTIPART, MediaType, parse
from dicom.multipart import PartLimits, Reader
from server import errors
from server.errors import BadMedia, Fault, TooLarge
from server.flows.storing import DICOM, Storing, may_store
from server.web import wado
from server.web.routes import Call, Route, Scoped

_CHUNK = 1 << 18


def store(call: Call) -> Response:
    """Store the objects of a request; the answer says of each whether it is kept."""
    may_store(call.who)
    kind = wado.json_type()
    sent = parse(request.headers.get("Content-Type", ""))
    check(sent)
    _check_length(call, request.content_length or 0)
    storing = Storing(call.house, call.who, call.path.get("study", ""))
    broken = _read(call, sent, storing)
    if broken is not None and not storing.stored:
        raise broken
    status = broken.answer.http if broken else storing.status
    body = json.dumps(storing.answer(), ensure_ascii=False)
    return Response(body, status, content_type=kind)


def _read(call: Call, sent: MediaType, storing: Storing) -> Fault | None:
    """Pass the body on to its end; gives what was wrong with the request itself."""
    try:
        _pass_on(call, sent, storing)
    except (Fault, DicomError, ClientDisconnected) as error:
        return _fault(error)
    finally:
        storing.finish()
    return None


def check(sent: MediaType) -> None:
    """Raise BadMedia for what is not DICOM objects, as parts or alone."""
    content = sent.parameters.get("type", DICOM) if sent.name == MULTIPART else sent.name
    if content.lower() != DICOM or request.headers.get("Content-Encoding"):
        raise BadMedia(f'send {DICOM}, or {MULTIPART}; type="{DICOM}", without Content-Encoding')


def _check_length(call: Call, length: int) -> None:
    most = call.house.config.max_request_bytes
    if length > most:
        raise TooLarge(f"a request may have at most {most} bytes: send it in several")


def _pass_on(call: Call, sent: MediaType, storing: Storing) -> None:
    """Pass the body on, chunk by chunk, as it comes."""
    reader = _reader(call, sent, storing)
    length = 0
    while data := request.stream.read(_CHUNK):
        length += len(data)
        _check_length(call, length)
        reader.feed(data)
    reader.close()
    if storing.empty:
        raise Malformed("a request without an object", expected="at least one part")


def _reader(call: Call, sent: MediaType, storing: Storing) -> Any:
    if sent.name != MULTIPART:
        return _Whole(storing)
    limits = PartLimits(parts=call.house.config.max_parts)
    return Reader(multipart.boundary_of(sent), storing.open_part, limits)


class _Whole:
    """A body that is one object."""

    def __init__(self, storing: Storing) -> None:
        self._part = storing.open_part({})

    def feed(self, data: bytes) -> None:
        self._part.write(memoryview(data))

    def close(self) -> None:
        self._part.end()


def _fault(error: Fault | DicomError | ClientDisconnected) -> Fault:
    """The request's own error: what breaks its grammar or passes its limits."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, ClientDisconnected):
        error = Malformed("the body is shorter than its Content-Length")
    return errors.from_dicom(error)


_SCOPE = Scoped("ImagingStudy", "c")

ROUTES: tuple[Route, ...] = (
    Route("/dicomweb/studies", ("POST",), "dicomweb", _SCOPE, store, "Store objects"),
    Route(
        "/dicomweb/studies/<study>",
        ("POST",),
        "dicomweb",
        _SCOPE,
        store,
        "Store objects of one study",
    ),
)
