"""Launches by an EHR: made by command or by a client, used once, for whom they were made (rows A2, A3)."""

import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.backend import post
from tests.support.clinic import Clinic
from tests.support.smart_app import LAUNCH, App, forms, told

SCOPE = "openid fhirUser launch patient/*.rs user/*.rs online_access"


def launched(smart: Clinic, app: App, **more: str) -> str:
    """The launch value that an EHR gives for Alice."""
    form = {"client": app.id, "patient": smart.patients["Alice"]} | more
    answer = post(smart.server, "/oauth/launch", smart.ehr.proof() | form)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["launch"])


def test_a2_the_command_and_the_client_give_the_apps_address_with_our_base_to_the_letter(
    smart: Clinic,
) -> None:
    alice = smart.patients["Alice"]
    made = smart.server.run("launch", "--client", smart.public.id, "--patient", alice)
    form = {"client": smart.public.id, "patient": alice}
    answer = post(smart.server, "/oauth/launch", form, smart.ehr.token())
    for body in (made, answer.json()):
        address = urlsplit(body["url"])
        words = parse_qs(address.query)
        assert body["url"].startswith(f"{LAUNCH}?")
        assert words == {"iss": [smart.server.base + "/fhir"], "launch": [body["launch"]]}


def test_a2_an_ehr_launch_brings_patient_visit_and_context_without_a_picker(
    smart: Clinic,
) -> None:
    app, drew = smart.public, smart.person("drew")
    study = f"ImagingStudy/{smart.study}"
    value = launched(smart, app, encounter="alices-visit", context=study)
    page = drew.log_in(app.ask(drew, scope=f"{SCOPE} launch/encounter", launch=value))
    assert forms(page)[-1].values("decision")
    body = app.redeem(told(drew.allow(page))["code"]).json()
    assert body["patient"] == smart.patients["Alice"]
    assert body["encounter"] == "alices-visit"
    assert body["fhirContext"] == [{"reference": study}]
    assert body["need_patient_banner"] is True
    assert body["smart_style_url"].startswith(smart.server.base)
    token = body["access_token"]
    for path in (f"Patient/{body['patient']}", "Encounter/alices-visit", study):
        assert smart.get(f"/fhir/{path}", token).status_code == 200
    refreshed = app.refresh(body["refresh_token"]).json()
    assert refreshed["fhirContext"] == body["fhirContext"]


