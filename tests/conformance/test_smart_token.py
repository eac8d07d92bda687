"""A code against tokens: how clients prove themselves, what is told, who the user is (A3, A5, A8)."""

import base64
import json
import time
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.support import logs
from tests.support.backend import BEARER, EC, RSA, Backend
from tests.support.clinic import Clinic
from tests.support.smart_app import EVERYTHING, REDIRECT, App, Person


def error(answer: requests.Response) -> str:
    """The error of a refusal, after looking at all that every refusal has."""
    body = answer.json()
    assert answer.status_code in (400, 401), body
    assert body.keys() == {"error", "error_description"}
    assert "no-store" in answer.headers["Cache-Control"]
    assert "no-cache" in answer.headers["Pragma"]
    return str(body["error"])


def claims(smart: Clinic, token: str) -> dict[str, Any]:
    """The claims of an id_token, checked as a client checks them."""
    keys = KeySet.import_key_set(smart.get("/oauth/jwks").json())
    found = jwt.decode(token, keys, algorithms=["RS256"])
    assert found.header["kid"]
    return dict(found.claims)


@pytest.mark.parametrize("kind", ["public", "secret", "signed"])
def test_a3_each_kind_of_client_gets_tokens(smart: Clinic, kind: str) -> None:
    app: App = getattr(smart, kind)
    answer = app.redeem(app.code(smart.person("alice"), nonce="n-1"))
    body = answer.json()
    assert answer.status_code == 200, body
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "no-store" in answer.headers["Cache-Control"]
    assert "no-cache" in answer.headers["Pragma"]
    assert body["token_type"].lower() == "bearer"
    assert body["expires_in"] == 3600
    assert sorted(body["scope"].split()) == sorted(EVERYTHING.split())
    assert isinstance(body["access_token"], str)
    assert isinstance(body["refresh_token"], str)
    assert body["patient"] == smart.patients["Alice"]
    assert body["need_patient_banner"] is True
    assert requests.get(body["smart_style_url"], timeout=60).json()
    assert claims(smart, body["id_token"])["nonce"] == "n-1"
    read = smart.get(f"/fhir/Patient/{body['patient']}", body["access_token"])
    assert read.status_code == 200


def test_a3_a_secret_may_stand_in_the_form_too(smart: Clinic) -> None:
    app = smart.secret
    form = {"client_id": app.id, "client_secret": app.secret}
    poster = App(smart.server, app.id, redirect=REDIRECT, proof=lambda: form)
    assert poster.redeem(poster.code(smart.person("alice"))).status_code == 200


WRONG_CLIENTS: dict[str, dict[str, str]] = {
    "an unknown client": {"client_id": "nobody"},
    "no client": {},
    "a client that a database would choke on": {"client_id": "\x00"},
}


@pytest.mark.parametrize("who", WRONG_CLIENTS.values(), ids=WRONG_CLIENTS.keys())
def test_a3_an_unknown_client_is_refused(smart: Clinic, who: dict[str, str]) -> None:
    app = smart.public
    code = app.code(smart.person("alice"))
    stranger = App(smart.server, "", proof=lambda: who, verifier=app.verifier)
    assert error(stranger.redeem(code)) == "invalid_client"


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_a3_a_bad_secret_is_401_however_it_is_sent(smart: Clinic) -> None:
    app = smart.secret
    code = app.code(smart.person("alice"))
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    form |= {"code_verifier": app.verifier}
    address = smart.server.base + "/oauth/token"
    for headers, more in (
        (basic(f"{app.id}:wrong"), {}),
        (basic(f"{app.id}:"), {}),
        (basic(""), {}),
        ({"Authorization": "Basic"}, {}),
        ({"Authorization": "Basic !!!"}, {}),
        ({}, {"client_id": app.id}),
        ({}, {"client_id": app.id, "client_secret": "wrong"}),
        ({}, {"client_id": app.id, "client_secret": ""}),
    ):
        answer = requests.post(address, data=form | more, headers=headers, timeout=60)
        assert answer.status_code == 401
        assert error(answer) == "invalid_client"
    assert app.redeem(code).status_code == 200


