"""The authorization server: token, introspection and revocation, on Authlib (RFC 6749)."""

from collections.abc import Callable
from typing import Any

from authlib.oauth2 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc6749.errors import InsecureTransportError
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from flask import Response, request

from server import clock
from server.errors import Busy, Denied, Fault, Invalid, Unauthenticated
from server.flows import clients, grants
from server.flows.access import Grant
from server.flows.audit import Event
from server.flows.redeeming import BadGrant
from server.flows.sites import HOME, House
from server.web import guard
from server.web.oauth_clients import ASSERTION, LIFETIME, ClientAssertion, FormRequest, OAuthClient
from server.web.oauth_grants import (
    BackendGrant,
    CodeGrant,
    Introspection,
    RefreshGrant,
    Revocation,
)
from server.web.replies import OAuthRefusal, plain_json
from server.web.routes import Call, Public, Route

FORM = "application/x-www-form-urlencoded"
TOKEN = "/oauth/token"  # noqa: S105 - an address
INTROSPECT = "/oauth/introspect"
REVOKE = "/oauth/revoke"
_MOST_BYTES = 64 << 10


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's authorization server over one house, for one request."""

    def __init__(self, house: House, address: str) -> None:
        super().__init__()
        self.house = house
        self.address = address
        make = BearerTokenGenerator(lambda **_: grants.draw(), None, LIFETIME)
        self.register_token_generator("default", make)
        assertion = ClientAssertion(house, house.config.base + TOKEN)
        self.register_client_auth_method(ASSERTION, assertion)
        for grant in (BackendGrant, CodeGrant, RefreshGrant):
            self.register_grant(grant)
        self.register_endpoint(Introspection)
        self.register_endpoint(Revocation)

    def query_client(self, client_id: str) -> OAuthClient | None:
        found = clients.find(self.house, client_id)
        return OAuthClient(found) if found is not None else None

    def save_token(self, token: dict[str, Any], request: FormRequest) -> None:
        grants.for_client(
            self.house,
            request.client.client,
            token["scope"],
            token["access_token"],
            token["expires_in"],
            address=self.address,
            now=clock.now(),
        )

    def bearer(self, request: FormRequest) -> Grant | None:
        """The grant of the caller's own token, None when the request carries none."""
        if not request.headers.get("Authorization", "").lower().startswith("bearer "):
            return None
        return grants.authenticate(
            self.house, guard.bearer(), address=self.address, now=clock.now()
        )

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        response = plain_json(body, status)
        response.headers.update(headers)
        return response

    def handle_error_response(self, request: FormRequest, error: OAuth2Error) -> Response:
        raise error

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens: what matters is in the audit."""


def token(call: Call) -> Response:
    """Give tokens for a code, for a refresh token, or to a backend client (RFC 6749 3.2)."""
    return answering(call, lambda server, asked: server.create_token_response(asked))


def introspect(call: Call) -> Response:
    """Say what a token allows (RFC 7662)."""
    name = Introspection.ENDPOINT_NAME
    return answering(call, lambda server, asked: server.create_endpoint_response(name, asked))


def revoke(call: Call) -> Response:
    """End a token at once (RFC 7009)."""
    name = Revocation.ENDPOINT_NAME
    return answering(call, lambda server, asked: server.create_endpoint_response(name, asked))


def answering(call: Call, act: Callable[[Server, FormRequest], Response]) -> Response:
    """Run Authlib on the form; every refusal is recorded, and told in OAuth's words."""
    server = Server(call.house, guard.address())
    asked: FormRequest | None = None
    try:
        asked = _form(call.house)
        return act(server, asked)
    except (OAuth2Error, Fault) as error:
        refusal = _refusal(error)
        _record(server, asked, refusal)
        raise refusal from error


def _form(house: House) -> FormRequest:
    """The request's form: one value for each name, and nothing from the address (RFC 6749 3.2)."""
    request.max_content_length = _MOST_BYTES
    if request.mimetype != FORM:
        raise Invalid(f"send a form: Content-Type {FORM}")
    fields = request.form.to_dict(flat=False)
    twice = [name for name, values in fields.items() if len(values) > 1]
    if twice:
        raise Invalid(f"{twice[0]} is given more than once")
    plain = {name: values[0] for name, values in fields.items()}
    return FormRequest(house.config.base + request.path, plain, request.headers)


def _refusal(error: OAuth2Error | Fault) -> OAuthRefusal:
    """The error in OAuth's words (RFC 6749 5.2)."""
    match error:
        case InsecureTransportError():
            return OAuthRefusal(
                "invalid_request", "tokens travel over https: set TRIPTYCH_BASE_URL to its address"
            )
        case BadGrant():
            return OAuthRefusal(error.code, str(error))
        case OAuth2Error(error="invalid_client"):
            return OAuthRefusal("invalid_client", error.get_error_description(), 401)
        case OAuth2Error():
            words = error.get_error_description() or "the request is not complete"
            return OAuthRefusal(error.error, words)
        case Unauthenticated():
            bearer = "Authorization" in request.headers
            return OAuthRefusal("invalid_token" if bearer else "invalid_client", str(error), 401)
        case Denied():
            return OAuthRefusal("unauthorized_client", str(error))
        case Busy():
            return OAuthRefusal("temporarily_unavailable", str(error), 503, error.retry)
        case _:
            return OAuthRefusal("invalid_request", str(error))


def _record(server: Server, asked: FormRequest | None, refusal: OAuthRefusal) -> None:
    """Audit a refusal, under the client's name if a registered client was named."""
    named = asked.client if asked is not None else None
    known = named.client if isinstance(named, OAuthClient) else None
    server.house.auditor.note(
        Event(
            organisation=known.organisation if known else HOME,
            door="oauth",
            action="login",
            outcome="4",
            client=known.id if known else "",
            address=server.address,
            detail=f"{request.path}: {refusal.code}: {refusal}",
        )
    )


_WHY = "clients prove who they are in the request itself"
ROUTES = (
    Route(TOKEN, ("POST",), "oauth", Public(_WHY), token, "Access token"),
    Route(INTROSPECT, ("POST",), "oauth", Public(_WHY), introspect, "What a token allows"),
    Route(REVOKE, ("POST",), "oauth", Public(_WHY), revoke, "End a token"),
)