def test_a3_an_ehr_that_shows_whose_record_is_open_spares_the_app_its_banner(
    smart: Clinic,
) -> None:
    app, drew = smart.public, smart.person("drew")
    for said, needed in (("false", False), ("true", True)):
        value = launched(smart, app, need_patient_banner=said)
        body = app.tokens(drew, scope=SCOPE, launch=value)
        assert body["need_patient_banner"] is needed
        refreshed = app.refresh(body["refresh_token"]).json()
        assert refreshed["need_patient_banner"] is needed
    alice = smart.patients["Alice"]
    words = ("--client", app.id, "--patient", alice, "--ehr-banner")
    value = smart.server.run("launch", *words)["launch"]
    assert app.tokens(drew, scope=SCOPE, launch=value)["need_patient_banner"] is False
    assert app.tokens(smart.person("alice"))["need_patient_banner"] is True
    form = {"client": app.id, "patient": alice, "need_patient_banner": "no"}
    answer = post(smart.server, "/oauth/launch", smart.ehr.proof() | form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a2_an_ehr_launches_no_app_of_another_organisation(smart: Clinic) -> None:
    west = smart.app(organisation="west")
    form = {"client": west.id, "patient": smart.patients["Alice"]}
    answer = post(smart.server, "/oauth/launch", smart.ehr.proof() | form)
    assert answer.status_code == 400
    assert "there is no such app" in answer.json()["error_description"]


def test_a2_a_launch_is_used_once(smart: Clinic) -> None:
    app, drew = smart.public, smart.person("drew")
    value = launched(smart, app)
    assert app.code(drew, scope=SCOPE, launch=value)
    words = told(app.ask(drew, scope=SCOPE, launch=value))
    assert words["error"] == "invalid_request"


def test_a2_of_two_decisions_on_one_launch_at_once_exactly_one_wins(smart: Clinic) -> None:
    app = smart.public
    for _ in range(3):
        value = launched(smart, app)
        people = [smart.person("drew"), smart.person("alice")]
        pages = [one.reach_consent(app.ask(one, scope=SCOPE, launch=value)) for one in people]
        together, words = threading.Barrier(2), list[dict[str, str]]()

        def race(
            which: int,
            together: threading.Barrier = together,
            words: list[dict[str, str]] = words,
            people: Any = people,
            pages: Any = pages,
        ) -> None:
            together.wait()
            words.append(told(people[which].allow(pages[which])))

        threads = [threading.Thread(target=race, args=(which,)) for which in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted("code" in one for one in words) == [False, True]


def test_a2_a_launch_is_of_its_app_and_of_its_user(smart: Clinic) -> None:
    app, drew = smart.public, smart.person("drew")
    other = smart.app()
    assert told(other.ask(drew, scope=SCOPE, launch=launched(smart, app)))["error"]
    mine = launched(smart, app, user="drew")
    alice = smart.person("alice")
    refusal = told(alice.log_in(app.ask(alice, scope=SCOPE, launch=mine)))
    assert refusal["error"] == "access_denied"
    assert app.code(drew, scope=SCOPE, launch=mine)


def test_a2_who_does_not_reach_the_patient_of_a_launch_is_refused(smart: Clinic) -> None:
    app, bob, alice = smart.public, smart.person("bob"), smart.person("alice")
    value = launched(smart, app)
    assert told(bob.log_in(app.ask(bob, scope=SCOPE, launch=value)))["error"] == "access_denied"
    body = app.tokens(alice, scope=SCOPE, launch=value)
    assert body["patient"] == smart.patients["Alice"]


WRONG: dict[str, tuple[dict[str, str], int]] = {
    "no app": ({"client": ""}, 400),
    "an unknown app": ({"client": "nobody"}, 400),
    "no patient": ({"patient": ""}, 400),
    "an unknown patient": ({"patient": "nobody"}, 400),
    "an unknown visit": ({"encounter": "nothing"}, 400),
    "another patient's visit": ({"encounter": "bobs-visit"}, 400),
    "another patient's context": ({"context": "DiagnosticReport/bobs-report"}, 400),
    "a context that is no reference": ({"context": "https://evil.example/Patient/1"}, 400),
    "an unknown user": ({"user": "nobody"}, 400),
    "a user of another organisation": ({"user": "wes"}, 400),
}


@pytest.mark.parametrize(("wrong", "status"), WRONG.values(), ids=WRONG.keys())
def test_a2_a_launch_that_makes_no_sense_is_refused(
    smart: Clinic, wrong: dict[str, str], status: int
) -> None:
    form = {"client": smart.public.id, "patient": smart.patients["Alice"]} | wrong
    answer = post(smart.server, "/oauth/launch", smart.ehr.proof() | form)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]


def test_a2_only_a_client_with_that_right_launches(smart: Clinic) -> None:
    form = {"client": smart.public.id, "patient": smart.patients["Alice"]}
    plain = smart.keys.backend("all")
    drews = smart.public.tokens(smart.person("drew"), patient=smart.patients["Alice"])
    for proof, bearer, status in (
        ({}, "", 401),
        ({"client_id": smart.public.id}, "", 401),
        ({}, "made-up", 401),
        ({}, drews["access_token"], 401),
        (plain.proof(), "", 400),
        ({}, plain.token(), 400),
    ):
        answer = post(smart.server, "/oauth/launch", form | proof, bearer)
        assert answer.status_code == status, answer.text
    assert smart.events(client=plain.id, outcome="4")


def test_a2_an_app_without_a_launch_address_is_not_launched(smart: Clinic) -> None:
    app = smart.app(launch_uri="")
    form = {"client": app.id, "patient": smart.patients["Alice"]}
    answer = post(smart.server, "/oauth/launch", smart.ehr.proof() | form)
    assert answer.status_code == 400
    assert "launch-uri" in answer.json()["error_description"]
