"""Time-based one-time passwords as RFC 6238 has them: SHA-1, 30 seconds, six digits.

Pure: secret, time and last accepted step in, step out.
"""

import base64
import hashlib
import hmac
import secrets
import struct
import unicodedata
from urllib.parse import quote, urlencode

STEP = 30 * 1_000_000
SECRET_BYTES = 20
RECOVERY_CODES = 10
_DIGITS = 6
# A phone's clock may be one step early or late (RFC 6238 5.2).
_DRIFT = 1
# Letters and digits that are not taken for each other.
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_GROUP = 4


def code(secret: bytes, step: int) -> str:
    """The code of a step (RFC 4226 5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 10**_DIGITS:0{_DIGITS}d}"


def fitting(secret: bytes, said: str, *, last: int, now: int) -> int:
    """The step whose code this is, later than the last accepted one; 0 when it is none's."""
    here = now // STEP
    found = 0
    for step in range(max(0, here - _DRIFT), here + _DRIFT + 1):
        fits = hmac.compare_digest(code(secret, step).encode(), said.encode())
        found = step if fits and step > last else found
    return found


def spelled(secret: bytes) -> str:
    """A secret as apps take it when it is typed: base32 (RFC 4648 6)."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, name: str, issuer: str) -> str:
    """The address that an app of codes reads from a picture."""
    words = {"secret": spelled(secret), "issuer": issuer, "algorithm": "SHA1", "digits": _DIGITS}
    label = quote(f"{issuer}:{name}", safe="")
    return f"otpauth://totp/{label}?{urlencode(words | {'period': 30}, quote_via=quote)}"


def draw_recovery() -> str:
    """A recovery code: sixteen letters and digits in groups, 79 bits."""
    drawn = "".join(secrets.choice(_LETTERS) for _ in range(4 * _GROUP))
    return "-".join(drawn[at : at + _GROUP] for at in range(0, len(drawn), _GROUP))


def plain(said: str) -> str:
    """What was typed, without spaces, strokes and case; digits of any script are digits."""
    known = (str(unicodedata.digit(char, char)) for char in said[:64].lower())
    return "".join(char for char in known if char.isalnum())
