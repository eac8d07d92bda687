"""SMART App Launch 2.2 and OpenID discovery, styles and CORS (rows A1, A5 and A10)."""

from typing import Any

import pytest
import requests

from server.flows.resources import READ_ONLY
from tests.support.clinic import ORIGIN, Clinic
from tests.support.smart_app import App

WELL_KNOWN = "/fhir/.well-known/smart-configuration"
OPENID = "/.well-known/openid-configuration"
# What the certification suites look for, standalone and from an EHR.
CAPABILITIES = {
    *("launch-ehr", "launch-standalone", "authorize-post", "client-public"),
    *("client-confidential-symmetric", "client-confidential-asymmetric", "sso-openid-connect"),
    *("context-banner", "context-style", "context-ehr-patient", "context-ehr-encounter"),
    *("context-standalone-patient", "context-standalone-encounter", "permission-offline"),
    *("permission-online", "permission-patient", "permission-user"),
    *("permission-v1", "permission-v2", "smart-imaging-access"),
}


def configuration(smart: Clinic, path: str = WELL_KNOWN) -> dict[str, Any]:
    body: dict[str, Any] = smart.get(path).json()
    return body


@pytest.mark.parametrize("accept", ["application/json", "text/html", "application/fhir+xml"])
def test_a1_the_smart_configuration_is_json_below_the_fhir_base_whatever_is_accepted(
    smart: Clinic, accept: str
) -> None:
    answer = smart.get(WELL_KNOWN, Accept=accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a1_what_is_required_is_there_and_of_the_right_type(smart: Clinic) -> None:
    body = configuration(smart)
    for name in ("authorization_endpoint", "token_endpoint", "introspection_endpoint"):
        assert isinstance(body[name], str)
        assert body[name]
    assert all(isinstance(one, str) for one in body["capabilities"])
    assert "authorization_code" in body["grant_types_supported"]
    assert "S256" in body["code_challenge_methods_supported"]
    assert "plain" not in body["code_challenge_methods_supported"]
    assert "code" in body["response_types_supported"]
    assert "private_key_jwt" in body["token_endpoint_auth_methods_supported"]
    assert {"RS384", "ES384"} <= set(body["token_endpoint_auth_signing_alg_values_supported"])


def test_a1_with_sign_on_the_issuer_and_its_keys_are_named(smart: Clinic) -> None:
    body = configuration(smart)
    assert body["issuer"] == smart.server.base
    assert body["jwks_uri"].startswith(smart.server.base)


def test_a1_every_address_is_absolute_and_answers(smart: Clinic) -> None:
    for body in (configuration(smart), configuration(smart, OPENID)):
        found = {name: url for name, url in body.items() if name.endswith(("_endpoint", "_uri"))}
        assert len(found) >= 6
        for name, url in found.items():
            assert url.startswith(smart.server.base + "/"), name
            assert requests.get(url, timeout=60).status_code in (200, 400, 405), name


def test_a1_the_capabilities_are_those_that_the_certification_suites_want(smart: Clinic) -> None:
    found = configuration(smart)["capabilities"]
    assert set(found) >= CAPABILITIES
    assert all(one in CAPABILITIES or one.startswith("http://") for one in found)
    assert len(found) == len(set(found))


def test_a1_every_scope_that_is_listed_for_people_works(smart: Clinic) -> None:
    """Each is asked for, granted to a member of the staff as it is spelled, and opens its type."""
    listed = configuration(smart)["scopes_supported"]
    assert any(one.startswith("patient/") and one.endswith(".rs") for one in listed)
    scopes = [one for one in listed if not one.startswith("system/") and one != "launch"]
    drew, alice = smart.person("drew"), smart.patients["Alice"]
    for part in ("patient", "user"):
        for version in (".rs", ".r", ".read", "?"):
            asked = [one for one in scopes if one.startswith(f"{part}/") and "*" not in one]
            narrow = [o for o in asked if o.endswith(version) or (version == "?" and "?" in o)]
            if not narrow:
                continue
            body = smart.public.tokens(drew, patient=alice, scope=" ".join(narrow))
            assert sorted(body["scope"].split()) == sorted(narrow)
            for scope in narrow:
                type_ = scope.partition("/")[2].partition(".")[0]
                path, status = f"/fhir/{type_}", 200
                if type_ in READ_ONLY:  # the door is open, and nothing is behind it
                    path, status = f"{path}/nobody", 404
                assert smart.get(path, body["access_token"]).status_code == status, scope


def test_a1_clients_of_smart_1_find_the_same_addresses_in_the_capability_statement(
    smart: Clinic,
) -> None:
    [rest] = smart.get("/fhir/metadata").json()["rest"]
    assert rest["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    [extension] = rest["security"]["extension"]
    told = {one["url"]: one["valueUri"] for one in extension["extension"]}
    body = configuration(smart)
    assert told["authorize"] == body["authorization_endpoint"]
    assert told["token"] == body["token_endpoint"]
    assert told["introspect"] == body["introspection_endpoint"]
    assert told["revoke"] == body["revocation_endpoint"]
    assert told["register"] == body["registration_endpoint"]
    assert told["manage"] == body["management_endpoint"]


def test_a1_both_modes_of_smart_imaging_access_are_announced(smart: Clinic) -> None:
    """SMART Imaging Access 1 to 3."""
    found = configuration(smart)["capabilities"]
    assert "smart-imaging-access" in found
    for mode in ("app-launch", "backend-services"):
        assert f"http://fhir.org/argonaut/smart-imaging/capabilities/{mode}" in found


def test_a5_the_openid_configuration_names_what_a_client_needs(smart: Clinic) -> None:
    body = configuration(smart, OPENID)
    assert body["issuer"] == smart.server.base
    assert "RS256" in body["id_token_signing_alg_values_supported"]
    assert body["subject_types_supported"] == ["public"]
    assert {"authorization_endpoint", "token_endpoint", "jwks_uri"} <= body.keys()


def test_a5_the_published_keys_are_public_rsa_keys_with_a_kid(smart: Clinic) -> None:
    keys = configuration(smart, "/oauth/jwks")["keys"]
    assert keys
    for key in keys:
        assert key["kty"] == "RSA"
        assert key["kid"]
        assert not {"d", "p", "q", "dp", "dq", "qi"} & key.keys()


def test_a3_the_style_is_json(smart: Clinic) -> None:
    answer = smart.get("/fhir/.well-known/smart-styles.json")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["color_text"].startswith("#")


@pytest.mark.parametrize("path", [WELL_KNOWN, OPENID, "/fhir/metadata", "/oauth/jwks"])
def test_a10_any_page_may_read_what_we_can_do(smart: Clinic, path: str) -> None:
    answer = smart.get(path, Origin="https://anywhere.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a10_pages_of_a_registered_app_read_the_token_answer_and_their_user(smart: Clinic) -> None:
    redirect = f"{ORIGIN}/callback"
    id_, _ = smart.keys.app(redirect_uris=(redirect,))
    app = App(smart.server, id_, redirect=redirect)
    code = app.code(smart.person("alice"))
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
    form |= {"code_verifier": app.verifier, "client_id": app.id}
    headers = {"Origin": ORIGIN}
    address = smart.server.base + "/oauth/token"
    answer = requests.post(address, data=form, headers=headers, timeout=60)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    token = answer.json()["access_token"]
    path = f"/fhir/Patient/{smart.patients['Alice']}"
    read = smart.get(path, token, Origin=ORIGIN)
    assert read.status_code == 200
    assert read.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert (
        "Access-Control-Allow-Origin"
        not in smart.get(path, token, Origin="https://x.example").headers
    )


def test_a10_a_preflight_needs_no_token(smart: Clinic) -> None:
    for path in ("/fhir/Patient", "/oauth/token", "/oauth/register"):
        headers = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = requests.options(smart.server.base + path, headers=headers, timeout=60)
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()