def test_a3_while_a_secret_is_changed_both_are_good_and_after_it_the_new_one_alone(
    smart: Clinic,
) -> None:
    app, alice = smart.app("confidential"), smart.person("alice")
    old = app.secret

    def works(secret: str) -> bool:
        app.secret = ""
        code = app.code(alice)
        app.secret = secret
        return app.redeem(code).status_code == 200

    made = smart.server.run("client", "secret", app.id, "--keep", "1")
    logs.keep_out(made["client_secret"])
    assert made["client_id"] == app.id
    assert works(old)
    assert works(made["client_secret"])
    now = smart.server.run("client", "secret", app.id, "--keep", "0")
    logs.keep_out(now["client_secret"])
    assert [works(one) for one in (old, made["client_secret"], now["client_secret"])] == [
        *(False, False, True)
    ]
    kept = [row.detail for row in smart.events(door="command") if app.id in row.detail]
    assert kept[-1] == f"client secret: {app.id}, the former one for 0 h"


def test_a3_who_has_no_secret_gets_no_other_one(smart: Clinic) -> None:
    for id_, words in (
        (smart.public.id, "has no secret"),
        (smart.signed.id, "has no secret"),
        ("nobody", "no client"),
    ):
        done = smart.server.run("client", "secret", id_, check=False)
        assert done.returncode != 0
        assert words in done.stderr


def test_a3_a_public_client_has_no_secret_to_show_and_others_must_show_theirs(
    smart: Clinic,
) -> None:
    public = App(smart.server, smart.public.id, "a secret", verifier="v" * 43)
    assert error(public.redeem("x")) == "invalid_client"
    for app in (smart.secret, smart.signed):
        naked = App(smart.server, app.id, verifier="v" * 43)
        assert error(naked.redeem("x")) == "invalid_client"
    posing = App(smart.server, smart.signed.id, smart.secret.secret, verifier="v" * 43)
    assert error(posing.redeem("x")) == "invalid_client"


def test_a3_an_unknown_code_is_invalid_grant(smart: Clinic) -> None:
    for code in ("unknown", "x" * 5000, "\x00"):
        assert error(smart.public.redeem(code, code_verifier="v" * 43)) == "invalid_grant"
    assert error(smart.public.redeem("", code_verifier="v" * 43)) == "invalid_request"


def test_a3_without_the_right_verifier_there_is_no_token(smart: Clinic) -> None:
    """G10: absent, blank, random, equal to the challenge."""
    app, alice = smart.public, smart.person("alice")
    for wrong in (None, "", "r" * 43, "challenge"):
        code = app.code(alice)
        verifier = wrong
        if wrong == "challenge":
            verifier = app.request()["code_challenge"]
        assert error(app.redeem(code, code_verifier=verifier)) == "invalid_grant"


def test_a3_redirect_uri_must_be_the_one_that_was_used(smart: Clinic) -> None:
    other = "http://127.0.0.1:9/other"
    app = smart.app(redirect_uris=(REDIRECT, other))
    for wrong in (None, "", other, f"{REDIRECT}/"):
        code = app.code(smart.person("alice"))
        assert error(app.redeem(code, redirect_uri=wrong)) == "invalid_grant"


def test_a3_a_code_is_of_its_client(smart: Clinic) -> None:
    app, other = smart.public, smart.app()
    code = app.code(smart.person("alice"))
    other.verifier = app.verifier
    assert error(other.redeem(code)) == "invalid_grant"
    assert app.redeem(code).status_code == 200


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"grant_type": None}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_client"),
    ],
)
def test_a3_a_grant_that_is_not_offered_is_refused(
    smart: Clinic, form: dict[str, Any], code: str
) -> None:
    assert error(smart.public.redeem("x", code_verifier="v" * 43, **form)) == code


def test_a3_only_a_form_counts(smart: Clinic) -> None:
    answer = requests.post(
        smart.server.base + "/oauth/token", json={"grant_type": "authorization_code"}, timeout=60
    )
    assert error(answer) == "invalid_request"


def test_a3_a_backend_takes_no_code_and_an_app_acts_not_for_itself(smart: Clinic) -> None:
    code = smart.signed.code(smart.person("alice"))
    backend = App(smart.server, smart.ehr.id, proof=smart.ehr.proof, verifier="v" * 43)
    assert error(backend.redeem(code)) == "unauthorized_client"
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    assert error(smart.signed.post("/oauth/token", form)) in (
        "unauthorized_client",
        "invalid_scope",
    )


# Who the user is.


def test_a5_the_id_token_says_who_logged_in_to_whom_and_when(smart: Clinic) -> None:
    app, alice = smart.public, smart.person("alice")
    found = claims(smart, app.tokens(alice)["id_token"])
    assert found["iss"] == smart.server.base
    assert found["aud"] == app.id
    assert 0 < len(found["sub"]) < 256
    assert found["exp"] > time.time()
    assert abs(found["iat"] - time.time()) < 60
    assert found["auth_time"] <= found["iat"]
    assert "nonce" not in found
    again = claims(smart, smart.secret.tokens(alice)["id_token"])
    assert again["sub"] == found["sub"]


