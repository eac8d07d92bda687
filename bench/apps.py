"""What apps of a patient bring to the token door: codes and refresh tokens, made by the flows behind
the pages on which a user logs in and allows an app.
"""

import base64
import hashlib
from pathlib import Path

from server import clock
from server import config as settings
from server.flows import accounts, asking, clients, deciding, redeeming, sessions
from server.flows.accounts import Wanted
from server.flows.clients import Client
from server.flows.sessions import Session
from server.flows.sites import House, open_house

SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"
_REDIRECT = "http://127.0.0.1/back"
_VERIFIER = "bench-" * 10
_HERE = "127.0.0.1"

Form = dict[str, str]


def codes(data: Path, patient: str, count: int) -> list[Form]:
    """Forms that each redeem a code (RFC 6749 4.1.3)."""
    with_app = _App(data, patient)
    try:
        return [with_app.code() for _ in range(count)]
    finally:
        with_app.house.close()


def refreshes(data: Path, patient: str, count: int) -> list[Form]:
    """Forms that each redeem a refresh token (RFC 6749 6)."""
    with_app = _App(data, patient)
    try:
        return [with_app.refresh() for _ in range(count)]
    finally:
        with_app.house.close()


class _App:
    """A registered app and a patient who allows it whatever it asks."""

    def __init__(self, data: Path, patient: str) -> None:
        self.house = open_house(settings.load({"TRIPTYCH_DATA": str(data)}), "bench")
        self._client = _registered(self.house)
        self._session = _session(self.house, patient)

    def code(self) -> Form:
        hashed = base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": _REDIRECT,
            "scope": SCOPE,
            "aud": self.house.config.fhir_base,
            "code_challenge": hashed.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        now, house, session = clock.now(), self.house, self._session
        name = asking.begin(house, asked, now=now)
        pending = asking.admit(house, asking.find(house, name, now=now), session, now=now)
        chosen = pending.offer(session.account).text.split()
        return {
            "grant_type": "authorization_code",
            "client_id": self._client.id,
            "redirect_uri": _REDIRECT,
            "code_verifier": _VERIFIER,
            "code": deciding.allow(house, pending, session, chosen, address=_HERE, now=now),
        }

    def refresh(self) -> Form:
        given = redeeming.code(
            self.house, self._client, self.code(), address=_HERE, now=clock.now()
        )
        return {
            "grant_type": "refresh_token",
            "client_id": self._client.id,
            "refresh_token": given.refresh,
        }


def _registered(house: House) -> Client:
    wanted = Client("", 0, "bench", "public", SCOPE, redirect_uris=(_REDIRECT,))
    return clients.add(house, wanted, "home", now=clock.now())[0]


def _session(house: House, patient: str) -> Session:
    """Somebody who has logged in."""
    now = clock.now()
    wanted = Wanted(f"bench {now}", "patient", patients=[patient])
    account, _ = accounts.add(house, wanted, now=now)
    secret = sessions.begin(house, account, address=_HERE, now=now)
    found = sessions.find(house, secret, now=now)
    if found is None:
        raise RuntimeError("the session ended before it began")
    return found
