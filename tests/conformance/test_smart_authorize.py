"""The authorization request, its pages and its user's decision (rows A2)."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from server.flows.resources import TYPES
from tests.support.clinic import Clinic
from tests.support.smart_app import REDIRECT, App, challenge, forms, ticked, told


@pytest.mark.parametrize("post", [False, True], ids=["GET", "POST"])
def test_a2_a_request_by_get_or_post_ends_with_a_code_and_the_same_state(
    smart: Clinic, post: bool
) -> None:
    alice = smart.person("alice")
    page = alice.reach_consent(smart.public.ask(alice, post=post, state="a b/ü&="))
    answer = alice.allow(page)
    assert answer.headers["Location"].startswith(f"{REDIRECT}?")
    words = told(answer)
    assert words["state"] == "a b/ü&="
    assert words["code"]
    assert "error" not in words


@pytest.mark.parametrize("post", [False, True], ids=["GET", "POST"])
def test_a2_the_request_itself_answers_with_a_303_to_a_page_of_our_own(
    smart: Clinic, post: bool
) -> None:
    words, address = smart.public.request(), smart.server.base + "/oauth/authorize"
    method, how = ("POST", "data") if post else ("GET", "params")
    answer = requests.request(method, address, **{how: words}, allow_redirects=False, timeout=60)  # type: ignore[arg-type]
    assert answer.status_code == 303
    there = answer.headers["Location"]
    assert there.startswith("/oauth/continue?request=")
    assert words["state"] not in there
    assert smart.public.id not in there


def test_a2_an_address_that_has_a_query_already_is_tolerated(smart: Clinic) -> None:
    words = urlencode(smart.public.request())
    page = smart.person("alice").open(f"{smart.server.base}/oauth/authorize?&{words}&ui_locales=ca")
    assert page.status_code == 200


SHOWN: dict[str, dict[str, Any]] = {
    "no client": {"client_id": None},
    "an unknown client": {"client_id": "nobody"},
    "a client_id that no database likes": {"client_id": "\x00\ud7ff"},
    "no redirect_uri": {"redirect_uri": None},
    "a redirect_uri that is none": {"redirect_uri": "callback"},
    "another host": {"redirect_uri": "https://evil.example/callback"},
    "another path": {"redirect_uri": f"{REDIRECT}/more"},
    "another query": {"redirect_uri": f"{REDIRECT}?x=1"},
    "another port": {"redirect_uri": "http://127.0.0.1:10/callback"},
    "another spelling": {"redirect_uri": "http://127.0.0.1:9/%63allback"},
    "a user before the host": {"redirect_uri": "http://127.0.0.1:9@evil.example/callback"},
    "the host after a user": {"redirect_uri": "http://x@127.0.0.1:9/callback"},
    "a fragment": {"redirect_uri": f"{REDIRECT}#x"},
    "the host with a dot behind it": {"redirect_uri": "http://127.0.0.1.:9/callback"},
    "another case of the scheme": {"redirect_uri": "HTTP://127.0.0.1:9/callback"},
    "another case of the path": {"redirect_uri": "http://127.0.0.1:9/Callback"},
    "a step up in the path": {"redirect_uri": f"{REDIRECT}/../callback"},
    "an escaped step up": {"redirect_uri": f"{REDIRECT}/%2e%2e/callback"},
    "a backslash": {"redirect_uri": "http:\\\\127.0.0.1:9/callback"},
    "no scheme": {"redirect_uri": "//127.0.0.1:9/callback"},
    "a slash behind it": {"redirect_uri": f"{REDIRECT}/"},
    "a blank behind it": {"redirect_uri": f"{REDIRECT} "},
    "a script": {"redirect_uri": "javascript:alert(1)//callback"},
    "markup": {"redirect_uri": f"{REDIRECT}?<script>"},
    "a line break": {"redirect_uri": f"{REDIRECT}\r\nSet-Cookie: a=b"},
}


@pytest.mark.parametrize("post", [False, True], ids=["GET", "POST"])
@pytest.mark.parametrize("wrong", SHOWN.values(), ids=SHOWN.keys())
def test_a2_while_it_is_not_sure_who_asks_nobody_is_redirected(
    smart: Clinic, wrong: dict[str, Any], post: bool
) -> None:
    before = len(smart.events(door="login", action="refuse"))
    answer = smart.public.ask(smart.stranger(), post=post, **wrong)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Location" not in answer.headers
    for asked in ("evil.example", "script>", "javascript:", wrong.get("redirect_uri") or "evil."):
        assert asked not in answer.text
    assert len(smart.events(door="login", action="refuse")) == before + 1


def test_a2_the_page_says_which_app_asked_for_what_and_what_its_maker_does(smart: Clinic) -> None:
    app = App(smart.server, smart.keys.app(name="Skin <b>& Bones")[0])
    for uri, words in (
        ("https://evil.example/", "an address that is not registered for it"),
        (None, "no address at all"),
    ):
        page = app.ask(smart.stranger(), redirect_uri=uri)
        assert "Skin &lt;b&gt;&amp; Bones asks for the answer to go to " + words in page.text
        assert "registered redirect_uri, to the letter" in page.text


TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "no response_type": ({"response_type": None}, "unsupported_response_type"),
    "response_type token": ({"response_type": "token"}, "unsupported_response_type"),
    "no aud": ({"aud": None}, "invalid_request"),
    "aud is no address": ({"aud": "fhir"}, "invalid_request"),
    "aud is another server": ({"aud": "https://evil.example/fhir"}, "invalid_request"),
    "aud is our issuer": ({"aud": "http://127.0.0.1"}, "invalid_request"),
    "no challenge": ({"code_challenge": None}, "invalid_request"),
    "no method": ({"code_challenge_method": None}, "invalid_request"),
    "method plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "a method without a challenge": ({"code_challenge": ""}, "invalid_request"),
    "a challenge that is no digest": ({"code_challenge": "short"}, "invalid_request"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "a scope beyond the ceiling": ({"scope": "system/*.rs"}, "invalid_scope"),
    "a scope that is none": ({"scope": "patient/Nothing.rs"}, "invalid_scope"),
    "letters out of order": ({"scope": "patient/Patient.sr"}, "invalid_scope"),
    "an unknown launch": ({"launch": "x", "scope": "launch patient/*.rs"}, "invalid_request"),
    "launch without its value": ({"scope": "launch patient/*.rs"}, "invalid_request"),
    "a value without launch": ({"launch": "x"}, "invalid_request"),
    "a request object": ({"request": "x.y.z"}, "request_not_supported"),
    "an unknown prompt": ({"prompt": "dance"}, "invalid_request"),
}


@pytest.mark.parametrize("post", [False, True], ids=["GET", "POST"])
@pytest.mark.parametrize(("wrong", "error"), TOLD.values(), ids=TOLD.keys())
def test_a2_what_else_is_wrong_is_told_to_the_app_without_a_code(
    smart: Clinic, wrong: dict[str, Any], error: str, post: bool
) -> None:
    answer = smart.public.ask(smart.person("alice"), post=post, state="s1", **wrong)
    words = told(answer)
    assert (words["error"], words["state"]) == (error, "s1")
    assert "code" not in words
    last = smart.events(door="login", action="refuse", client=smart.public.id)[-1]
    assert f"authorize: {error}" in last.detail


def test_a2_a_parameter_given_twice_is_refused(smart: Clinic) -> None:
    words = urlencode(smart.public.request())
    for more in ("scope=patient/*.rs", "redirect_uri=https://evil.example", "state=2"):
        answer = smart.stranger().open(f"{smart.server.base}/oauth/authorize?{words}&{more}")
        assert answer.status_code == 400


def test_a2_aud_may_end_with_one_slash(smart: Clinic) -> None:
    alice = smart.person("alice")
    assert smart.public.ask(alice, aud=smart.server.base + "/fhir/").status_code == 200
    assert "error" in told(smart.public.ask(alice, aud=smart.server.base + "/fhir//"))


def test_a2_scopes_named_twice_are_granted_once(smart: Clinic) -> None:
    body = smart.public.tokens(
        smart.person("alice"), scope="launch/patient openid launch/patient patient/*.rs openid"
    )
    assert sorted(body["scope"].split()) == ["launch/patient", "openid", "patient/*.rs"]


def test_a2_whoever_is_logged_in_and_is_one_patient_is_asked_for_consent_alone(
    smart: Clinic,
) -> None:
    alice = smart.person("alice")
    alice.reach_consent(smart.public.ask(alice))
    page = smart.public.ask(alice)
    assert forms(page)[-1].values("decision") == ["allow", "deny"]


def test_a2_a_proxy_and_a_clinician_pick_the_patient(smart: Clinic) -> None:
    for name in ("pat", "drew"):
        person = smart.person(name)
        page = person.log_in(smart.public.ask(person))
        offered = forms(page)[-1].values("patient")
        assert set(offered) == {smart.patients["Alice"], smart.patients["Bob"]}
        body = smart.public.tokens(person, patient=smart.patients["Bob"])
        assert body["patient"] == smart.patients["Bob"]
        read = smart.get(f"/fhir/Patient/{smart.patients['Alice']}", body["access_token"])
        assert read.status_code == 403


def test_a2_a_clinician_finds_a_patient_by_name(smart: Clinic) -> None:
    drew = smart.person("drew")
    page = drew.log_in(smart.public.ask(drew))
    found = drew.open(f"{page.url}&find=crat")
    assert forms(found)[-1].values("patient") == [smart.patients["Bob"]]
    assert "No patient was found" in drew.open(f"{page.url}&find=nobody").text


def test_a2_a_patient_whom_the_user_does_not_reach_cannot_be_picked(smart: Clinic) -> None:
    pat, drew = smart.person("pat"), smart.person("drew")
    alice = smart.person("alice")
    for person, patient in ((pat, "nobody"), (drew, "nobody")):
        page = person.log_in(smart.public.ask(person))
        assert person.send(page, patient=patient).status_code == 403
    page = alice.reach_consent(smart.public.ask(alice))
    data = forms(page)[-1].filled(patient=smart.patients["Bob"])
    assert alice.open(smart.server.base + "/oauth/pick", data=data).status_code == 403


def test_a2_an_empty_pick_is_asked_again_with_a_word_of_what_is_missing(smart: Clinic) -> None:
    drew = smart.person("drew")
    page = drew.send(drew.log_in(smart.public.ask(drew)))
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert forms(page)[-1].values("patient")


def test_a2_the_visit_is_picked_where_launch_encounter_is_asked(smart: Clinic) -> None:
    alice = smart.person("alice")
    scope = "launch/patient launch/encounter patient/*.rs"
    page = alice.log_in(smart.public.ask(alice, scope=scope))
    assert forms(page)[-1].values("encounter") == ["alices-visit", ""]
    assert alice.send(page, encounter="bobs-visit").status_code == 400
    body = smart.public.tokens(alice, scope=scope, encounter="alices-visit")
    assert body["encounter"] == "alices-visit"
    token = body["access_token"]
    assert smart.get("/fhir/Encounter/alices-visit", token).status_code == 200
    assert "encounter" not in smart.public.tokens(alice, scope=scope, encounter="")


def test_a2_the_page_has_a_ticked_box_for_each_scope_and_denies_what_is_unticked(
    smart: Clinic,
) -> None:
    alice = smart.person("alice")
    scope = "openid launch/patient patient/Patient.rs patient/ImagingStudy.rs patient/Encounter.rs"
    page = alice.reach_consent(smart.public.ask(alice, scope=scope))
    assert sorted(ticked(page)) == sorted(scope.split())
    kept = [one for one in scope.split() if "Encounter" not in one]
    code = told(alice.allow(page, scope=kept))["code"]
    body = smart.public.redeem(code).json()
    assert sorted(body["scope"].split()) == sorted(kept)
    assert smart.get("/fhir/Encounter", body["access_token"]).status_code == 403
    assert smart.get("/fhir/ImagingStudy", body["access_token"]).status_code == 200


def test_a2_of_a_wildcard_single_types_can_be_allowed(smart: Clinic) -> None:
    body = smart.public.tokens(
        smart.person("alice"), ticked=["patient/Patient.rs", "patient/Observation.rs"]
    )
    assert sorted(body["scope"].split()) == ["patient/Observation.rs", "patient/Patient.rs"]
    assert smart.get("/fhir/ImagingStudy", body["access_token"]).status_code == 403


def test_a2_every_type_that_is_served_can_be_allowed_alone(smart: Clinic) -> None:
    alice = smart.person("alice")
    page = alice.reach_consent(smart.public.ask(alice, scope="launch/patient patient/*.rs"))
    offered = forms(page)[-1].values("scope")
    assert {f"patient/{type_}.rs" for type_ in TYPES} <= set(offered)


def test_a2_the_page_says_that_an_app_wants_to_go_on_offline(smart: Clinic) -> None:
    alice = smart.person("alice")
    page = alice.reach_consent(smart.public.ask(alice))
    assert "when you are not here" in page.text
    page = smart.public.ask(alice, scope="launch/patient patient/*.rs")
    assert "when you are not here" not in page.text


def test_a2_categories_are_offered_and_the_token_carries_only_those(smart: Clinic) -> None:
    alice = smart.person("alice")
    scope = "launch/patient patient/Condition.rs patient/Observation.rs"
    page = alice.reach_consent(smart.public.ask(alice, scope=scope))
    offered = forms(page)[-1].values("scope")
    assert "Health problems: none are kept here" in page.text
    assert "Measurements and results: none" not in page.text
    for type_ in ("Condition", "Observation"):
        assert any(one.startswith(f"patient/{type_}.rs?category=http") for one in offered)
    kept = [one for one in offered if one.endswith(("|laboratory", "|problem-list-item"))]
    assert len(kept) == 2
    body = smart.public.redeem(told(alice.allow(page, scope=kept))["code"]).json()
    assert sorted(body["scope"].split()) == sorted(kept)


def test_a2_what_was_not_offered_cannot_be_ticked(smart: Clinic) -> None:
    forged = ["patient/*.cruds", "user/*.rs", "system/*.rs", "offline_access", "patient/Patient.rs"]
    body = smart.public.tokens(
        smart.person("alice"), scope="launch/patient patient/Patient.rs", ticked=forged
    )
    assert body["scope"] == "patient/Patient.rs"


def test_a2_a_refusal_and_an_empty_choice_are_access_denied(smart: Clinic) -> None:
    alice = smart.person("alice")
    for given in ({"decision": "deny"}, {"decision": "allow", "scope": []}):
        page = alice.reach_consent(smart.public.ask(alice, state="s2"))
        words = told(alice.send(page, **given))
        assert (words["error"], words["state"]) == ("access_denied", "s2")
        assert "code" not in words


def test_a2_a_decision_counts_once(smart: Clinic) -> None:
    alice = smart.person("alice")
    page = alice.reach_consent(smart.public.ask(alice))
    assert "code" in told(alice.allow(page))
    again = alice.allow(page)
    assert again.status_code == 400
    assert "Location" not in again.headers


def test_a2_who_sees_no_records_can_grant_none(smart: Clinic) -> None:
    olga = smart.person("olga")
    assert (
        told(olga.log_in(smart.public.ask(olga, scope="patient/*.rs")))["error"] == "access_denied"
    )
    body = smart.public.tokens(olga, scope="openid fhirUser patient/*.rs user/*.rs")
    assert body["scope"] == "openid fhirUser"
    assert "patient" not in body
    assert smart.get("/fhir/Patient", body["access_token"]).status_code == 403


def test_a2_a_user_of_another_organisation_can_grant_nothing(smart: Clinic) -> None:
    wes = smart.person("wes")
    assert told(wes.log_in(smart.public.ask(wes)))["error"] == "access_denied"


def test_a2_prompt_and_max_age_are_kept(smart: Clinic) -> None:
    alice = smart.person("alice")
    alice.reach_consent(smart.public.ask(alice))
    assert told(smart.public.ask(alice, prompt="none"))["error"] == "consent_required"
    stranger = smart.stranger()
    assert told(smart.public.ask(stranger, prompt="none"))["error"] == "login_required"
    mores: tuple[dict[str, Any], ...] = ({"prompt": "login"}, {"max_age": "0"})
    for more in mores:
        page = smart.public.ask(alice, **more)
        assert forms(page)[-1].values("password")
        assert forms(alice.log_in(page))[-1].values("decision")


def test_a2_a_private_scheme_is_a_redirect_uri_and_its_form_may_lead_there(smart: Clinic) -> None:
    redirect = "com.example.app:/callback"
    app = smart.app(redirect_uris=(redirect,))
    app.redirect = redirect
    alice = smart.person("alice")
    page = alice.reach_consent(app.ask(alice))
    assert "form-action 'self' com.example.app:;" in page.headers["Content-Security-Policy"]
    assert alice.allow(page).headers["Location"].startswith(f"{redirect}?code=")


def test_a2_a_redirect_uri_with_a_query_keeps_it(smart: Clinic) -> None:
    redirect = f"{REDIRECT}?tenant=7"
    app = smart.app(redirect_uris=(redirect,))
    app.redirect = redirect
    alice = smart.person("alice")
    there = alice.allow(alice.reach_consent(app.ask(alice))).headers["Location"]
    assert parse_qs(urlsplit(there).query)["tenant"] == ["7"]


def test_a2_a_challenge_is_of_one_code_alone(smart: Clinic) -> None:
    alice = smart.person("alice")
    code = smart.public.code(alice)
    good = smart.public.verifier
    other = smart.public.code(alice)
    assert challenge(good) != challenge(smart.public.verifier)
    assert smart.public.redeem(code).status_code == 400
    assert smart.public.redeem(other).status_code == 200
    assert smart.public.redeem(code, code_verifier=good).status_code == 200