@pytest.mark.parametrize(
    ("name", "type_"), [("alice", "Patient"), ("drew", "Practitioner"), ("pat", "RelatedPerson")]
)
@pytest.mark.parametrize("more", ["patient/*.rs", "patient/ImagingStudy.rs"])
def test_a5_fhiruser_is_an_address_that_the_same_token_reads(
    smart: Clinic, name: str, type_: str, more: str
) -> None:
    body = smart.public.tokens(
        smart.person(name),
        scope=f"openid fhirUser launch/patient {more}",
        patient=smart.patients["Alice"],
    )
    url = claims(smart, body["id_token"])["fhirUser"]
    base, kind, id_ = url.rsplit("/", 2)
    assert (base, kind) == (smart.server.base + "/fhir", type_)
    read = smart.get(f"/fhir/{kind}/{id_}", body["access_token"])
    assert read.status_code == 200
    assert read.json()["id"] == id_


def test_a5_without_fhiruser_or_openid_nothing_is_said_of_the_user(smart: Clinic) -> None:
    alice = smart.person("alice")
    body = smart.public.tokens(alice, scope="openid patient/ImagingStudy.rs")
    assert "fhirUser" not in claims(smart, body["id_token"])
    path = f"/fhir/Patient/{smart.patients['Alice']}"
    assert smart.get(path, body["access_token"]).status_code == 403
    assert "id_token" not in smart.public.tokens(alice, scope="fhirUser patient/*.rs")


def test_a5_the_user_of_one_token_is_nobody_to_another(smart: Clinic) -> None:
    body = smart.public.tokens(smart.person("bob"), scope="openid fhirUser")
    token = body["access_token"]
    assert smart.get(f"/fhir/Patient/{smart.patients['Bob']}", token).status_code == 200
    assert smart.get(f"/fhir/Patient/{smart.patients['Alice']}", token).status_code == 403
    drews = smart.accounts["drew"].fhir_user()
    assert smart.get(f"/fhir/{drews}", token).status_code == 403


def test_a5_a_replaced_key_still_checks_what_it_signed(smart: Clinic) -> None:
    before = smart.public.tokens(smart.person("alice"))["id_token"]
    kid = smart.server.run("keys", "rotate")["kid"]
    after = smart.public.tokens(smart.person("alice"))["id_token"]
    header = json.loads(base64.urlsafe_b64decode(after.split(".")[0] + "=="))
    assert header["kid"] == kid
    assert claims(smart, before)["sub"] == claims(smart, after)["sub"]


# Asymmetric clients on the way of users.


@pytest.mark.parametrize("key", [EC, RSA], ids=["ES384", "RS384"])
def test_a8_an_app_proves_itself_with_either_algorithm(smart: Clinic, key: Any) -> None:
    signer = Backend(smart.server, smart.signed.id)
    app = App(smart.server, smart.signed.id)
    app.proof = lambda: {
        "client_assertion_type": BEARER,
        "client_assertion": signer.assertion(key),
    }
    body = app.tokens(smart.person("alice"))
    assert body["id_token"]


def test_a8_an_assertion_is_good_for_one_request_on_this_way_too(smart: Clinic) -> None:
    used = smart.signed.proof()
    app = App(smart.server, smart.signed.id, proof=lambda: used)
    alice = smart.person("alice")
    assert app.redeem(app.code(alice)).status_code == 200
    assert error(app.redeem(app.code(alice))) == "invalid_client"


def test_a8_another_clients_assertion_redeems_no_code(smart: Clinic) -> None:
    code = smart.signed.code(smart.person("alice"))
    posing = App(smart.server, smart.signed.id, proof=smart.ehr.proof)
    posing.verifier = smart.signed.verifier
    assert error(posing.redeem(code)) == "unauthorized_client"
    named = posing.redeem(code, client_id=smart.signed.id)
    assert error(named) == "invalid_client"


def test_a3_pages_are_for_people_and_carry_what_keeps_them_from_misuse(smart: Clinic) -> None:
    page = smart.public.ask(Person(smart.server))
    policy = page.headers["Content-Security-Policy"]
    for word in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert word in policy
    assert "script" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    for word in ('<html lang="en" dir="ltr">', "<h1>", '<label for="username">', 'name="viewport"'):
        assert word in page.text
    style = requests.get(smart.server.base + "/oauth/pages.css", timeout=60)
    assert style.headers["Content-Type"].startswith("text/css")
