"""How Authlib sees clients and their requests, and how a client proves who it is."""

import time
from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from server import clock
from server.flows import clients, grants
from server.flows.clients import Client
from server.flows.keys import KEY_TYPES
from server.flows.sites import House

ASSERTION = "private_key_jwt"
SECRET = ("client_secret_basic", "client_secret_post")
EVERY = [ASSERTION, *SECRET, "none"]
LIFETIME = 300
SKEW = 60
_SECOND = 1_000_000


class FormRequest(OAuth2Request):  # type: ignore[misc]
    """A request by its form alone: what stands in the address does not count."""

    def __init__(self, uri: str, form: dict[str, str], headers: Any) -> None:
        super().__init__("POST", uri, headers=headers)
        self.payload = BasicOAuth2Payload(form)
        self._form = form

    @property
    def form(self) -> dict[str, str]:
        return self._form


class OAuthClient(ClientMixin):  # type: ignore[misc]
    """A registered client as Authlib sees it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get_client_id(self) -> str:
        return self.client.id

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """The one way of each client: its keys, its secret, or, for a public one, its name."""
        if self.client.has_keys:
            return method == ASSERTION
        if self.client.kind == "public":
            return method == "none"
        return method in SECRET

    def check_client_secret(self, client_secret: str) -> bool:
        return clients.has_secret(self.client, client_secret, now=clock.now())

    def check_grant_type(self, grant_type: str) -> bool:
        backend = self.client.kind == "backend"
        return backend == (grant_type == "client_credentials")

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The part of the asked scopes that the client may have; None for nothing."""
        return grants.allowed(scope or "", self.client.scope) or None


class Registry(jws.JWSRegistry):
    """RS384 and ES384 alone. Header fields that we do not know are ignored (RFC 7515 4)."""

    max_header_length = 8192

    def __init__(self) -> None:
        super().__init__(algorithms=[*KEY_TYPES], strict_check_header=False)


class ClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]
    """A client proves itself with a signed JWT (SMART App Launch 2.2, asymmetric clients)."""

    CLIENT_AUTH_METHOD = ASSERTION

    def __init__(self, house: House, audience: str) -> None:
        super().__init__(leeway=SKEW)
        self._house = house
        self._audience = audience

    def __call__(self, query_client: Callable[[str], Any], request: FormRequest) -> Any:
        try:
            client = super().__call__(query_client, request)
        except RecursionError as bad:  # JSON nested thousands deep
            raise InvalidClientError(description="Invalid JWT assertion.") from bad
        named = request.payload.client_id
        if client is not None and named not in (None, client.get_client_id()):
            raise InvalidClientError(description="client_id is not the assertion's issuer")
        return client

    def get_audiences(self) -> list[str]:
        return [self._audience]

    def resolve_client_public_key(self, client: OAuthClient) -> OAuthClient:
        """The client: which of its keys is meant, the header says; see below."""
        return client

    def process_assertion_claims(self, assertion: str, client: OAuthClient) -> dict[str, Any]:
        registry = Registry()
        try:
            header = jws.extract_compact(assertion.encode(), registry=registry).headers()
            key = jwk.import_key(self._key(client.client, header))
            claims = jwt.decode(assertion, key, registry=registry).claims
        except JoseError as error:
            raise InvalidClientError(description="the assertion's signature is not good") from error
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidClientError(description="the client's key cannot be used") from error
        self.verify_claims(claims)
        return claims

    def _key(self, client: Client, header: dict[str, Any]) -> dict[str, Any]:
        """The registered key that the header names by kid and algorithm."""
        if str(header.get("typ", "")).upper() != "JWT":
            raise InvalidClientError(description="the header needs typ JWT")
        if header.get("alg") not in KEY_TYPES:
            raise InvalidClientError(description="the header needs alg RS384 or ES384")
        if not isinstance(header.get("kid"), str):
            raise InvalidClientError(description="the header needs a kid")
        if header.get("jku", client.jwks_uri) != client.jwks_uri:
            raise InvalidClientError(description="jku is not the registered address")
        key = clients.key(self._house, client, header["kid"], header["alg"], now=clock.now())
        if key is None:
            raise InvalidClientError(description="the client has no such key")
        return key

    def verify_claims(self, claims: dict[str, Any]) -> None:
        """Stock checks of iss, sub, exp and jti, and: one audience, at most five minutes ahead."""
        if claims.get("aud") not in (self._audience, [self._audience]):
            raise InvalidClientError(description="aud is not this token endpoint alone")
        exp = claims.get("exp")
        if isinstance(exp, int | float) and exp > time.time() + LIFETIME + SKEW:
            raise InvalidClientError(description="exp is more than five minutes ahead")
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            raise InvalidClientError(description="the assertion needs a jti")
        super().verify_claims(claims)

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        """Whether the assertion is used for the first time."""
        until = int((claims["exp"] + SKEW + 1) * _SECOND)
        return grants.use_assertion(self._house, claims["sub"], jti, expires=until)
