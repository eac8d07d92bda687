"""FHIR R4 over HTTP: read, vread and history of the types that are served (R4 3.1.0)."""

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.http import http_date

from fhir import bundle
from fhir.bundle import Done
from fhir.datetimes import search_range
from fhir.errors import BadDate
from server.clock import moment
from server.errors import Invalid, Missing
from server.flows import resources
from server.flows.audit import Reading
from server.flows.contents import Content
from server.flows.resources import History, Version
from server.web import fhir_search, fhir_shape
from server.web.binaries import document, with_data
from server.web.fhir_shape import negotiate
from server.web.replies import closing_on_error, covered, fhir_json
from server.web.routes import Call, Public, Route, Scoped

_MOST = 1000
_LATEST = 1 << 31


def read(call: Call) -> Response:
    """The current version of a resource; a Binary as the document it is, unless FHIR is wanted."""
    as_document = _as_document(call)
    return _one(
        *resources.read(call.house, call.who, call.path["type"], call.path["id"]), as_document
    )


def vread(call: Call) -> Response:
    """One version of a resource."""
    as_document = _as_document(call)
    version = call.path["version"]
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise Missing("this resource has no such version")
    which = (call.path["type"], call.path["id"], int(version))
    return _one(*resources.vread(call.house, call.who, *which), as_document)


def _as_document(call: Call) -> bool:
    """Whether a Binary is to be sent as its own bytes (R4 binary: serving)."""
    if call.path["type"] == "Binary" and not fhir_shape.asked_for_fhir():
        return True
    negotiate()
    return False


def _one(version: Version, reading: Reading, as_document: bool) -> Response:
    """A resource as an answer, with its version in the headers, or 304 if the caller has it."""
    with closing_on_error(reading):
        etag = f'W/"{version.version}"'
        if etag in request.headers.get("If-None-Match", ""):
            response = covered(reading, Response(status=304), count=1)
        elif version.content is not None:
            response = _content(version, version.content, reading, as_document)
        else:
            response = covered(reading, fhir_json(fhir_shape.of_read(version.text)), count=1)
        response.headers["ETag"] = etag
        response.headers["Last-Modified"] = http_date(moment(version.updated))
        return response


def _content(version: Version, content: Content, reading: Reading, as_document: bool) -> Response:
    """A Binary as the document that it is, or as FHIR with the document in it: as a stream."""
    if as_document:
        return document(version.text, content, reading)
    text = fhir_shape.of_read(version.text)
    if not fhir_shape.is_whole():
        return covered(reading, fhir_json(text), count=1)
    return with_data(text, content, reading)


def history(call: Call) -> Response:
    """The versions of a resource, newest first, in pages (R4 3.1.0.13)."""
    negotiate()
    count = min(_number(request.args.get("_count", "100"), "_count"), _MOST)
    before = _number(request.args.get("_before", str(_LATEST)), "_before")
    found, reading = resources.history(
        call.house,
        call.who,
        call.path["type"],
        call.path["id"],
        since=_since(),
        before=before,
        count=count,
    )
    with closing_on_error(reading):
        page = found.versions[:count]
        base = call.house.config.fhir_base
        links = _links(call, found, before, count)
        response = fhir_json(bundle.history(_entries(page, base), links=links, total=found.total))
        return covered(reading, response, count=len(page))


def _since() -> int:
    """The moment of `_since`; what was written at it belongs to the answer."""
    try:
        return search_range(request.args["_since"])[0] if "_since" in request.args else 0
    except BadDate as error:
        raise Invalid(str(error), expression="_since", issue="value") from error


def _links(call: Call, found: History, before: int, count: int) -> dict[str, str]:
    """This page and its neighbours. Versions are numbered without gaps, so pages fit together."""
    base, path = call.house.config.fhir_base, call.path
    address = f"{base}/{path['type']}/{path['id']}/_history"
    words = request.args.to_dict()

    def at(place: int) -> str:
        return f"{address}?{urlencode(words | {'_before': str(place)})}"

    links = {"self": f"{address}?{urlencode(words)}" if words else address}
    if count and before <= found.newest:
        links["previous"] = at(before + count)
    if 0 < count < len(found.versions):
        links["next"] = at(found.versions[count - 1].version)
    return links


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
        raise Invalid(f"{what} must be a whole number", expression=what, issue="value")
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
    *(
        Route(
            f"/fhir/Patient/<id>/{one}",
            ("GET",),
            "fhir",
            Scoped(one, "s"),
            fhir_search.of_patient,
            "Search in a patient's compartment",
        )
        for one in fhir_search.OF_PATIENT
    ),
    Route(
        "/fhir/<type>/_search",
        ("POST",),
        "fhir",
        Scoped("*", "s"),
        fhir_search.search,
        "Search, parameters in the body",
    ),
)
