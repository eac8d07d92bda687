"""DICOMweb out (PS3.18 10.4 and 10.6): the routes of searches and retrievals, and QIDO-RS itself."""

import gzip
import hmac
import json
from collections.abc import Callable

from flask import Response, request

from server.flows import query
from server.web import rendered, wado
from server.web.replies import closing_on_error, covered
from server.web.routes import Call, Handler, Route, Scoped

_LONG = 2_000  # bytes from which an answer is worth packing


def searching(level: str) -> Handler:
    """The handler of a QIDO-RS search at one level."""

    def search(call: Call) -> Response:
        kind = wado.json_type()
        within = call.path.get("study", ""), call.path.get("series", "")
        parameters = request.args.items(multi=True)
        found = query.find(call.house, call.who, level, parameters, *within)
        body = json.dumps(found.items, ensure_ascii=False, separators=(",", ":"))
        etag = _etag(call, body, found)
        if wado.is_fresh(etag):
            return wado.unchanged(etag)
        answer = query.opened(call.house, found)
        with closing_on_error(answer.reading):
            response = _packed(body, kind)
            response.headers["ETag"] = etag
            service = f"{call.house.config.base}/dicomweb"
            for warning in _warnings(answer):
                response.headers.add("Warning", f"299 {service}: {warning}")
            return covered(answer.reading, response, count=len(answer.items))

    return search


def _packed(body: str, kind: str) -> Response:
    """A long answer as gzip for who takes it: names of attributes come again and again in it."""
    data = body.encode()
    packs = len(data) > _LONG and request.accept_encodings["gzip"] > 0
    response = Response(gzip.compress(data, 1, mtime=0) if packs else data, content_type=kind)
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    return response


def _etag(call: Call, body: str, found: query.Answer) -> str:
    """A name for this answer to this caller's question, which nobody can make up.

    A 304 writes no event: it may tell only what an answer told before, under an event of its own.
    """
    asked = f"{call.who.id}|{request.full_path}|{found.more}|{body}"
    words = f"an answer of a search|{asked}".encode()
    return f'"{hmac.digest(found.key.encode(), words, "sha256").hex()[:32]}"'


def _warnings(answer: query.Answer) -> list[str]:
    """What PS3.18 8.3.4.2 and 8.3.4.4 want said beside the results."""
    found = []
    if answer.fuzzy:
        found.append(
            "The fuzzymatching parameter is not supported. Only literal matching has been performed."
        )
    if answer.more:
        found.append("There are additional results that can be requested")
    return found


def _get(rule: str, letter: str, handler: Callable[[Call], Response], summary: str) -> Route:
    scope = Scoped("ImagingStudy", letter)
    return Route(f"/dicomweb{rule}", ("GET",), "dicomweb", scope, handler, summary)


_STUDY = "/studies/<study>"
_SERIES = f"{_STUDY}/series/<series>"
_INSTANCE = f"{_SERIES}/instances/<instance>"
_FRAMES = f"{_INSTANCE}/frames/<frames>"

ROUTES: tuple[Route, ...] = (
    _get("/studies", "s", searching("study"), "Search for studies"),
    _get("/series", "s", searching("series"), "Search for series"),
    _get("/instances", "s", searching("instance"), "Search for instances"),
    _get(f"{_STUDY}/series", "s", searching("series"), "Series of a study"),
    _get(f"{_STUDY}/instances", "s", searching("instance"), "Instances of a study"),
    _get(f"{_SERIES}/instances", "s", searching("instance"), "Instances of a series"),
    _get(_STUDY, "r", wado.objects, "Retrieve a study"),
    _get(_SERIES, "r", wado.objects, "Retrieve a series"),
    _get(_INSTANCE, "r", wado.objects, "Retrieve an instance"),
    _get(f"{_STUDY}/metadata", "r", wado.metadata, "Metadata of a study"),
    _get(f"{_SERIES}/metadata", "r", wado.metadata, "Metadata of a series"),
    _get(f"{_INSTANCE}/metadata", "r", wado.metadata, "Metadata of an instance"),
    _get(f"{_INSTANCE}/bulkdata/<path:value>", "r", wado.bulkdata, "A value left out of metadata"),
    _get(_FRAMES, "r", wado.frames, "Frames of an instance"),
    _get(f"{_INSTANCE}/rendered", "r", rendered.rendered, "Picture of an instance"),
    _get(f"{_FRAMES}/rendered", "r", rendered.rendered, "Picture of a frame"),
    _get(f"{_STUDY}/thumbnail", "r", rendered.thumbnail, "Thumbnail of a study"),
    _get(f"{_SERIES}/thumbnail", "r", rendered.thumbnail, "Thumbnail of a series"),
    _get(f"{_INSTANCE}/thumbnail", "r", rendered.thumbnail, "Thumbnail of an instance"),
    _get(f"{_FRAMES}/thumbnail", "r", rendered.thumbnail, "Thumbnail of a frame"),
)
