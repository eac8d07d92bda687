"""Apps that register themselves and look after their entry (RFC 7591, RFC 7592; rows A1 and A8)."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from server.app import create_app
from server.flows.addresses import Unreachable, check, dialable
from tests.support import houses, logs
from tests.support.backend import Backend, jwks
from tests.support.clinic import Clinic
from tests.support.smart_app import REDIRECT, App


def register(smart: Clinic, **told: Any) -> requests.Response:
    body = {"client_name": "Mine", "redirect_uris": [REDIRECT]}
    body |= {"token_endpoint_auth_method": "none"} | told
    sent = {name: value for name, value in body.items() if value is not None}
    return requests.post(smart.server.base + "/oauth/register", json=sent, timeout=60)


def manage(entry: dict[str, Any], method: str, token: str = "", **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token or entry['registration_access_token']}"}
    address = entry["registration_client_uri"]
    return requests.request(method, address, headers=headers, timeout=60, **more)


@pytest.mark.parametrize(
    "method", ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
)
def test_a1_an_app_registers_and_its_user_is_told_that_nobody_looked_at_it(
    smart: Clinic, method: str
) -> None:
    keys = {"jwks": json.loads(jwks())} if method == "private_key_jwt" else {}
    answer = register(smart, token_endpoint_auth_method=method, **keys)
    entry = answer.json()
    assert answer.status_code == 201, entry
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("client_secret" in entry) == method.startswith("client_secret")
    assert entry["token_endpoint_auth_method"] == method
    app = App(smart.server, entry["client_id"])
    form = {"client_id": app.id, "client_secret": entry.get("client_secret", "")}
    if method == "private_key_jwt":
        app.proof = Backend(smart.server, app.id).proof
    elif method == "client_secret_post":
        app.proof = lambda: form
    else:
        app.secret = entry.get("client_secret", "")
    alice = smart.person("alice")
    page = alice.reach_consent(app.ask(alice))
    assert "registered itself" in page.text
    assert app.tokens(alice)["patient"] == smart.patients["Alice"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({"redirect_uris": []}, "invalid_redirect_uri"),
    "no list": ({"redirect_uris": REDIRECT}, "invalid_client_metadata"),
    "http": ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
    "a wildcard": ({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri"),
    "a fragment": ({"redirect_uris": ["https://app.example/cb#x"]}, "invalid_redirect_uri"),
    "a private host": ({"redirect_uris": ["https://10.0.0.1/cb"]}, "invalid_redirect_uri"),
    "a name of the house": ({"redirect_uris": ["https://pacs.local/cb"]}, "invalid_redirect_uri"),
    "a script": ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    "a scheme of its own": ({"redirect_uris": ["com.example.app:/cb"]}, "invalid_redirect_uri"),
    "an unknown method": ({"token_endpoint_auth_method": "x"}, "invalid_client_metadata"),
    "keys wanted": ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    "the grant of services": ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
    "implicit": ({"response_types": ["token"]}, "invalid_client_metadata"),
    "a name that is none": ({"client_name": ["x"]}, "invalid_client_metadata"),
    "keys at the metadata service": (
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "https://169.254.169.254/latest",
        },
        "invalid_client_metadata",
    ),
    "a private key": (
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [{"kty": "oct", "k": "AAAA", "kid": "x"}]},
        },
        "invalid_client_metadata",
    ),
}


@pytest.mark.parametrize(("wrong", "error"), WRONG.values(), ids=WRONG.keys())
def test_a1_a_registration_that_would_be_unsafe_is_refused(
    smart: Clinic, wrong: dict[str, Any], error: str
) -> None:
    answer = register(smart, **wrong)
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    assert smart.events(door="oauth", action="refuse")[-1].detail.startswith("register:")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"[" * 30_000, b"\xff"])
def test_a1_what_is_no_registration_is_a_clean_refusal(smart: Clinic, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    address = smart.server.base + "/oauth/register"
    answer = requests.post(address, data=body, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a1_an_app_has_no_more_than_apps_may_have(smart: Clinic) -> None:
    entry = register(smart, scope="openid patient/*.cruds system/*.rs launch").json()
    assert sorted(entry["scope"].split()) == ["launch", "openid", "patient/*.rs"]


def test_a1_an_entry_is_read_changed_and_ended_with_its_own_token_alone(smart: Clinic) -> None:
    entry, other = register(smart).json(), register(smart).json()
    for secret in (entry["registration_access_token"], other["registration_access_token"]):
        logs.keep_out(secret)
    read = manage(entry, "GET")
    assert read.status_code == 200
    assert not {"client_secret", "registration_access_token"} & read.json().keys()
    for token in ("made-up", other["registration_access_token"]):
        for method in ("GET", "PUT", "DELETE"):
            assert manage(entry, method, token, json={}).status_code == 401
    changed = {"client_name": "Other", "redirect_uris": ["https://app.example/cb"]}
    changed |= {"token_endpoint_auth_method": "none"}
    assert manage(entry, "PUT", json=changed).json()["client_name"] == "Other"
    assert manage(entry, "GET").json()["redirect_uris"] == ["https://app.example/cb"]
    app = App(smart.server, entry["client_id"])
    assert app.ask(smart.person("alice")).status_code == 400
    wrong = changed | {"redirect_uris": ["http://app.example"]}
    assert manage(entry, "PUT", json=wrong).json()["error"] == "invalid_redirect_uri"
    stolen = changed | {"client_id": other["client_id"]}
    assert manage(entry, "PUT", json=stolen).status_code == 400


def test_a1_with_its_entry_ends_all_that_was_allowed_to_an_app(smart: Clinic) -> None:
    entry = register(smart).json()
    app = App(smart.server, entry["client_id"])
    body = app.tokens(smart.person("alice"))
    assert manage(entry, "DELETE").status_code == 204
    assert smart.get("/fhir/Patient", body["access_token"]).status_code == 401
    assert app.refresh(body["refresh_token"]).status_code == 401
    assert app.ask(smart.person("alice")).status_code == 400
    assert manage(entry, "GET").status_code == 401


def test_a1_an_operators_entry_has_no_such_token(smart: Clinic) -> None:
    address = f"{smart.server.base}/oauth/register/{smart.public.id}"
    for token in ("", "x"):
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.get(address, headers=headers, timeout=60).status_code == 401


def test_a1_a_public_server_takes_no_loopback_addresses(tmp_path: Path) -> None:
    with houses.opened(tmp_path, BASE_URL="https://triptych.example") as house:
        client = create_app(house).test_client()
        for uri, status in ((REDIRECT, 400), ("https://app.example/cb", 201)):
            body = {"redirect_uris": [uri], "token_endpoint_auth_method": "none"}
            answer = client.post("/oauth/register", json=body)
            assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.0.1", "127.0.0.1", "169.254.1.1", "::1", "fd00::1"]
)
def test_a8_keys_of_an_app_that_registered_itself_are_never_fetched_from_inside(
    address: str,
) -> None:
    """The name looked public when it was registered; what it leads to now is what counts."""
    parts = check("https://app.example/jwks")
    with pytest.raises(Unreachable):
        dialable(parts, lambda host: ["93.184.216.34", address], public=True)
    assert dialable(parts, lambda host: ["93.184.216.34"], public=True) == ["93.184.216.34"]
