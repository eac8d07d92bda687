"""A backend client as its own program would be: a key pair, signed assertions, token requests."""

import hmac
import json
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA384
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.support import logs
from tests.support.server import Server

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EC = ECKey.generate_key("P-384", {"kid": "ec-1"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})


def jwks(*keys: Any) -> str:
    """The public parts of keys as a JWK Set."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys or (EC, RSA)]})


@dataclass(slots=True)
class Backend:
    """A registered client."""

    server: Server
    id: str

    def claims(self, **other: Any) -> dict[str, Any]:
        """Claims that are good, but for those given; None leaves one out."""
        good = {
            "iss": self.id,
            "sub": self.id,
            "aud": self.server.base + "/oauth/token",
            "exp": int(time.time()) + 300,
            "jti": uuid.uuid4().hex,
        }
        return {name: value for name, value in (good | other).items() if value is not None}

    def assertion(self, key: Any = EC, header: dict[str, Any] | None = None, **other: Any) -> str:
        """A signed assertion; header fields replace the good ones, None leaves one out."""
        algorithm = "ES384" if isinstance(key, ECKey) else "RS384"
        fields = {"alg": algorithm, "kid": key.kid, "typ": "JWT"} | (header or {})
        fields = {name: value for name, value in fields.items() if value is not None}
        return sign(fields, self.claims(**other), key)

    def proof(self) -> dict[str, str]:
        """The fields by which a form proves who sends it."""
        return {"client_assertion_type": BEARER, "client_assertion": self.assertion()}

    def form(self, **other: Any) -> dict[str, Any]:
        """A token request that is good, but for the fields given; None leaves one out."""
        good = {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": BEARER,
            "client_assertion": other.pop("client_assertion", None) or self.assertion(),
        }
        return {name: value for name, value in (good | other).items() if value is not None}

    def ask(self, path: str = "/oauth/token", **other: Any) -> requests.Response:
        """Send a token request."""
        return post(self.server, path, self.form(**other))

    def token(self, **other: Any) -> str:
        """An access token."""
        answer = self.ask(**other)
        assert answer.status_code == 200, answer.text
        return logs.keep_out(answer.json()["access_token"])


def sign(header: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    """A JWT with exactly this header, which need not be a good one."""
    payload = json.dumps(claims).encode()
    if header["alg"] == "none":
        parts = [json.dumps(header).encode(), payload, b""]
        return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    return jws.serialize_compact(header, payload, key, algorithms=[header["alg"]])


def _unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def keyed(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """A JWT with an HMAC (HS384) of what everybody may know: a public key taken for a secret."""
    text = _unsigned(header, claims)
    return f"{text}.{_base64url(hmac.digest(secret, text.encode(), 'sha384'))}"


def signed_by_hand(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A JWT with RSA's good signature (RS384) under a header that no library writes."""
    assert RSA.private_key is not None
    text = _unsigned(header, claims)
    return f"{text}.{_base64url(RSA.private_key.sign(text.encode(), PKCS1v15(), SHA384()))}"


def post(server: Server, path: str, form: dict[str, Any], token: str = "") -> requests.Response:
    """POST a form, with a bearer token if one is given."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(server.base + path, data=form, headers=headers, timeout=60)


def register(server: Server, *words: str, keys: str = "", reach: str = "all") -> Backend:
    """Register a backend client as an operator would, with pasted keys unless words say other."""
    given = list(words)
    if "--jwks-uri" not in given:
        file = Path(server.data) / f"{uuid.uuid4().hex}.json"
        file.write_text(keys or jwks())
        given += ["--jwks", str(file)]
    if "--scope" not in given:
        given += ["--scope", "system/*.rs"]
    made = server.run("client", "add", "research", "--type", "backend", "--reach", reach, *given)
    return Backend(server, made["client_id"])
