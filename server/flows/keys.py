"""The public keys of clients: pasted sets, sets behind an address, and which key signed.

A set behind an address is kept as long as its Cache-Control allows (RFC 9111), and fetched anew
when it lacks the key that is asked for, for that reason at most once a minute.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from server.errors import Busy, Invalid, Unauthenticated
from server.flows.addresses import Received, Unreachable

log = logging.getLogger(__name__)

Jwk = dict[str, Any]
Fetch = Callable[[str, bool], Received]

# SMART App Launch 2.2, client-confidential-asymmetric: servers support RS384 and ES384.
KEY_TYPES = {"RS384": "RSA", "ES384": "EC"}
_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_UNSTATED, _LONGEST = 300 * _SECOND, 86_400 * _SECOND
_WAITING = 3
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def parse(text: str | bytes) -> list[Jwk]:
    """The keys of a JWK Set (RFC 7517 5) that can verify an assertion; private keys are left out.

    Raises Invalid when the text is no JWK Set, or when none of its keys can be used.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as bad:
        raise Invalid("the key set is not JSON") from bad
    found = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise Invalid('the key set is not a JWK Set: {"keys": [...]} is expected')
    keys = [key for key in found if isinstance(key, dict) and _usable(key)]
    if not keys:
        raise Invalid("the set has no public RSA (2048 bits or more) or P-384 key with a kid")
    return keys


def holds_private(text: str | bytes) -> bool:
    """Whether a JWK Set that can be parsed gives away a private or symmetric key."""
    return any({"d", "k"} & key.keys() for key in json.loads(text)["keys"])


def _usable(key: Jwk) -> bool:
    """A public key of a kind that SMART uses, with a kid, and meant for signatures."""
    if {"d", "k"} & key.keys() or not isinstance(key.get("kid"), str) or not key["kid"]:
        return False
    if key.get("use", "sig") != "sig" or "verify" not in key.get("key_ops", ["verify"]):
        return False
    if key.get("kty") == "RSA":
        return 2048 <= _bits(key.get("n")) <= 8192 and _bits(key.get("e")) <= 32
    return key.get("kty") == "EC" and key.get("crv") == "P-384" and _bits(key.get("x")) > 0


def _bits(text: Any) -> int:
    """The length of a base64url number, to the byte; 0 when it is none."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        return 0
    return len(text) * 6 // 8 * 8


def choose(keys: list[Jwk], kid: str, algorithm: str) -> Jwk | None:
    """The one key with this kid that fits the algorithm. Raises Unauthenticated for several."""
    fitting = [
        key
        for key in keys
        if key["kid"] == kid
        and key["kty"] == KEY_TYPES[algorithm]
        and key.get("alg", algorithm) == algorithm
    ]
    if len(fitting) > 1:
        raise Unauthenticated("several of the client's keys have this kid")
    return fitting[0] if fitting else None


@dataclass(slots=True)
class _Set:
    """What is known of the set behind one address."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: list[Jwk] = field(default_factory=list)
    until: int = 0
    refetched: int = 0

    def find(self, kid: str, algorithm: str, now: int) -> Jwk | None:
        return choose(self.keys, kid, algorithm) if now < self.until else None


def _fetch(url: str, public: bool) -> Received:
    from server.flows import outbound  # brings requests, which most processes never need

    limits = outbound.Limits(public=public)
    return outbound.fetch(url, accept="application/json", limits=limits)


class ClientKeys:
    """The key sets of one process. Safe for threads; few of them wait for others' servers."""

    def __init__(self, fetch: Fetch = _fetch) -> None:
        self._fetch = fetch
        self._sets: dict[tuple[str, bool], _Set] = {}
        self._mutex = threading.Lock()
        self._waiting = threading.BoundedSemaphore(_WAITING)

    def behind(
        self, url: str, kid: str, algorithm: str, *, now: int, public: bool = False
    ) -> Jwk | None:
        """The key of the set at an address, None when the set lacks it.

        `public`: the address came with an app that registered itself.
        Raises Unauthenticated when the set cannot be had, Busy when too many wait for theirs.
        """
        with self._mutex:
            known = self._sets.setdefault((url, public), _Set())
        found = known.find(kid, algorithm, now)
        if found is not None:
            return found
        with self._turn(known):
            found = known.find(kid, algorithm, now)
            if found is not None or not _may_refetch(known, now):
                return found
            self._load(known, url, now, public)
            return choose(known.keys, kid, algorithm)

    @contextmanager
    def _turn(self, known: _Set) -> Iterator[None]:
        """One thread fetches a set; a slow server of one client must not hold all of ours."""
        if not self._waiting.acquire(blocking=False):
            raise Busy("other clients' key sets are being fetched", retry=2)
        try:
            with known.lock:
                yield
        finally:
            self._waiting.release()

    def _load(self, known: _Set, url: str, now: int, public: bool) -> None:
        try:
            received = self._fetch(url, public)
            known.keys = parse(received.body)
        except (Unreachable, Invalid) as error:
            log.warning("the key set at %s cannot be had: %s", urlsplit(url).hostname, error)
            raise Unauthenticated("the client's key set cannot be had: see the log") from error
        known.until = now + _lifetime(received.headers.get("cache-control", ""))


def _may_refetch(known: _Set, now: int) -> bool:
    """A set that is still good is fetched for a kid that it lacks once a minute."""
    if now >= known.until:
        return True
    if now < known.refetched + _MINUTE:
        return False
    known.refetched = now
    return True


def _lifetime(cache_control: str) -> int:
    """How long an answer may be kept, in microseconds (RFC 9111 5.2.2)."""
    words = [word.strip().lower() for word in cache_control.split(",")]
    if "no-store" in words or "no-cache" in words:
        return 0
    ages = [word[8:].strip('"') for word in words if word.startswith("max-age=")]
    if not ages:
        return _UNSTATED
    return min(int(ages[0]) * _SECOND, _LONGEST) if ages[0].isdecimal() else 0
