"""An app's own side of a login, for tests that look at the pages or drive a library."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

from tests.support import logs
from tests.support.practice import Practice


@dataclass(slots=True)
class Login:
    """One authorization request of a public app, and the exchange of what comes back."""

    practice: Practice
    client: str
    redirect: str
    scope: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def words(self) -> dict[str, str]:
        """What the app asks for."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": self.redirect,
            "scope": self.scope,
            "state": self.state,
            "aud": self.practice.fhir,
            "code_challenge": urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }

    def url(self, **other: str) -> str:
        """The address to open in a browser; fields replace the good ones."""
        return f"{self.practice.server.base}/oauth/authorize?{urlencode(self.words() | other)}"

    def redeem(self, answer: dict[str, str]) -> dict[str, Any]:
        """The token answer for what the browser brought back."""
        assert answer["state"] == self.state
        return self.ask(
            grant_type="authorization_code",
            code=answer["code"],
            redirect_uri=self.redirect,
            code_verifier=self.verifier,
        )

    def ask(self, **form: str) -> dict[str, Any]:
        """A good token request."""
        url = f"{self.practice.server.base}/oauth/token"
        answer = requests.post(url, data=form | {"client_id": self.client}, timeout=60)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        for name in ("access_token", "refresh_token"):
            if name in body:
                logs.keep_out(body[name])
        return body
