"""The viewer's own files, the same for everybody, without a word about a patient."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Response, request

from server.errors import Missing
from server.flows import views
from server.flows.sites import House
from server.web import frames
from server.web.routes import Call, Public, Route

FOLDER = Path(__file__).resolve().parents[2] / "smart_apps" / "viewer"
ADDRESS = "/apps/viewer/"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing but our own files and the server's own answers; which frames it may stand in comes after.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
)


@dataclass(frozen=True, slots=True)
class Page:
    """One file as it is sent: as it is, packed, its type, and a name for this content."""

    data: bytes
    packed: bytes
    kind: str
    etag: str


@cache
def pages() -> dict[str, Page]:
    """The files by their path, read when the first one is asked for."""
    files = (path for path in FOLDER.rglob("*") if path.is_file() and path.suffix in _TYPES)
    return {path.relative_to(FOLDER).as_posix(): _page(path) for path in files}


def _page(path: Path) -> Page:
    data = path.read_bytes()
    packed = gzip.compress(data, mtime=0)
    return Page(data, packed, _TYPES[path.suffix], hashlib.sha256(data).hexdigest()[:32])


def page(call: Call) -> Response:
    """A file of the viewer, its page where none is named; relative addresses need the last stroke."""
    name = call.path.get("file", "index.html")
    if request.path == ADDRESS[:-1]:
        there = request.full_path.replace("viewer", "viewer/", 1).rstrip("?")
        return Response(status=308, headers={"Location": there})
    found = pages().get(name)
    if found is None:
        raise Missing("there is nothing at this address")
    if "view" in request.args:
        return _launched(call.house, found, request.args["view"])
    frames.allowed(())
    return _sent(found)


def _launched(house: House, found: Page, view: str) -> Response:
    """The page of a view: in frames of the EHR that launched it, and never kept, as that may change."""
    shown_in = frames.allowed(views.shown_in(house, view))
    response = Response(found.data, content_type=found.kind)
    response.headers["Content-Security-Policy"] = _POLICY + frames.directive(shown_in)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _sent(found: Page) -> Response:
    """A file, or 304 to who has it. Everybody asks each time whether it is still the same."""
    if request.if_none_match.contains_weak(found.etag):
        response = Response(status=304)
    elif request.accept_encodings["gzip"] > 0:
        response = Response(found.packed, content_type=found.kind)
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = Response(found.data, content_type=found.kind)
    response.headers["ETag"] = f'W/"{found.etag}"'
    response.headers["Cache-Control"] = "public, no-cache"
    response.headers["Content-Security-Policy"] = _POLICY + frames.directive(())
    response.vary.add("Accept-Encoding")
    return response


_WHY = Public("a page without data; all that it shows comes through the gate")

ROUTES: tuple[Route, ...] = (
    Route(ADDRESS, ("GET",), "apps", _WHY, page, "Viewer of pictures and reports", frames=True),
    Route(f"{ADDRESS}<path:file>", ("GET",), "apps", _WHY, page, "Files of the viewer"),
)
