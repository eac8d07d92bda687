"""The grants and token endpoints that we offer, as Authlib runs them."""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import TokenMixin
from authlib.oauth2.rfc6749.errors import InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, ClientCredentialsGrant, TokenEndpointMixin
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from server import clock
from server.flows import held as tokens
from server.flows import redeeming, signing
from server.flows.access import Grant
from server.flows.held import Held
from server.flows.redeeming import Given
from server.flows.sites import House
from server.web.oauth_clients import ASSERTION, EVERY, SECRET, FormRequest, OAuthClient

_SECOND = 1_000_000
STYLE = "/fhir/.well-known/smart-styles.json"


class BackendGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """Backend services: a client acts for itself (SMART App Launch 2.2, backend-services)."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = [ASSERTION]


class _UserGrant(BaseGrant, TokenEndpointMixin, ABC):  # type: ignore[misc]
    """What the two grants of users have in common: the client first, then one flow does it all.

    Authlib's own classes check and then act, in steps that two requests can take at once.
    """

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = EVERY
    NEEDED = ""

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        if not self.client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError(description="this client may not use this grant")
        if not self.request.form.get(self.NEEDED):
            raise InvalidRequestError(description=f"the form needs {self.NEEDED}")

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        house = self.server.house
        return 200, answer(house, self.redeem(house)), self.TOKEN_RESPONSE_HEADER

    @abstractmethod
    def redeem(self, house: House) -> Given:
        """Spend what the form brings, and give the tokens for it."""


class CodeGrant(_UserGrant):
    """An app's user has allowed it (RFC 6749 4.1.3, RFC 7636 4.5)."""

    GRANT_TYPE = "authorization_code"
    NEEDED = "code"

    def redeem(self, house: House) -> Given:
        client, form = self.client.client, self.request.form
        return redeeming.code(house, client, form, address=self.server.address, now=clock.now())


class RefreshGrant(_UserGrant):
    """A new access token, and a new refresh token in place of the one that is used (RFC 6749 6)."""

    GRANT_TYPE = "refresh_token"
    NEEDED = "refresh_token"

    def authenticate_token_endpoint_client(self) -> Any:
        """The client. A public one need not name itself, and stock apps do not (RFC 6749 6)."""
        form = self.request.form
        named = {"client_id", "client_assertion"} & form.keys()
        if not named and "Authorization" not in self.request.headers:
            found = redeeming.holder(self.server.house, form.get(self.NEEDED, ""))
            if found is not None:
                return OAuthClient(found)
        return super().authenticate_token_endpoint_client()

    def redeem(self, house: House) -> Given:
        client, form = self.client.client, self.request.form
        return redeeming.refresh(
            house,
            client,
            form["refresh_token"],
            form.get("scope", ""),
            address=self.server.address,
            now=clock.now(),
        )


def answer(house: House, given: Given) -> dict[str, Any]:
    """The token answer with its launch context (SMART App Launch 2.2, scopes-and-launch-context)."""
    body: dict[str, Any] = {
        "access_token": given.access,
        "token_type": "Bearer",
        "expires_in": redeeming.LIFETIME,
        "scope": given.scope,
    }
    if given.refresh:
        body["refresh_token"] = given.refresh
    if "openid" in given.scope.split():
        body["id_token"] = signing.id_token(house, given, now=clock.now())
    return (
        body
        | context(given.approval.patient, given.approval.encounter, given.approval.context)
        | {
            "need_patient_banner": not given.approval.ehr_banner,
            "smart_style_url": house.config.base + STYLE,
        }
    )


def context(patient: str, encounter: str, more: str) -> dict[str, Any]:
    """What is in context, as token answers and introspection name it."""
    found: dict[str, Any] = {"patient": patient} if patient else {}
    if encounter:
        found["encounter"] = encounter
    references = json.loads(more or "[]")
    return found | ({"fhirContext": references} if references else {})


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

    CLIENT_AUTH_METHODS: ClassVar = [ASSERTION, *SECRET]
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
        held = tokens.find(self.server.house, token_string, now=clock.now())
        return HeldToken(held) if held is not None else None


class Introspection(_TokenQuestion, IntrospectionEndpoint):  # type: ignore[misc]
    """What a token allows (RFC 7662; SMART App Launch 2.2, token-introspection)."""

    def check_permission(self, token: HeldToken, client: Caller, request: FormRequest) -> bool:
        same = token.held.organisation == client.organisation
        return same and (client.wide or token.held.client == client.client)

    def introspect_token(self, token: HeldToken) -> dict[str, Any]:
        held, house = token.held, self.server.house
        body = {
            "active": True,
            "token_type": "Bearer",
            "client_id": held.client,
            "scope": held.scope,
            "iat": held.issued // _SECOND,
            "exp": held.expires // _SECOND,
            "iss": house.config.base,
        }
        if held.account:
            body["sub"] = held.account
        if held.person:
            body["fhirUser"] = f"{house.config.fhir_base}/{held.person}"
        return body | context(held.patient, held.encounter, held.context)


class Revocation(_TokenQuestion, RevocationEndpoint):  # type: ignore[misc]
    """Ends a token at once (RFC 7009). A public client names itself, and has the token."""

    CLIENT_AUTH_METHODS: ClassVar = EVERY

    def query_token(self, token_string: str, token_type_hint: str | None) -> HeldToken | None:
        """A token, or a launch: an EHR ends with it the view that came of it."""
        found = super().query_token(token_string, token_type_hint)
        launched = None if found else tokens.launched(self.server.house, token_string)
        return HeldToken(launched) if launched is not None else found

    def revoke_token(self, token: HeldToken, request: FormRequest) -> None:
        tokens.revoke(self.server.house, token.held, address=self.server.address, now=clock.now())
