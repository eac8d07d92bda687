"""The grants and token endpoints that we offer, as Authlib runs them."""

from dataclasses import dataclass
from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import TokenMixin
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from server import clock
from server.flows import grants
from server.flows.access import Grant
from server.flows.grants import Held
from server.web.oauth_clients import ASSERTION, FormRequest

_SECOND = 1_000_000


class BackendGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """Backend services: a client acts for itself (SMART App Launch 2.2, backend-services)."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = [ASSERTION]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks about a token: an authenticated client, or the bearer of another token.

    `wide` callers act as resource servers and may ask about every token of their organisation.
    """

    organisation: int
    client: str
    wide: bool


class HeldToken(TokenMixin):  # type: ignore[misc]
    """A token that is good now, as Authlib sees it."""

    def __init__(self, held: Held) -> None:
        self.held = held

    def check_client(self, asking: Caller) -> bool:
        return (asking.organisation, asking.client) == (self.held.organisation, self.held.client)

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


class _TokenQuestion:
    """What introspection and revocation have in common: who may ask, and what about."""

    CLIENT_AUTH_METHODS: ClassVar = [ASSERTION]
    server: Any

    def authenticate_endpoint_client(self, request: FormRequest) -> Caller:
        bearer: Grant | None = self.server.bearer(request)
        if bearer is not None:
            return Caller(bearer.organisation, bearer.client, bearer.context == "system")
        client = super().authenticate_endpoint_client(request).client  # type: ignore[misc]
        return Caller(client.organisation, client.id, client.kind == "backend")

    def check_params(self, request: FormRequest, client: Caller) -> None:
        if not request.form.get("token"):
            raise InvalidRequestError(description="the form needs a token")

    def query_token(self, token_string: str, token_type_hint: str | None) -> HeldToken | None:
        held = grants.held(self.server.house, token_string, now=clock.now())
        return HeldToken(held) if held is not None else None


class Introspection(_TokenQuestion, IntrospectionEndpoint):  # type: ignore[misc]
    """What a token allows (RFC 7662; SMART App Launch 2.2, token-introspection)."""

    def check_permission(self, token: HeldToken, client: Caller, request: FormRequest) -> bool:
        same = token.held.organisation == client.organisation
        return same and (client.wide or token.held.client == client.client)

    def introspect_token(self, token: HeldToken) -> dict[str, Any]:
        held = token.held
        body = {
            "active": True,
            "token_type": "Bearer",
            "client_id": held.client,
            "scope": held.scope,
            "iat": held.issued // _SECOND,
            "exp": held.expires // _SECOND,
            "iss": self.server.house.config.base,
        }
        return body | ({"patient": held.patient} if held.patient else {})


class Revocation(_TokenQuestion, RevocationEndpoint):  # type: ignore[misc]
    """Ends a token at once (RFC 7009)."""

    def revoke_token(self, token: HeldToken, request: FormRequest) -> None:
        grants.revoke(self.server.house, token.held, address=self.server.address, now=clock.now())
