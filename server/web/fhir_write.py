"""FHIR writes over HTTP: create, update, patch, delete, and their conditional forms (R4 3.1.0)."""

import re
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, request
from werkzeug.http import http_date

from fhir import query as q
from fhir.outcome import Issue, outcome
from fhir.wire import parse, read
from server.clock import moment
from server.errors import BadMedia, Invalid, Stale, TooLarge
from server.flows import access, authoring, searching
from server.flows.authoring import CREATED, FOUND, Condition, Written
from server.flows.authorship import Json, written
from server.web.fhir_shape import negotiate
from server.web.replies import FHIR_JSON, fhir_json
from server.web.routes import Call, Route, Scoped

JSON_PATCH = "application/json-patch+json"
_TAKEN = ("application/fhir+json", "application/json", "text/json")
_VERSION = re.compile(r'(?:W/)?"([0-9]{1,9})"', re.ASCII)
_RETURN = re.compile(r"\breturn=(minimal|representation|OperationOutcome)\b", re.ASCII)


def create(call: Call) -> Response:
    """Create a resource under an id of ours; with If-None-Exist, unless there is such a one."""
    body = _resource(call)
    unless = None
    if "If-None-Exist" in request.headers:
        unless = _query(call, request.headers["If-None-Exist"])
    return _answer(call, authoring.create(call.house, call.who, body, unless))


def update(call: Call) -> Response:
    """Put a resource in the place of its present version."""
    body = _resource(call)
    if body.get("id") != call.path["id"]:
        raise Invalid("the body has another id than the address, or none", expression="id")
    done = authoring.update(call.house, call.who, call.path["id"], body, _condition())
    return _answer(call, done)


def update_matching(call: Call) -> Response:
    """Update what the address searches for, or create it."""
    body = _resource(call)
    query = _query(call, request.query_string.decode("utf-8", "replace"))
    return _answer(call, authoring.update_matching(call.house, call.who, body, query))


def patch(call: Call) -> Response:
    """Change a resource by a JSON Patch."""
    negotiate()
    written(call.path["type"])
    operations = parse(_body(call, (JSON_PATCH,)))
    which = (call.path["type"], call.path["id"])
    return _answer(call, authoring.patch(call.house, call.who, *which, operations, _condition()))


def delete(call: Call) -> Response:
    """Delete a resource; one that is not there is as good as deleted."""
    which = (call.path["type"], call.path["id"])
    authoring.delete(call.house, call.who, *which, _condition())
    return Response(status=204)


def delete_matching(call: Call) -> Response:
    """Delete the one resource that the address searches for."""
    text = request.query_string.decode("utf-8", "replace")
    if not text:
        raise Stale("say by search parameters what is to be deleted")
    authoring.delete_matching(call.house, call.who, call.path["type"], _query(call, text))
    return Response(status=204)


def _resource(call: Call) -> Json:
    """The resource that was sent, of the type of the address."""
    negotiate()
    kind = written(call.path["type"])
    body = read(_body(call, _TAKEN))
    if body.get("resourceType") != kind:
        raise Invalid(f"expected a {kind}, as the address says", expression="resourceType")
    return body


def _body(call: Call, kinds: tuple[str, ...]) -> bytes:
    """The bytes that were sent, in one of these forms. Raises BadMedia, TooLarge."""
    if request.mimetype not in kinds or request.headers.get("Content-Encoding"):
        raise BadMedia(f"send {kinds[0]}, without Content-Encoding")
    most = call.house.config.max_body_bytes
    if (request.content_length or 0) > most:
        raise TooLarge(f"a body may have at most {most} bytes")
    data: bytes = request.stream.read(most + 1)
    if len(data) > most:
        raise TooLarge(f"a body may have at most {most} bytes")
    return data


def _query(call: Call, text: str) -> q.Query:
    """The search that says which resource is meant. Raises Invalid if it says nothing."""
    words = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    words = [pair for pair in words if pair[0] not in ("_format", "_pretty")]
    query = searching.understood(call.house, written(call.path["type"]), words)
    if not query.conditions:
        raise Invalid("say by search parameters which resource is meant")
    return query


def _condition() -> Condition:
    """What If-Match and If-None-Match ask of the present version (RFC 9110 13.1)."""
    said = request.headers.get("If-Match")
    absent = request.headers.get("If-None-Match", "").strip() == "*"
    if said is None or said.strip() == "*":
        return Condition(absent=absent)
    match = _VERSION.fullmatch(said.strip())
    if match is None:
        raise Invalid('If-Match takes one version, as W/"3"', expression="If-Match")
    return Condition(int(match[1]), absent)


def _answer(call: Call, done: Written) -> Response:
    """What became of a write, in the form that Prefer asks for (R4 3.1.0.1.9)."""
    version = done.version
    address = f"{call.house.config.fhir_base}/{version.type}/{version.id}"
    response = _told(call, done)
    response.status_code = 201 if done.what == CREATED else 200
    response.headers["ETag"] = f'W/"{version.version}"'
    response.headers["Last-Modified"] = http_date(moment(version.updated))
    response.headers["Location"] = f"{address}/_history/{version.version}"
    return response


def _told(call: Call, done: Written) -> Response:
    """The resource, unless the caller wants less, or may not read what it did not send."""
    match = _RETURN.search(request.headers.get("Prefer", ""))
    wanted = match[1] if match else "representation"
    if wanted == "OperationOutcome":
        return fhir_json(outcome(Issue("informational", _SENTENCE[done.what], "information")))
    sent_it = done.what != FOUND and request.method != "PATCH"
    may_see = sent_it or access.has_scope(call.who, done.version.type, "r")
    if wanted == "minimal" or not may_see:
        return Response(content_type=FHIR_JSON)
    return fhir_json(done.version.text)


_SENTENCE: dict[str, Any] = {
    CREATED: "the resource was created",
    authoring.CHANGED: "the resource is as you sent it",
    FOUND: "there is such a resource already: nothing was created",
}


def _row(rule: str, method: str, letter: str, handler: Any, summary: str) -> Route:
    return Route(rule, (method,), "fhir", Scoped("*", letter), handler, summary)


ROUTES = (
    _row("/fhir/<type>", "POST", "c", create, "Create a resource"),
    _row("/fhir/<type>/<id>", "PUT", "u", update, "Update a resource"),
    _row("/fhir/<type>", "PUT", "u", update_matching, "Update what a search finds, or create it"),
    _row("/fhir/<type>/<id>", "PATCH", "u", patch, "Change a resource by a JSON Patch"),
    _row("/fhir/<type>/<id>", "DELETE", "d", delete, "Delete a resource"),
    _row("/fhir/<type>", "DELETE", "d", delete_matching, "Delete what a search finds"),
)
