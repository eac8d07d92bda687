"""Backend services over HTTP: who gets a token, and every way not to get one."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import select

from server.app import create_app
from server.store.db import Database
from server.store.tables import audit
from tests.support import houses
from tests.support.backend import (
    EC,
    RSA,
    Backend,
    jwks,
    keyed,
    post,
    register,
    sign,
    signed_by_hand,
)
from tests.support.server import Server, running
from tests.support.site import Site, serving

SHORT = {"kty": "RSA", "kid": "ec-1", "n": "A" * 100, "e": "AQAB"}
STRANGER = ECKey.generate_key("P-384", {"kid": "ec-1"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture(scope="module")
def backend(server: Server) -> Backend:
    return register(server)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as started:
        yield started


def refused(answer: requests.Response, error: str, status: int) -> str:
    """The description of a refusal, after looking at all that every refusal has."""
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, error), body
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Pragma"] == "no-cache"
    description: str = body["error_description"]
    assert description.isascii()
    assert description.isprintable()
    return description


@pytest.mark.parametrize("key", [EC, RSA], ids=["ES384", "RS384"])
def test_a9_a_signed_request_gets_a_short_token_without_a_refresh_token(
    backend: Backend, key: Any
) -> None:
    answer = backend.ask(client_assertion=backend.assertion(key))
    body = answer.json()
    assert answer.status_code == 200
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert body["token_type"].lower() == "bearer"
    assert body["expires_in"] == 300
    assert body["scope"] == "system/*.rs"
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Pragma"] == "no-cache"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert backend.server.get("/fhir/Patient", body["access_token"]).status_code == 200


def test_a8_the_clients_assertion_itself_opens_nothing(backend: Backend) -> None:
    assert backend.server.get("/fhir/Patient", backend.assertion()).status_code == 401


HEADERS: dict[str, dict[str, Any]] = {
    "no typ": {"typ": None},
    "another typ": {"typ": "at+jwt"},
    "no kid": {"kid": None},
    "another kid": {"kid": "ec-2"},
    "the kid of another kind of key": {"kid": "rsa-1"},
    "a jku that is not registered": {"jku": "https://client.example/jwks"},
    "a jku of an inner address": {"jku": "http://169.254.169.254/latest"},
    "a path for a kid": {"kid": "../../etc/passwd"},
    "a query for a kid": {"kid": "ec-1' OR '1'='1"},
    "an address for a kid": {"kid": "https://client.example/key"},
}
CLAIMS: dict[str, dict[str, Any]] = {
    "no iss": {"iss": None},
    "another iss": {"iss": "somebody"},
    "no sub": {"sub": None},
    "another sub": {"sub": "somebody"},
    "sub is no text": {"sub": 7},
    "a lone surrogate for a client": {"iss": "\ud800", "sub": "\ud800"},
    "a client that nobody registered": {"iss": "nobody", "sub": "nobody"},
    "no aud": {"aud": None},
    "another server as aud": {"aud": "https://other.example/oauth/token"},
    "our FHIR base as aud": {"aud": "http://127.0.0.1/fhir"},
    "two audiences": {"aud": ["https://other.example/token", "ours"]},
    "no exp": {"exp": None},
    "exp is no number": {"exp": "soon"},
    "exp is no number but true": {"exp": True},
    "exp is not finite": {"exp": float("nan")},
    "expired": {"exp": int(time.time()) - 120},
    "too far ahead": {"exp": int(time.time()) + 3600},
    "not yet valid": {"nbf": int(time.time()) + 3600},
    "issued in the future": {"iat": int(time.time()) + 3600},
    "no jti": {"jti": None},
    "an empty jti": {"jti": ""},
    "jti is no text": {"jti": 7},
}


@pytest.mark.parametrize("fields", HEADERS.values(), ids=HEADERS.keys())
def test_a8_an_assertion_with_a_wrong_header_is_refused(
    backend: Backend, fields: dict[str, Any]
) -> None:
    refused(backend.ask(client_assertion=backend.assertion(header=fields)), "invalid_client", 401)


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS.keys())
def test_a8_an_assertion_with_wrong_claims_is_refused(
    backend: Backend, claims: dict[str, Any]
) -> None:
    refused(backend.ask(client_assertion=backend.assertion(**claims)), "invalid_client", 401)


def test_a8_our_token_address_as_the_only_one_of_a_list_is_an_audience(backend: Backend) -> None:
    audience = [backend.server.base + "/oauth/token"]
    assert backend.ask(client_assertion=backend.assertion(aud=audience)).status_code == 200


def test_a8_five_minutes_ahead_is_good_on_a_clock_that_is_a_little_fast(backend: Backend) -> None:
    ahead = int(time.time()) + 330
    assert backend.ask(client_assertion=backend.assertion(exp=ahead)).status_code == 200


def test_a8_a_signature_made_by_hand_is_as_good_as_a_librarys(backend: Backend) -> None:
    """So that the headers of the next test are refused for what they say."""
    made = signed_by_hand({"alg": "RS384", "kid": "rsa-1", "typ": "JWT"}, backend.claims())
    assert backend.ask(client_assertion=made).status_code == 200


def test_a8_a_signature_by_another_key_or_algorithm_is_refused(backend: Backend) -> None:
    shared = OctKey.import_key(json.dumps(jwks()), {"kid": "ec-1"})
    claims = backend.claims()
    known = {"alg": "RS384", "kid": "rsa-1", "typ": "JWT"}
    own = STRANGER.as_dict(private=False) | {"kid": "ec-1"}
    forged = [
        backend.assertion(STRANGER, header={"kid": "ec-1", "jwk": own}),
        backend.assertion(STRANGER, header={"kid": "ec-1", "x5u": "https://client.example/x"}),
        keyed({"alg": "HS384", "kid": "rsa-1", "typ": "JWT"}, claims, RSA.as_pem(private=False)),
        signed_by_hand({"alg": "RS384", "kid": ["rsa-1"], "typ": "JWT"}, claims),
        signed_by_hand({"alg": "RS384", "kid": {"rsa-1": 1}, "typ": "JWT"}, claims),
        signed_by_hand(known | {"crit": ["b64x"], "b64x": True}, claims),
        signed_by_hand(known | {"crit": ["exp"]}, claims),
        signed_by_hand(known | {"crit": "none"}, claims),
        backend.assertion(STRANGER),
        sign({"alg": "HS256", "kid": "ec-1", "typ": "JWT"}, claims, shared),
        sign({"alg": "RS256", "kid": "rsa-1", "typ": "JWT"}, claims, RSA),
        sign({"alg": "PS384", "kid": "rsa-1", "typ": "JWT"}, claims, RSA),
        sign({"alg": "none", "kid": "ec-1", "typ": "JWT"}, claims, EC),
        backend.assertion()[:-8] + "AAAAAAAA",
        backend.assertion().rpartition(".")[0] + ".",
    ]
    for assertion in forged:
        refused(backend.ask(client_assertion=assertion), "invalid_client", 401)


def test_a8_a_jti_is_any_text(backend: Backend) -> None:
    for jti in ("\ud800", "\x00", "j" * 5000, "\u00e9"):
        assertion = backend.assertion(jti=jti + backend.claims()["jti"])
        assert backend.ask(client_assertion=assertion).status_code == 200


@pytest.mark.parametrize(
    "assertion", ["", "a", "a.b.c", "a.b.c.d.e", "...", "\u00e9.\u00e9.\u00e9", "x" * 70_000]
)
def test_a8_what_is_no_jwt_is_a_clean_refusal(backend: Backend, assertion: str) -> None:
    answer = post(backend.server, "/oauth/token", backend.form() | {"client_assertion": assertion})
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] in ("invalid_client", "invalid_request")


def test_a8_json_nested_thousands_deep_is_a_clean_refusal(backend: Backend) -> None:
    deep = "eyJhbGciOiJFUzM4NCJ9." + "W1tb" * 14_000 + ".AAAA"
    refused(backend.ask(client_assertion=deep), "invalid_client", 401)


def test_a8_an_assertion_is_good_for_one_token(backend: Backend) -> None:
    assertion = backend.assertion()
    assert backend.ask(client_assertion=assertion).status_code == 200
    refused(backend.ask(client_assertion=assertion), "invalid_client", 401)
    again = backend.assertion(jti=backend.claims()["jti"])
    assert backend.ask(client_assertion=again).status_code == 200


def test_a8_an_assertion_is_used_up_even_when_the_request_asks_for_too_much(
    backend: Backend,
) -> None:
    assertion = backend.assertion()
    refused(backend.ask(client_assertion=assertion, scope="user/*.rs"), "invalid_scope", 400)
    refused(backend.ask(client_assertion=assertion), "invalid_client", 401)


def test_a8_of_two_requests_at_once_with_one_assertion_exactly_one_wins(backend: Backend) -> None:
    for _ in range(5):
        form, together = backend.form(), threading.Barrier(2)
        codes: list[int] = []

        def race(
            form: dict[str, Any] = form,
            together: threading.Barrier = together,
            codes: list[int] = codes,
        ) -> None:
            together.wait()
            codes.append(post(backend.server, "/oauth/token", form).status_code)

        threads = [threading.Thread(target=race) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == [200, 401]


def test_a8_one_clients_jti_is_not_anothers(server: Server, backend: Backend) -> None:
    other = register(server)
    for client in (backend, other):
        assertion = client.assertion(jti="the same")
        assert client.ask(client_assertion=assertion).status_code == 200


@pytest.mark.parametrize(
    ("fields", "error", "status"),
    [
        ({"grant_type": None}, "unsupported_grant_type", 400),
        ({"grant_type": "password"}, "unsupported_grant_type", 400),
        ({"grant_type": 'a"\u00e9\\'}, "unsupported_grant_type", 400),
        ({"client_assertion_type": None}, "invalid_client", 401),
        ({"client_assertion_type": "urn:x"}, "invalid_client", 401),
        ({"client_id": "somebody else"}, "invalid_client", 401),
        ({"scope": None}, "invalid_scope", 400),
        ({"scope": "system/Nothing"}, "invalid_scope", 400),
        ({"scope": "patient/*.rs"}, "invalid_scope", 400),
        ({"scope": "system/Patient.d"}, "invalid_scope", 400),
        ({"scope": "openid"}, "invalid_scope", 400),
        ({"scope": ["system/*.rs", "system/*.rs"]}, "invalid_request", 400),
    ],
)
def test_a9_a_request_that_is_not_right_is_refused_in_the_words_of_oauth(
    backend: Backend, fields: dict[str, Any], error: str, status: int
) -> None:
    refused(backend.ask(**fields), error, status)


def test_a3_a_client_may_name_itself_in_the_form_too(backend: Backend) -> None:
    assert backend.ask(client_id=backend.id).status_code == 200


def test_a3_only_a_form_counts_and_only_its_body(backend: Backend) -> None:
    address, form = backend.server.base + "/oauth/token", backend.form()
    refused(requests.post(address, json=form, timeout=60), "invalid_request", 400)
    refused(requests.post(address, params=form, timeout=60), "invalid_request", 400)
    answer = requests.get(address, params=form, timeout=60)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")


def test_a4_granted_is_what_is_asked_and_allowed_in_the_spelling_of_the_question(
    server: Server,
) -> None:
    client = register(server, "--scope", "system/ImagingStudy.rs system/Patient.r")
    asked = "system/*.read launch system/ImagingStudy.cruds system/Endpoint.rs system/Patient.r"
    scope = client.ask(scope=asked).json()["scope"]
    assert scope.split() == ["system/ImagingStudy.read", "system/Patient.r"]
    assert (
        client.ask(scope="system/ImagingStudy.read").json()["scope"] == "system/ImagingStudy.read"
    )
    token = client.token(scope=asked)
    assert server.get("/fhir/ImagingStudy", token).status_code == 200
    assert server.get("/fhir/Endpoint", token).status_code == 403


def test_a9_without_a_reach_or_a_ceiling_there_is_no_token(server: Server) -> None:
    refused(register(server, reach="").ask(), "unauthorized_client", 400)
    refused(register(server, "--scope", "").ask(), "invalid_scope", 400)


def test_a8_keys_behind_an_address_are_kept_and_fetched_anew_for_a_new_kid(
    server: Server, site: Site
) -> None:
    """Each of the two HTTP processes keeps its own copy, and may fetch it anew once."""
    site.body = jwks(EC).encode()
    site.headers = {"Cache-Control": "max-age=3600"}
    client = register(server, "--jwks-uri", site.url("/jwks"))
    for _ in range(6):
        assert client.ask().status_code == 200
    assert len(site.asked) <= 2
    site.body = jwks(RSA).encode()
    for _ in range(6):
        assert client.ask(client_assertion=client.assertion(RSA)).status_code == 200
    assert len(site.asked) <= 4
    named = client.assertion(RSA, header={"jku": site.url("/jwks")})
    assert client.ask(client_assertion=named).status_code == 200


BAD_SETS: dict[str, tuple[int, bytes]] = {
    "not found": (404, b"{}"),
    "broken": (500, b""),
    "not JSON": (200, b"<html>"),
    "no object": (200, b"[]"),
    "no keys": (200, b"{}"),
    "keys is no list": (200, b'{"keys": {}}'),
    "empty": (200, b'{"keys": []}'),
    "a bad key": (200, b'{"keys": [{"kty": "EC", "kid": "ec-1"}]}'),
    "a point that is not on the curve": (
        200,
        json.dumps(
            {"keys": [EC.as_dict(private=False) | {"y": EC.as_dict(private=False)["x"]}]}
        ).encode(),
    ),
    "a private key": (200, json.dumps({"keys": [EC.as_dict(private=True)]}).encode()),
    "none with the kid": (200, jwks(RSA).encode()),
    "two with the kid": (200, jwks(EC, EC).encode()),
    "the wrong key": (200, jwks(STRANGER).encode()),
    "a short RSA key": (200, json.dumps({"keys": [SHORT]}).encode()),
}


def test_a8_whatever_is_wrong_with_a_key_set_ends_in_a_clean_refusal(
    server: Server, site: Site
) -> None:
    site.headers = {"Cache-Control": "no-store"}
    client = register(server, "--jwks-uri", site.url())
    for name, (site.status, site.body) in BAD_SETS.items():
        answer = client.ask()
        assert (name, answer.status_code) == (name, 401)
        refused(answer, "invalid_client", 401)
    site.status, site.body = 200, jwks(EC).encode()
    assert client.ask().status_code == 200


def test_tokens_do_not_travel_over_plain_http_beyond_this_machine(tmp_path: Path) -> None:
    with houses.opened(tmp_path, BASE_URL="http://hospital.example") as house:
        answer = create_app(house).test_client().post("/oauth/token", data={"grant_type": "x"})
    assert answer.status_code == 400
    assert "https" in answer.get_json()["error_description"]


def test_every_token_and_every_refusal_is_in_the_audit(server: Server) -> None:
    client = register(server)
    client.token()
    client.ask(scope="user/*.rs")
    client.ask(client_assertion=client.assertion(STRANGER))
    rows = audit_rows(server, client.id)
    assert [(row["action"], row["outcome"]) for row in rows] == [
        ("login", "0"),
        ("login", "4"),
        ("login", "4"),
    ]
    assert rows[0]["grant"]
    assert "invalid_scope" in rows[1]["detail"]
    assert "invalid_client" in rows[2]["detail"]


def audit_rows(server: Server, client: str) -> list[dict[str, Any]]:
    """The audit rows of a client, oldest first."""
    database = Database(f"sqlite:///{server.data / 'triptych.db'}")
    try:
        with database.read() as connection:
            query = select(audit).where(audit.c.client == client).order_by(audit.c.at)
            return [dict(row) for row in connection.execute(query).mappings()]
    finally:
        database.close()
