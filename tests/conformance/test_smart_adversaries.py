"""Whoever means harm: replay, rivals, mix-up, open redirects, planted headers, and what logs tell."""

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from server.store.people import change_client
from tests.support import logs
from tests.support.clinic import Clinic
from tests.support.smart_app import PASSWORD, App, Person, forms, told


def at_once(act: Callable[[], requests.Response], many: int = 2) -> list[requests.Response]:
    """The answers to requests that leave together."""
    together, answers = threading.Barrier(many), list[requests.Response]()

    def race() -> None:
        together.wait()
        answers.append(act())

    threads = [threading.Thread(target=race) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a2_of_two_that_redeem_one_code_at_once_exactly_one_wins(smart: Clinic) -> None:
    app, alice = smart.public, smart.person("alice")
    for _ in range(5):
        code = app.code(alice)
        answers = at_once(lambda code=code: app.redeem(code))  # type: ignore[misc]
        assert sorted(one.status_code for one in answers) == [200, 400]


def test_a6_of_two_that_redeem_one_refresh_token_at_once_exactly_one_wins(smart: Clinic) -> None:
    app, alice = smart.public, smart.person("alice")
    for _ in range(5):
        refresh = app.tokens(alice)["refresh_token"]
        answers = at_once(lambda refresh=refresh: app.refresh(refresh))  # type: ignore[misc]
        assert sorted(one.status_code for one in answers) == [200, 400]
        won = next(one for one in answers if one.status_code == 200).json()
        assert app.refresh(won["refresh_token"]).status_code == 400, "a rival may be a thief"


def test_a2_of_two_that_decide_one_request_at_once_exactly_one_wins(smart: Clinic) -> None:
    app, alice = smart.public, smart.person("alice")
    page = alice.reach_consent(app.ask(alice))
    form = forms(page)[-1]
    cookies = alice.http.cookies.get_dict()

    def decide() -> requests.Response:
        data = form.filled(decision="allow")
        url = smart.server.base + form.action
        return requests.post(url, data=data, cookies=cookies, allow_redirects=False, timeout=60)

    answers = at_once(decide)
    assert sum("code=" in one.headers.get("Location", "") for one in answers) == 1


def test_a2_a_code_that_comes_again_ends_what_it_gave(smart: Clinic) -> None:
    app = smart.public
    code = app.code(smart.person("alice"))
    body = app.redeem(code).json()
    fresh = app.refresh(body["refresh_token"]).json()
    again = app.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    for access in (body["access_token"], fresh["access_token"]):
        assert smart.get("/fhir/Patient", access).status_code == 401
    assert app.refresh(fresh["refresh_token"]).status_code == 400


def test_a2_who_steals_a_code_without_its_verifier_ends_nothing(smart: Clinic) -> None:
    app = smart.public
    code = app.code(smart.person("alice"))
    thief = App(smart.server, app.id, verifier="t" * 43)
    assert thief.redeem(code).status_code == 400
    assert app.redeem(code).status_code == 200


def test_a2_a_code_of_one_client_is_nothing_to_another_and_is_not_spent_by_it(
    smart: Clinic,
) -> None:
    app = smart.secret
    code = app.code(smart.person("alice"))
    for thief in (smart.signed, smart.public):
        thief.verifier = app.verifier
        assert thief.redeem(code).json()["error"] == "invalid_grant"
    assert app.redeem(code).status_code == 200


def test_a2_the_answer_names_its_issuer_against_mix_up(smart: Clinic) -> None:
    """RFC 9207."""
    alice = smart.person("alice")
    page = alice.reach_consent(smart.public.ask(alice))
    assert told(alice.allow(page))["iss"] == smart.server.base
    assert told(smart.public.ask(alice, aud="x"))["iss"] == smart.server.base


def test_a2_a_request_that_waits_is_nothing_without_its_users_browser(smart: Clinic) -> None:
    """Its name alone lets a stranger do no more than log in as themselves."""
    alice, bob = smart.person("alice"), smart.person("bob")
    page = alice.reach_consent(smart.public.ask(alice))
    seen = bob.log_in(bob.open(page.url))
    assert smart.patients["Alice"] not in seen.text
    assert "Liddell" not in seen.text
    assert forms(smart.stranger().open(page.url))[-1].values("password")


def test_a2_what_one_user_picked_is_not_picked_for_the_next(smart: Clinic) -> None:
    """Two people at one screen: the second picks anew."""
    desk = smart.stranger("drew")
    page = desk.log_in(smart.public.ask(desk))
    address = page.url
    assert forms(desk.send(page, patient=smart.patients["Alice"]))[-1].values("decision")
    other = smart.person("pat")
    assert forms(other.log_in(other.open(address)))[-1].values("patient")


HEADERS = ("a\r\nSet-Cookie: x=y", "a\nLocation: https://evil.example", "\u2028x", "%0d%0aX: y")


@pytest.mark.parametrize("text", HEADERS)
def test_a2_no_header_is_planted_through_the_state(smart: Clinic, text: str) -> None:
    alice = smart.person("alice")
    for answer in (
        alice.allow(alice.reach_consent(smart.public.ask(alice, state=text))),
        smart.public.ask(alice, state=text, aud="x"),
    ):
        assert told(answer)["state"] == text
        assert urlsplit(answer.headers["Location"]).hostname == "127.0.0.1"
        assert "x=y" not in answer.headers.get("Set-Cookie", "")


def test_a2_no_markup_is_planted_through_names(smart: Clinic) -> None:
    markup = "<b onclick=x>\"'&"
    smart.keys.user("<i>drew", "clinician")
    person = smart.stranger("<i>drew")
    id_, _ = smart.keys.app()
    with smart.keys.house.database.write() as connection:
        change_client(connection, id_, {"name": markup})
    app = App(smart.server, id_)
    page = person.log_in(app.ask(person))
    assert markup not in page.text
    page = person.open(f"{page.url}&find=%22%3E%3Cscript%3E")
    assert "<script>" not in page.text
    consent = person.open(app.ask(person, scope="openid").url)
    assert "<i>drew" not in consent.text
    assert "&lt;i&gt;drew" in consent.text


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe=\xff", b"&" * 60_000, b"a=" + b"x" * 60_000, b"=", b"%", b"a=b&" * 15_000],
)
def test_a2_nonsense_is_a_clean_refusal(smart: Clinic, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/oauth/authorize", "/oauth/token", "/oauth/login", "/oauth/decide"):
        url = smart.server.base + path
        answer = requests.post(url, data=body, headers=headers, timeout=60)
        assert answer.status_code in (400, 401, 403, 413), (path, answer.text)


def test_a2_a_body_beyond_all_measure_is_refused(smart: Clinic) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/oauth/authorize", "/oauth/login", "/oauth/register"):
        url = smart.server.base + path
        answer = requests.post(url, data=b"a=" + b"x" * (1 << 20), headers=headers, timeout=60)
        assert 400 <= answer.status_code < 500


def test_a2_every_refusal_of_a_token_is_in_the_audit(smart: Clinic) -> None:
    app = smart.app()
    code = app.code(smart.person("alice"))
    app.redeem(code, code_verifier="x" * 43)
    app.redeem(code)
    app.redeem(code)
    rows = [row for row in smart.events(client=app.id) if row.door == "oauth"]
    assert [(row.action, row.outcome) for row in rows] == [
        ("login", "4"),
        ("login", "0"),
        ("delete", "4"),
        ("login", "4"),
    ]
    allowed = smart.events(client=app.id, door="login", action="create")
    assert len(allowed) == 1
    assert smart.accounts["alice"].id in allowed[0].detail


def test_no_password_cookie_or_code_is_ever_logged(smart: Clinic) -> None:
    """The server of these suites logs at DEBUG; all its log is searched for what tests kept out."""
    logs.keep_out(PASSWORD)
    person = Person(smart.server, "alice")
    body = smart.public.tokens(person)
    smart.public.refresh(body["refresh_token"])
    known = [value for value in person.http.cookies.get_dict().values() if value]
    found: Any = smart.server.log.read_text()
    assert " DEBUG " in found
    for secret in (PASSWORD, *known, body["access_token"], body["refresh_token"], body["id_token"]):
        assert secret not in found
