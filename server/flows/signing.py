"""The keys that sign id_tokens: made once, replaced on request, published as a JWK Set (RFC 7517).

A key that was replaced stays in the set for a day, so that a token it signed can still be checked.
"""

import json
from functools import lru_cache
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import Connection

from server.flows import parties
from server.flows.redeeming import Given
from server.flows.sites import HOME, House
from server.store.install import keep, value

ALGORITHM = "RS256"
LIFETIME = 3600
_NAME = "id-token-keys"
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND

Jwk = dict[str, Any]


def prepare(house: House, *, now: int) -> None:
    """Make the first key, if there is none."""
    with house.database.read() as connection:
        if value(connection, _NAME):
            return
    fresh = _fresh(now)
    with house.database.write() as connection:
        if not value(connection, _NAME):
            keep(connection, _NAME, json.dumps([fresh]))


def rotate(house: House, *, now: int) -> str:
    """Sign with a new key from now on; gives its kid."""
    fresh = _fresh(now)
    with house.database.write() as connection:
        kept = [
            one if one["until"] else one | {"until": now + _DAY}
            for one in _keys(connection)
            if not one["until"] or one["until"] > now
        ]
        keep(connection, _NAME, json.dumps([*kept, fresh]))
        parties.record(house, connection, HOME, f"keys rotate: {fresh['jwk']['kid']}")
    return str(fresh["jwk"]["kid"])


def _fresh(now: int) -> Jwk:
    key = RSAKey.generate_key(2048, auto_kid=True)
    jwk = {**key.as_dict(private=True), "use": "sig", "alg": ALGORITHM}
    return {"jwk": jwk, "made": now, "until": 0}


def _keys(connection: Connection) -> list[Jwk]:
    return list(json.loads(value(connection, _NAME) or "[]"))


def published(house: House, *, now: int) -> dict[str, Any]:
    """The JWK Set for whoever checks an id_token: public parts alone."""
    with house.database.read() as connection:
        found = [one for one in _keys(connection) if not one["until"] or one["until"] > now]
    shown = ("kty", "kid", "use", "alg", "n", "e")
    return {"keys": [{name: one["jwk"][name] for name in shown} for one in found]}


def id_token(house: House, given: Given, *, now: int) -> str:
    """Who the user is, for the app alone (OpenID Connect Core 2; SMART fhirUser)."""
    with house.database.read() as connection:
        jwk = next(one["jwk"] for one in _keys(connection) if not one["until"])
    allowed = given.approval
    claims: dict[str, Any] = {
        "iss": house.config.base,
        "sub": given.account.id,
        "aud": allowed.client,
        "iat": now // _SECOND,
        "exp": now // _SECOND + LIFETIME,
        "auth_time": allowed.authenticated // _SECOND,
    }
    if allowed.nonce:
        claims["nonce"] = allowed.nonce
    if "fhirUser" in given.scope.split():
        claims["fhirUser"] = f"{house.config.fhir_base}/{given.person}"
    header = {"alg": ALGORITHM, "kid": jwk["kid"], "typ": "JWT"}
    return jwt.encode(header, claims, _private(json.dumps(jwk)), algorithms=[ALGORITHM])


@lru_cache(maxsize=4)
def _private(jwk: str) -> RSAKey:
    """A key, ready to sign: to check its primes takes fifty times as long as to sign with it."""
    return RSAKey.import_key(json.loads(jwk))
