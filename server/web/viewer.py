"""The viewer's own files, the same for everybody, without a word about a patient.

They are packed once, and lie under an address that has the digest of them all in it, so that a
browser keeps them. The page alone is asked for each time: it names the study's picture before any
script has come, and the words of the reader's language.
"""

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from flask import Response, request

from server.errors import Missing
from server.flows import views
from server.flows.sites import House
from server.web import frames
from server.web.routes import Call, Public, Route
from server.web.texts import language

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
_PAGE = "index.html"
_OURS = re.compile(r'(href|src)="([\w.-]+\.(?:js|css|svg))"')
_UID = re.compile(r"[0-9.]{1,64}")
# A study that is only awaited, and a page that has yet to be allowed, have no picture.
_WITHOUT = {"wait", "view", "iss", "code", "error"}
_VERSION = re.compile(r"[0-9a-f]{16}/")
_YEAR = "public, max-age=31536000, immutable"
# A study's picture in the page: who may not see it gets none, as from any other address.
_POSTER = "../../dicomweb/studies/{study}/thumbnail?viewport=512,512"
_STAGE = '<div class="stage poster" dir="ltr"><img src="{poster}" alt="{words}" fetchpriority="high"></div>'
_PRELOAD = '<link rel="preload" as="image" href="{poster}" fetchpriority="high">\n'


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
    return {
        path.relative_to(FOLDER).as_posix(): _page(path.read_bytes(), _TYPES[path.suffix])
        for path in files
    }


def _page(data: bytes, kind: str) -> Page:
    packed = gzip.compress(data, mtime=0)
    return Page(data, packed, kind, hashlib.sha256(data).hexdigest()[:32])


@cache
def version() -> str:
    """A name for the files as they are: another one when any of them changes."""
    told = "".join(f"{name} {one.etag}\n" for name, one in sorted(pages().items()))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@cache
def _template() -> str:
    """The page, its files under the address that may be kept."""
    text = pages()[_PAGE].data.decode()
    return _OURS.sub(rf'\1="{version()}/\2"', text)


@cache
def _words(spoken: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(pages()[f"words/{spoken}.json"].data)
    return found


def page(call: Call) -> Response:
    """A file of the viewer, its page where none is named; relative addresses need the last stroke."""
    name = call.path.get("file", _PAGE)
    if request.path == ADDRESS[:-1]:
        there = request.full_path.replace("viewer", "viewer/", 1).rstrip("?")
        return Response(status=308, headers={"Location": there})
    if name == _PAGE:
        return _opened(call.house)
    plain = _VERSION.sub("", name, count=1)
    found = pages().get(plain)
    if found is None or plain == _PAGE:
        raise Missing("there is nothing at this address")
    frames.allowed(())
    return _sent(found, _YEAR if name == f"{version()}/{plain}" else "public, no-cache")


def _opened(house: House) -> Response:
    """The page in the reader's language, with the picture of the study that its address names."""
    spoken, study = language(), request.args.get("study", "")
    words = _words(spoken)
    shown = bool(_UID.fullmatch(study)) and not _WITHOUT & set(request.args)
    poster = _POSTER.format(study=study)
    body = _template()
    for mark, text in (
        ("{lang}", spoken),
        ("{dir}", "rtl" if spoken == "ar" else "ltr"),
        ("{words}", f"{version()}/words/{spoken}.json"),
        ("{noscript}", escape(words["noscript"])),
        ("{noscript.link}", escape(words["noscript.link"])),
        ("{preload}", _PRELOAD.format(poster=poster) if shown else ""),
        (
            "{poster}",
            _STAGE.format(poster=poster, words=escape(words["pictures"])) if shown else "",
        ),
    ):
        body = body.replace(mark, text)
    made = _page(body.encode(), _TYPES[".html"])
    if "view" in request.args:
        return _launched(house, made, request.args["view"])
    frames.allowed(())
    response = _sent(made, "public, no-cache")
    response.vary.update(("Accept-Language", "Cookie"))
    return response


def _launched(house: House, found: Page, view: str) -> Response:
    """The page of a view: in frames of the EHR that launched it, and never kept, as that may change."""
    shown_in = frames.allowed(views.shown_in(house, view))
    response = Response(found.data, content_type=found.kind)
    response.headers["Content-Security-Policy"] = _POLICY + frames.directive(shown_in)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _sent(found: Page, kept: str) -> Response:
    """A file, or 304 to who has it."""
    if request.if_none_match.contains_weak(found.etag):
        response = Response(status=304)
    elif request.accept_encodings["gzip"] > 0:
        response = Response(found.packed, content_type=found.kind)
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = Response(found.data, content_type=found.kind)
    response.headers["ETag"] = f'W/"{found.etag}"'
    response.headers["Cache-Control"] = kept
    response.headers["Content-Security-Policy"] = _POLICY + frames.directive(())
    response.vary.add("Accept-Encoding")
    return response


_WHY = Public("a page without data; all that it shows comes through the gate")

ROUTES: tuple[Route, ...] = (
    Route(ADDRESS, ("GET",), "apps", _WHY, page, "Viewer of pictures and reports", frames=True),
    Route(f"{ADDRESS}<path:file>", ("GET",), "apps", _WHY, page, "Files of the viewer"),
)
