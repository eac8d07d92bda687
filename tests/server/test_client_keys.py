"""Which key a client signs with: pasted sets, sets behind an address, and how long they are kept."""

import json
import threading
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from server.errors import Busy, Invalid, Unauthenticated
from server.flows import keys
from server.flows.addresses import Received, Unreachable
from server.flows.keys import ClientKeys

URL = "https://client.example/jwks"
NOW = 1_764_000_000_000_000
SECOND = 1_000_000
EC: dict[str, Any] = ECKey.generate_key("P-384", {"kid": "ec"}).as_dict(private=False)
RSA: dict[str, Any] = RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=False)


def jwks(*found: dict[str, Any]) -> str:
    return json.dumps({"keys": found})


class Remote:
    """A client's key server, as far as the cache sees it."""

    def __init__(self, body: str, cache: str = "") -> None:
        self.body = body
        self.cache = cache
        self.calls = 0
        self.down = False

    def __call__(self, url: str, public: bool) -> Received:
        assert url == URL
        self.calls += 1
        if self.down:
            raise Unreachable("down")
        return Received({"cache-control": self.cache}, self.body.encode())


def test_public_keys_of_both_kinds_are_taken() -> None:
    found = keys.parse(jwks(EC, RSA))
    assert keys.choose(found, "ec", "ES384") == EC
    assert keys.choose(found, "rsa", "RS384") == RSA
    assert keys.choose(found, "other", "RS384") is None


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "[]", "{}", '{"keys": {}}', '{"keys": []}', '{"keys": [1, {}]}', "[" * 100_000],
)
def test_a8_what_is_no_key_set_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"key set|kid"):
        keys.parse(text)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param({k: v for k, v in EC.items() if k != "kid"}, id="no kid"),
        pytest.param(EC | {"kid": ""}, id="empty kid"),
        pytest.param({k: v for k, v in EC.items() if k != "kty"}, id="no kty"),
        pytest.param(EC | {"d": "AAAA"}, id="private"),
        pytest.param(OctKey.generate_key(256, {"kid": "s"}).as_dict(), id="symmetric"),
        pytest.param(EC | {"use": "enc"}, id="for encryption"),
        pytest.param(EC | {"key_ops": ["sign"]}, id="for signing"),
        pytest.param(ECKey.generate_key("P-256", {"kid": "p"}).as_dict(private=False), id="P-256"),
        pytest.param(RSA | {"n": RSA["n"][:100]}, id="short RSA"),
        pytest.param(RSA | {"n": "A" * 2000}, id="huge RSA"),
        pytest.param(RSA | {"e": "A" * 100}, id="huge exponent"),
        pytest.param(RSA | {"n": "///"}, id="not base64url"),
        pytest.param(RSA | {"n": 7}, id="not text"),
    ],
)
def test_a8_a_key_that_must_not_verify_anything_is_left_out(key: dict[str, Any]) -> None:
    assert keys.parse(jwks(key, RSA | {"kid": "good"})) == [RSA | {"kid": "good"}]
    with pytest.raises(Invalid):
        keys.parse(jwks(key))


def test_a8_two_keys_with_one_kid_are_refused_unless_their_kind_tells_them_apart() -> None:
    both = keys.parse(jwks(EC | {"kid": "k"}, RSA | {"kid": "k"}))
    assert keys.choose(both, "k", "ES384") == EC | {"kid": "k"}
    with pytest.raises(Unauthenticated, match="several"):
        keys.choose(keys.parse(jwks(EC, EC)), "ec", "ES384")


@pytest.mark.parametrize(
    ("cache", "kept"),
    [("max-age=60", 60), ("public, Max-Age=120", 120), ("", 300), ("max-age=99999999", 86400)],
)
def test_a8_a_fetched_set_is_kept_as_long_as_its_cache_control_says(cache: str, kept: int) -> None:
    remote = Remote(jwks(EC), cache)
    found = ClientKeys(remote)
    for seconds in (0, kept - 1):
        assert found.behind(URL, "ec", "ES384", now=NOW + seconds * SECOND) == EC
    assert remote.calls == 1
    assert found.behind(URL, "ec", "ES384", now=NOW + kept * SECOND) == EC
    assert remote.calls == 2


@pytest.mark.parametrize("cache", ["no-store", "no-cache", "max-age=0", "max-age=soon"])
def test_a_set_that_may_not_be_kept_is_fetched_each_time(cache: str) -> None:
    remote = Remote(jwks(EC), cache)
    found = ClientKeys(remote)
    for _ in range(3):
        assert found.behind(URL, "ec", "ES384", now=NOW) == EC
    assert remote.calls == 3


def test_an_unknown_kid_fetches_the_set_anew_once_a_minute() -> None:
    remote = Remote(jwks(EC), "max-age=3600")
    found = ClientKeys(remote)
    assert found.behind(URL, "ec", "ES384", now=NOW) == EC
    remote.body = jwks(EC, RSA)
    assert found.behind(URL, "rsa", "RS384", now=NOW + SECOND) == RSA
    for second in range(2, 61):
        assert found.behind(URL, "guess", "RS384", now=NOW + second * SECOND) is None
    assert remote.calls == 2
    assert found.behind(URL, "guess", "RS384", now=NOW + 61 * SECOND) is None
    assert remote.calls == 3


def test_a_server_that_is_down_or_talks_nonsense_is_a_clean_refusal_until_it_is_back() -> None:
    remote = Remote(jwks(EC))
    found = ClientKeys(remote)
    remote.down = True
    with pytest.raises(Unauthenticated):
        found.behind(URL, "ec", "ES384", now=NOW)
    remote.down, remote.body = False, "<html>"
    with pytest.raises(Unauthenticated):
        found.behind(URL, "ec", "ES384", now=NOW)
    remote.body = jwks(EC)
    assert found.behind(URL, "ec", "ES384", now=NOW) == EC


def test_few_threads_wait_for_one_slow_server_and_one_of_them_fetches() -> None:
    """The others are told to come back, so that a client's dead server does not hold all of ours."""
    inside, go_on = threading.Event(), threading.Event()
    remote = Remote(jwks(EC))

    def slow(url: str, public: bool) -> Received:
        inside.set()
        go_on.wait()
        return remote(url, public)

    found = ClientKeys(slow)
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(found.behind(URL, "ec", "ES384", now=NOW))
        except Busy as busy:
            answers.append(busy.retry)
            go_on.set()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads[0].start()
    inside.wait()
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=str) == [2, EC, EC, EC]
    assert remote.calls == 1
