"""How answers are written: JSON, OperationOutcome for errors, and the headers all of them carry."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Response, request

from fhir.outcome import Issue, outcome
from fhir.wire import write
from server import trace
from server.errors import Answer, Fault
from server.flows.audit import Reading
from server.web import desk_pages, login, pages, share_pages

FHIR_JSON = "application/fhir+json; charset=utf-8"
JSON = "application/json; charset=utf-8"
# What every answer says, unless it says something else under the same name.
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def fhir_json(body: dict[str, Any] | str, status: int = 200) -> Response:
    """A FHIR resource as an answer; text is sent as it is stored."""
    text = body if isinstance(body, str) else write(body)
    return Response(text, status, content_type=FHIR_JSON)


def plain_json(body: Any, status: int = 200) -> Response:
    """A JSON document that is not FHIR."""
    return Response(json.dumps(body, ensure_ascii=False), status, content_type=JSON)


def covered(reading: Reading, response: Response, count: int) -> Response:
    """An answer whose event is open already: it counts what is sent, and ends with it."""
    if request.method != "HEAD" and response.status_code == 200:
        reading.sent(len(response.get_data()), count=count)
    response.call_on_close(reading.end)
    return response


@contextmanager
def closing_on_error(reading: Reading) -> Iterator[None]:
    """End an open event if the answer that it covers cannot be made."""
    try:
        yield
    except BaseException:
        reading.end()
        raise


class OAuthRefusal(Fault):
    """A refusal in OAuth's words: `code` is one of RFC 6749 5.2, RFC 6750 3.1 and their kin."""

    def __init__(self, code: str, message: str, status: int = 400, retry: int = 0) -> None:
        super().__init__(_oauth_text(message), retry=retry)
        self.code = code
        self.answer = Answer(status, "processing", 0x0110, Fault.answer.patient)


def _oauth_text(text: str) -> str:
    """The characters that an error_description may have (RFC 6749 5.2), at most 300."""
    plain = text[:300].replace("…", "...").replace('"', "'").replace("\\", "/")
    return "".join(char if " " <= char <= "~" else "?" for char in plain)


# What else may happen at the OAuth door, by HTTP status.
_OAUTH = {401: "invalid_token", 403: "access_denied", 500: "server_error"}
_OAUTH |= {503: "temporarily_unavailable", 507: "temporarily_unavailable"}


def _oauth_error(error: Fault) -> Response:
    code = getattr(error, "code", "") or _OAUTH.get(error.answer.http, "invalid_request")
    body = {"error": code, "error_description": _oauth_text(str(error))}
    response = plain_json(body, error.answer.http)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response


def failure(error: Fault, door: str) -> Response:
    """An error in the terms of the door: a page, OAuth error JSON, else an OperationOutcome."""
    answer = error.answer
    if door == "desk" and answer.http == 401:
        return login.sign_in_first()
    if door == "login":
        return pages.error(error)
    if door == "link":
        return share_pages.error(error)
    if door == "desk":
        return desk_pages.error(error)
    if door == "oauth":
        response = _oauth_error(error)
    else:
        where = (error.expression,) if error.expression else ()
        body = outcome(Issue(error.issue, str(error), expression=where))
        response = fhir_json(body, answer.http)
    if answer.http == 401:
        code = getattr(error, "code", "invalid_token")
        response.headers["WWW-Authenticate"] = f'Bearer realm="triptych", error="{code}"'
    if error.retry or answer.http == 503:
        response.headers["Retry-After"] = str(error.retry or 5)
    return response


def _has_body() -> bool:
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def secure(response: Response) -> Response:
    """The headers that every answer carries."""
    said = {name.lower() for name, _ in response.headers}
    for name, value in _ALWAYS.items():
        if name.lower() not in said:
            response.headers.add(name, value)
    if response.status_code >= 400 and _has_body():
        # What nobody read of it would stand before the next request: the client is to know.
        response.headers["Connection"] = "close"
    response.headers["X-Request-Id"] = trace.current()
    return response
