"""FHIR R4 over HTTP: read, vread and history of the types that are served (R4 3.1.0)."""

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.http import http_date

from fhir import bundle
from fhir.bundle import Done
from fhir.datetimes import search_range
from server.clock import moment
from server.errors import Invalid
from server.flows import resources
from server.flows.audit import Reading
from server.flows.resources import Version
from server.web import fhir_search, fhir_shape
from server.web.fhir_shape import negotiate
from server.web.replies import fhir_json
from server.web.routes import Call, Public, Route, Scoped

_MOST = 1000
_LATEST = 1 << 31


def read(call: Call) -> Response:
    """The current version of a resource."""
    negotiate()
    return _one(*resources.read(call.house, call.who, call.path["type"], call.path["id"]))


def vread(call: Call) -> Response:
    """One version of a resource."""
    negotiate()
    number = _number(call.path["version"], "the version")
    which = (call.path["type"], call.path["id"], number)
    return _one(*resources.vread(call.house, call.who, *which))


def _one(version: Version, reading: Reading) -> Response:
    """A resource as an answer, with its version in the headers, or 304 if the caller has it."""
    try:
        etag = f'W/"{version.version}"'
        response = fhir_json(fhir_shape.of_read(version.text))
        if etag in request.headers.get("If-None-Match", ""):
            response = Response(status=304)
        response.headers["ETag"] = etag
        response.headers["Last-Modified"] = http_date(moment(version.updated))
        reading.sent(response.content_length or 0, count=1)
        return response
    finally:
        reading.end()


def history(call: Call) -> Response:
    """The versions of a resource, newest first, in pages (R4 3.1.0.13)."""
    negotiate()
    count = min(_number(request.args.get("_count", "100"), "_count"), _MOST)
    before = _number(request.args.get("_before", str(_LATEST)), "_before")
    since, _ = search_range(request.args["_since"]) if "_since" in request.args else (0, 0)
    found, total, reading = resources.history(
        call.house,
        call.who,
        call.path["type"],
        call.path["id"],
        since=since,
        before=before,
        count=count,
    )
    try:
        page = found[:count]
        links = {"self": request.url}
        if len(found) > count and page:
            links["next"] = _next(page)
        base = call.house.config.fhir_base
        response = fhir_json(bundle.history(_entries(page, base), links=links, total=total))
        reading.sent(response.content_length or 0, count=len(page))
        return response
    finally:
        reading.end()


def _next(page: Sequence[Version]) -> str:
    words = request.args.to_dict() | {"_before": str(page[-1].version)}
    return f"{request.base_url}?{urlencode(words)}"


_STATUS = {"POST": "201", "PUT": "200", "DELETE": "204"}


def _entries(page: Sequence[Version], base: str) -> list[Done]:
    return [
        Done(
            status=_STATUS[version.method],
            body=version.text,
            full_url=f"{base}/{version.type}/{version.id}",
            method=version.method,
            url=version.type if version.method == "POST" else f"{version.type}/{version.id}",
            etag=f'W/"{version.version}"',
            modified=moment(version.updated),
        )
        for version in page
    ]


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise Invalid(f"{what} must be a whole number", expression=what)
    return int(text)


_DISCOVERY = Public("clients learn from it how to get a token (R4 3.1.0.6)")

ROUTES = (
    Route(
        "/fhir/metadata",
        ("GET",),
        "fhir",
        _DISCOVERY,
        fhir_search.metadata,
        "CapabilityStatement",
    ),
    Route(
        "/fhir/<type>/<id>",
        ("GET",),
        "fhir",
        Scoped("*", "r"),
        read,
        "Read a resource",
    ),
    Route(
        "/fhir/<type>/<id>/_history",
        ("GET",),
        "fhir",
        Scoped("*", "r"),
        history,
        "History of a resource",
    ),
    Route(
        "/fhir/<type>/<id>/_history/<version>",
        ("GET",),
        "fhir",
        Scoped("*", "r"),
        vread,
        "Read a version",
    ),
    Route("/fhir/<type>", ("GET",), "fhir", Scoped("*", "s"), fhir_search.search, "Search"),
    Route(
        "/fhir/<type>/_search",
        ("POST",),
        "fhir",
        Scoped("*", "s"),
        fhir_search.search,
        "Search, parameters in the body",
    ),
)
