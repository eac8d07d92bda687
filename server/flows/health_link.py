"""A SMART Health Link as it is handed over (HL7 SMART Health Cards and Links STU 1, SHL payload).

It is a second handle of a Magic Link: with a secret and a passcode of its own, of which digests are
kept. The key that its files are encrypted with is made of that secret and the key of the
installation, and kept nowhere.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from server.errors import Conflict
from server.flows import factors, sites
from server.flows.grants import digest, draw
from server.flows.sites import House
from server.store.install import value

PATH = "/shl"
_LONGEST_URL = 128
# Its content changes as reports do, and it asks for a passcode.
_FLAG = "LP"


@dataclass(frozen=True, slots=True)
class Second:
    """A second handle: what is handed over, what is told another way, and what is kept of both."""

    uri: str
    passcode: str
    manifest_hash: str
    passcode_hash: str


def make(house: House, expires: int) -> Second:
    """Draw a second handle for a link that lives to a time. Raises Conflict."""
    secret, passcode = draw(), factors.draw_pin()
    url = f"{sites.address(house)}{PATH}/{secret}"
    if len(url) > _LONGEST_URL:
        raise Conflict("the address of this server is too long for a SMART Health Link")
    key = base64.urlsafe_b64encode(key_of(house, secret)).decode().rstrip("=")
    payload = {"url": url, "key": key, "exp": expires // 1_000_000, "flag": _FLAG, "v": 1}
    text = json.dumps(payload, separators=(",", ":")).encode()
    uri = "shlink:/" + base64.urlsafe_b64encode(text).decode().rstrip("=")
    return Second(uri, passcode, digest(secret), house.passwords.digest(passcode))


def key_of(house: House, secret: str) -> bytes:
    """The key of a link's files: who has one of the two it is made of has nothing."""
    with house.database.read() as connection:
        ours = bytes.fromhex(value(connection, "key") or "")
    return hmac.digest(ours, f"health link|{secret}".encode(), hashlib.sha256)
