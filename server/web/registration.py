"""`/oauth/register`: apps register themselves and look after their entry (RFC 7591, RFC 7592)."""

from typing import Any

from flask import Response, request

from server import clock
from server.errors import Fault, Invalid
from server.flows import registering
from server.flows.audit import Event
from server.flows.clients import Client
from server.flows.registering import BadMetadata, Registered
from server.flows.sites import HOME, House
from server.web import guard
from server.web.replies import OAuthRefusal, plain_json
from server.web.routes import Call, Public, Route

REGISTER = "/oauth/register"
_MOST_BYTES = 64 << 10
_SECOND = 1_000_000


def register(call: Call) -> Response:
    """Make an entry; its secrets are told in this answer alone."""
    house = call.house
    try:
        address = guard.address()
        made = registering.register(house, _body(), address=address, now=clock.now())
    except BadMetadata as error:
        raise _refusal(house, error) from error
    return _answer(_made(house, made), 201)


def read(call: Call) -> Response:
    """The entry as it stands."""
    client = _mine(call)
    return _answer(_entry(client, registering.method_of(client)))


def change(call: Call) -> Response:
    """Replace the entry."""
    client, house = _mine(call), call.house
    try:
        made, method = registering.change(
            house, client, _body(), address=guard.address(), now=clock.now()
        )
    except BadMetadata as error:
        raise _refusal(house, error) from error
    return _answer(_entry(made, method))


def remove(call: Call) -> Response:
    """End the entry, and all that was allowed to it."""
    client = _mine(call)
    registering.remove(call.house, client, address=guard.address(), now=clock.now())
    return Response(status=204, headers={"Cache-Control": "no-store"})


def _mine(call: Call) -> Client:
    return registering.find(call.house, call.path["client"], guard.bearer())


def _body() -> dict[str, Any]:
    request.max_content_length = _MOST_BYTES
    if request.mimetype != "application/json":
        raise Invalid("send JSON: Content-Type application/json")
    try:
        told = request.get_json(force=True, silent=True)
    except RecursionError:
        told = None
    if not isinstance(told, dict):
        raise Invalid("a JSON object is expected")
    return told


def _refusal(house: House, error: BadMetadata) -> Fault:
    """The refusal in OAuth's words, recorded."""
    house.auditor.note(
        Event(
            HOME,
            "oauth",
            "refuse",
            outcome="4",
            address=guard.address(),
            detail=f"register: {error.code}: {error}"[:500],
        )
    )
    return OAuthRefusal(error.code, str(error))


def _made(house: House, made: Registered) -> dict[str, Any]:
    body = _entry(made.client, made.method) | {"client_id_issued_at": made.made // _SECOND}
    if made.secret:
        body |= {"client_secret": made.secret, "client_secret_expires_at": 0}
    return body | {
        "registration_access_token": made.management,
        "registration_client_uri": f"{house.config.base}{REGISTER}/{made.client.id}",
    }


def _entry(client: Client, method: str) -> dict[str, Any]:
    body = {
        "client_id": client.id,
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "token_endpoint_auth_method": method,
        "grant_types": list(registering.GRANTS),
        "response_types": ["code"],
        "scope": client.scope,
    }
    more = {"initiate_login_uri": client.launch_uri, "jwks_uri": client.jwks_uri}
    return body | {name: value for name, value in more.items() if value}


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    response = plain_json(body, status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response


_ENTRY = f"{REGISTER}/<client>"
_WHY = "an app registers before it has anything to show; its entry gives it nothing yet"
_TOKEN = "the token that came with the entry says whose it is"  # noqa: S105 - a sentence
ROUTES = (
    Route(REGISTER, ("POST",), "oauth", Public(_WHY), register, "An app registers itself"),
    Route(_ENTRY, ("GET",), "oauth", Public(_TOKEN), read, "An app reads its entry"),
    Route(_ENTRY, ("PUT",), "oauth", Public(_TOKEN), change, "An app changes its entry"),
    Route(_ENTRY, ("DELETE",), "oauth", Public(_TOKEN), remove, "An app ends its entry"),
)
