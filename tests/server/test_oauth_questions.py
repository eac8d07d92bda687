"""What others learn of a token and of us: introspection, revocation, discovery, CORS, logs."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from server.flows.resources import READ_ONLY
from tests.support import houses
from tests.support.backend import BEARER, Backend, post, register
from tests.support.houses import SYSTEM, add_patient
from tests.support.server import Server, running

APP = "http://localhost:3000"
NUMBER = "MRN-99173"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It logs all it can, so that the last test of this file can look for what it must not."""
    with running(tmp_path_factory.mktemp("data"), LOG_LEVEL="DEBUG") as started:
        yield started


@pytest.fixture(scope="module")
def backend(server: Server) -> Backend:
    return register(server)


@pytest.fixture(scope="module")
def anna(server: Server) -> str:
    with houses.opened(server.data) as house:
        return add_patient(house, NUMBER)


def introspect(server: Server, about: str, token: str = "", **form: str) -> requests.Response:
    return post(server, "/oauth/introspect", {"token": about} | form, token)


def proven(backend: Backend, about: str) -> dict[str, Any]:
    """A form in which the client proves itself with an assertion."""
    assertion = backend.assertion()
    return {"token": about, "client_assertion_type": BEARER, "client_assertion": assertion}


def test_a7_an_active_token_is_described_to_its_resource_server(backend: Backend) -> None:
    token = backend.token(scope="system/Patient.rs system/ImagingStudy.read")
    answer = post(backend.server, "/oauth/introspect", proven(backend, token))
    body = answer.json()
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert body["active"] is True
    assert body["client_id"] == backend.id
    assert set(body["scope"].split()) == {"system/Patient.rs", "system/ImagingStudy.read"}
    assert 0 < body["exp"] - time.time() <= 300
    assert body["iss"] == backend.server.base
    assert "patient" not in body


def test_a7_a_bearer_token_opens_introspection_too_and_the_patient_is_named(
    backend: Backend, anna: str
) -> None:
    token = backend.server.token("patient/*.rs", "--patient", f"{SYSTEM}|{NUMBER}")
    for asking in (token, backend.token()):
        body = introspect(backend.server, token, asking).json()
        assert (body["active"], body["client_id"], body["patient"]) == (True, "cli", anna)


def test_a7_of_other_tokens_only_their_inactivity_is_told(backend: Backend, anna: str) -> None:
    server = backend.server
    patients = server.token("patient/*.rs", "--patient", anna)
    asking = backend.token()
    for about, bearer in (("unknown", asking), ("", asking), (asking, patients)):
        answer = introspect(server, about or "x" * 5000, bearer)
        assert (answer.status_code, answer.json()) == (200, {"active": False})


def test_a7_another_organisations_token_is_unknown(server: Server, backend: Backend) -> None:
    server.run("organisation", "add", "Elsewhere")
    other = register(server, "--organisation", "Elsewhere")
    body = introspect(server, backend.token(), other.token()).json()
    assert body == {"active": False}


def test_a7_who_does_not_prove_who_asks_learns_nothing(backend: Backend) -> None:
    server, token = backend.server, backend.token()
    for answer in (
        introspect(server, token),
        introspect(server, token, "not a token"),
        introspect(server, token, client_id=backend.id),
    ):
        assert answer.status_code == 401
        assert answer.json().keys() == {"error", "error_description"}
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    missing = post(server, "/oauth/introspect", {}, token)
    assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")


def test_a7_a_revoked_token_is_dead_at_once_on_every_door(backend: Backend) -> None:
    server, token = backend.server, backend.token()
    assert server.get("/fhir/Patient", token).status_code == 200
    assert post(server, "/oauth/revoke", proven(backend, token)).status_code == 200
    for _ in range(4):
        answer = server.get("/fhir/Patient", token)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert introspect(server, token, backend.token()).json() == {"active": False}
    assert post(server, "/oauth/revoke", proven(backend, token)).status_code == 200


def test_a7_a_client_revokes_its_own_tokens_only(server: Server, backend: Backend) -> None:
    other, token = register(server), backend.token()
    answer = post(server, "/oauth/revoke", proven(other, token))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert server.get("/fhir/Patient", token).status_code == 200
    assert post(server, "/oauth/revoke", {"token": token}, token).status_code == 200
    assert server.get("/fhir/Patient", token).status_code == 401
    assert post(server, "/oauth/revoke", {"token": token}).status_code == 401


