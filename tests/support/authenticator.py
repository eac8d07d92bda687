"""An app of one-time codes, written from RFC 4226 and RFC 6238 alone: nothing of the server's is used."""

import base64
import hashlib
import hmac
import html
import re
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

import requests


@dataclass(slots=True)
class Authenticator:
    """A phone that holds one secret. `spent` is the last step whose code was given."""

    secret: bytes
    label: str = ""
    spent: int = 0

    def code(self, step: int | None = None) -> str:
        """The code of a step of 30 seconds, of now if none is given."""
        number = int(time.time()) // 30 if step is None else step
        mac = hmac.new(self.secret, number.to_bytes(8, "big"), hashlib.sha1).digest()
        start = mac[19] & 0xF
        bits = int.from_bytes(mac[start : start + 4], "big") & (2**31 - 1)
        return str(bits)[-6:].zfill(6)

    def fresh(self) -> str:
        """A code that was not given before: that of now, or else the next one, which is in time."""
        here = int(time.time()) // 30
        self.spent = max(here, self.spent + 1)
        return self.code(self.spent)


def scan(page: str) -> Authenticator:
    """Set a phone up with what a page offers."""
    found = re.search(r'href="(otpauth://[^"]+)"', page)
    assert found is not None, page
    parts = urlsplit(html.unescape(found[1]))
    words = parse_qs(parts.query)
    assert (words["algorithm"], words["digits"], words["period"]) == (["SHA1"], ["6"], ["30"])
    text = words["secret"][0]
    secret = base64.b32decode(text + "=" * (-len(text) % 8))
    return Authenticator(secret, unquote(parts.path))


def recovery(page: requests.Response) -> list[str]:
    """The recovery codes that a page shows."""
    return re.findall(r'<li class="secret">([^<]+)</li>', page.text)
