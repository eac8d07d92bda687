"""How answers are written: JSON, OperationOutcome for errors, and the headers all of them carry."""

import json
from typing import Any

from flask import Response, request

from fhir.outcome import Issue, outcome
from fhir.wire import write
from server.errors import Fault, Unauthenticated

FHIR_JSON = "application/fhir+json; charset=utf-8"
JSON = "application/json; charset=utf-8"


def fhir_json(body: dict[str, Any] | str, status: int = 200) -> Response:
    """A FHIR resource as an answer; text is sent as it is stored."""
    text = body if isinstance(body, str) else write(body)
    return Response(text, status, content_type=FHIR_JSON)


def plain_json(body: Any, status: int = 200) -> Response:
    """A JSON document that is not FHIR."""
    return Response(json.dumps(body, ensure_ascii=False), status, content_type=JSON)


def failure(error: Fault, door: str) -> Response:
    """An error in the terms of the door: OAuth error JSON, else an OperationOutcome."""
    answer = error.answer
    if door == "oauth":
        response = plain_json({"error": "invalid_request", "error_description": str(error)})
        response.status_code = answer.http
    else:
        where = (error.expression,) if error.expression else ()
        body = outcome(Issue(answer.issue, str(error), expression=where))
        response = fhir_json(body, answer.http)
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Bearer realm="triptych", error="invalid_token"'
    if error.retry or answer.http == 503:
        response.headers["Retry-After"] = str(error.retry or 5)
    return response


def secure(response: Response) -> Response:
    """The headers that every answer carries."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "private, no-store")
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'")
    wanted = request.headers.get("X-Request-Id", "")
    if wanted.isascii() and wanted.isprintable() and 0 < len(wanted) <= 64:
        response.headers["X-Request-Id"] = wanted
    return response