def test_a1_what_the_smart_configuration_lists_is_absolute_and_works(server: Server) -> None:
    backend = register(server, "--scope", "system/*.cruds")
    body = server.get("/fhir/.well-known/smart-configuration").json()
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        assert body[name].startswith(server.base)
        assert requests.post(body[name], data={"token": "x"}, timeout=60).status_code in (400, 401)
        assert "private_key_jwt" in body[f"{name}_auth_methods_supported"]
        assert body[f"{name}_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert "client_credentials" in body["grant_types_supported"]
    for scope in (one for one in body["scopes_supported"] if one.startswith("system/")):
        assert backend.ask(scope=scope).json()["scope"] == scope
        type_, _, letters = scope.removeprefix("system/").partition(".")
        path = f"/fhir/{type_.replace('*', 'Patient')}"
        path += "/nobody" if type_ in READ_ONLY else ""
        answer = server.get(path, backend.token(scope=scope))
        expected = 404 if type_ in READ_ONLY else 403 if letters == "c" else 200
        assert answer.status_code == expected, scope


def test_a1_the_scope_for_storing_opens_the_storing_door_and_no_other_does(server: Server) -> None:
    """Nothing is sent, so the open door finds fault with the body: 400, not 403."""
    backend = register(server, "--scope", "system/*.cruds")
    for scope, status in (("system/ImagingStudy.c", 400), ("system/*.rs", 403)):
        headers = {"Authorization": f"Bearer {backend.token(scope=scope)}"}
        headers["Content-Type"] = 'multipart/related; type="application/dicom"; boundary=x'
        answer = requests.post(server.base + "/dicomweb/studies", headers=headers, timeout=60)
        assert answer.status_code == status, answer.text


def test_smart_imaging_3_the_backend_mode_is_announced_where_this_base_serves_images(
    server: Server,
) -> None:
    body = server.get("/fhir/.well-known/smart-configuration").json()
    assert "smart-imaging-access" in body["capabilities"]
    backend_services = "http://fhir.org/argonaut/smart-imaging/capabilities/backend-services"
    assert backend_services in body["capabilities"]
    assert "system/ImagingStudy.rs" in body["scopes_supported"]


def preflight(server: Server, path: str, origin: str) -> requests.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return requests.options(server.base + path, headers=headers, timeout=60)


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/Patient", "/oauth/token"])
def test_a10_a_preflight_is_answered_without_a_token(server: Server, path: str) -> None:
    answer = preflight(server, path, APP)
    assert answer.status_code == 204
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_a10_pages_of_registered_apps_alone_may_read_answers_of_the_doors(server: Server) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(server, "/fhir/Patient", APP).headers
    app = ("client", "add", "app", "--type", "public", "--redirect-uri", f"{APP}/callback")
    server.run(*app)
    assert preflight(server, "/fhir/Patient", APP).headers["Access-Control-Allow-Origin"] == APP
    for origin, allowed in ((APP, APP), ("http://localhost:3001", None), ("null", None)):
        answer = server.get("/fhir/Patient", Origin=origin)
        assert answer.status_code == 401
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Origin" in answer.headers["Vary"]


def test_no_token_no_assertion_and_no_number_of_a_patient_is_ever_logged(
    backend: Backend, anna: str
) -> None:
    """The server of this file logs at DEBUG; Authlib alone would print whole tokens there."""
    server, assertion = backend.server, backend.assertion()
    token = backend.token(client_assertion=assertion)
    script = server.token("patient/*.rs", "--patient", f"{SYSTEM}|{NUMBER}")
    for used in (token, script, "wrong-token-of-mine"):
        server.get(f"/fhir/Patient?identifier={SYSTEM}|{NUMBER}", used)
    introspect(server, script, token)
    backend.ask(client_assertion=assertion)
    post(server, "/oauth/revoke", {"token": token}, token)
    log = server.log.read_text()
    assert " DEBUG " in log
    for kept_out in (token, script, "wrong-token-of-mine", assertion, NUMBER):
        assert kept_out not in log
