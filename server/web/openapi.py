"""`/openapi.json`: every address of the route table as OpenAPI 3.1, made from the rows themselves."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from flask import Response

from server import VERSION, errors
from server.errors import Fault
from server.flows import resources
from server.web.replies import plain_json
from server.web.routes import Call, Linked, Public, Route, Scoped, Signed

ADDRESS = "/openapi.json"
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
_CONTEXTS = ("patient", "user", "system")
# What may go wrong: everywhere, where somebody has to be known, and where something is sent.
_ALWAYS = (errors.Invalid, errors.NotAcceptable, errors.Fault, errors.Busy)
_GUARDED = (errors.Unauthenticated, errors.Denied, errors.Missing, errors.Gone)
_WRITING = (
    *(errors.Unprocessable, errors.TooLarge, errors.BadMedia),
    *(errors.Conflict, errors.Stale, errors.Full),
)
_PAGES = ("desk", "login", "link")
_SENDS = {
    "fhir": ("application/fhir+json",),
    "dicomweb": ("multipart/related", "application/dicom"),
    "apps": ("application/json",),
}
_FORM = ("application/x-www-form-urlencoded",)


def route(others: Sequence[Route]) -> Route:
    """The row of the description itself; it describes the other rows and this one."""

    def tell(call: Call) -> Response:
        return plain_json(document((*others, row), call.house.config.base))

    why = "it says what there is, nothing of anybody"
    row = Route(ADDRESS, ("GET",), "ops", Public(why), tell, "This description of every address")
    return row


def document(routes: Iterable[Route], base: str) -> dict[str, Any]:
    """The description of these rows."""
    paths: dict[str, dict[str, Any]] = {}
    for one in routes:
        path = paths.setdefault(_VARIABLE.sub(r"{\1}", one.rule), {})
        path |= {method.lower(): _operation(one, method) for method in one.methods}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Triptych",
            "version": VERSION,
            "description": "What GET answers, HEAD answers without a body. A browser that is signed "
            "in, or has opened a Magic Link, may also GET what asks for a scope, as far as it may "
            "see it. The parameters of FHIR searches stand in /fhir/metadata.",
        },
        "servers": [{"url": base}],
        "paths": paths,
        "components": {"securitySchemes": _schemes(base), "responses": dict(_responses())},
    }


def _operation(one: Route, method: str) -> dict[str, Any]:
    """One method of one address."""
    told: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}_{one.door}_{one.rule}").strip("_"),
        "tags": [one.door],
        "summary": one.summary,
        "security": _security(one),
        "responses": {"2XX": {"description": one.summary}} | _errors(one, method),
    }
    if parameters := [*_in_path(one), *_in_query(one, method)]:
        told["parameters"] = parameters
    if method in ("POST", "PUT", "PATCH"):
        kinds = _SENDS.get(one.door, _FORM)
        told["requestBody"] = {"content": {kind: {} for kind in kinds}}
    if isinstance(one.access, Public):
        told["description"] = f"Anybody may: {one.access.why}."
    return told


def _security(one: Route) -> list[dict[str, list[str]]]:
    """Who may, as alternatives: none for everybody."""
    match one.access:
        case Scoped(type_, letter):
            return [{"smart": [f"{context}/{type_}.{letter}"]} for context in _CONTEXTS]
        case Linked():
            return [{"link": []}]
        case Signed(roles):
            return [{"login": list(roles)}]
    return []


def _errors(one: Route, method: str) -> dict[str, Any]:
    kinds: list[type[Fault]] = [*_ALWAYS]
    kinds += [] if isinstance(one.access, Public) and not _variables(one) else _GUARDED
    kinds += [] if method in ("GET", "HEAD") else _WRITING
    found = {
        str(kind.answer.http): {"$ref": f"#/components/responses/{_name(one.door, kind)}"}
        for kind in kinds
    }
    if one.door in _PAGES:
        found["3XX"] = {"description": "Goes on to another page."}
    return dict(sorted(found.items()))


def _variables(one: Route) -> list[str]:
    return _VARIABLE.findall(one.rule)


def _in_path(one: Route) -> Iterable[dict[str, Any]]:
    for name in _variables(one):
        schema: dict[str, Any] = {"type": "string"}
        if name == "type" and one.door == "fhir":
            schema["enum"] = sorted(resources.TYPES)
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(one: Route, method: str) -> Iterable[dict[str, Any]]:
    """A search takes any of its keys, as often as it likes."""
    if method == "GET" and isinstance(one.access, Scoped) and one.access.letter == "s":
        schema = {"type": "object", "additionalProperties": {"type": "string"}}
        yield {"name": "keys", "in": "query", "style": "form", "explode": True, "schema": schema}


def _responses() -> Iterable[tuple[str, dict[str, Any]]]:
    """Each error in the form of each kind of door."""
    for kind in (*_ALWAYS, *_GUARDED, *_WRITING):
        for door, media in (("fhir", "application/fhir+json"), ("oauth", "application/json")):
            said = {"description": kind.answer.patient, "content": {media: _SHAPES[door]}}
            yield _name(door, kind), said
        yield (
            _name("desk", kind),
            {"description": kind.answer.patient, "content": {"text/html": {}}},
        )


_SHAPES = {
    "fhir": {
        "schema": {
            "type": "object",
            "required": ["resourceType", "issue"],
            "properties": {
                "resourceType": {"const": "OperationOutcome"},
                "issue": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
    "oauth": {
        "schema": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        }
    },
}


def _name(door: str, kind: type[Fault]) -> str:
    form = "Page" if door in _PAGES else "OAuth" if door == "oauth" else "Outcome"
    return f"{kind.__name__}{form}"


def _schemes(base: str) -> dict[str, Any]:
    scopes = {
        f"{context}/{type_}.{letter}": f"{letter} of {type_}"
        for context in _CONTEXTS
        for type_ in ("*", *resources.TYPES)
        for letter in "cruds"
    }
    token = f"{base}/oauth/token"
    prefix = "__Host-" if base.startswith("https://") else ""
    flows = {
        "authorizationCode": {
            "authorizationUrl": f"{base}/oauth/authorize",
            "tokenUrl": token,
            "scopes": scopes,
        },
        "clientCredentials": {"tokenUrl": token, "scopes": scopes},
    }
    return {
        "smart": {"type": "oauth2", "flows": flows},
        "login": {"type": "apiKey", "in": "cookie", "name": f"{prefix}triptych"},
        "link": {"type": "apiKey", "in": "cookie", "name": f"{prefix}triptych-link"},
    }
