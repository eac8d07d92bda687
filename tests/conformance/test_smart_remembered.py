"""Consent that is remembered: the same app gets the same, or less, for the same patient (RFC 6749 10.2)."""

from typing import Any

import pytest
import requests
from sqlalchemy import select, update

from server import clock
from server.store.login_tables import memory
from tests.support.clinic import Clinic
from tests.support.smart_app import PASSWORD, App, Person, forms, told

SCOPE = "launch/patient openid patient/ImagingStudy.rs patient/DiagnosticReport.rs"


@pytest.fixture
def app(smart: Clinic) -> App:
    """An app with a secret, which nobody has allowed anything yet."""
    return smart.app("confidential", name="Remembered")


def somebody(smart: Clinic, name: str, role: str = "patient", *patients: str) -> Person:
    """A new user in a browser of their own."""
    smart.keys.user(name, role, *patients)
    return Person(smart.server, name, PASSWORD)


def consent(person: Person, app: App, **more: Any) -> requests.Response:
    patient = more.pop("patient", "")
    return person.reach_consent(app.ask(person, **{"scope": SCOPE} | more), patient)


def asked(page: requests.Response) -> bool:
    """Whether a page asks for consent; the way back to the app does not."""
    return page.status_code == 200 and bool(forms(page)[-1].values("decision"))


def test_a2_what_was_remembered_is_given_again_without_a_question(smart: Clinic, app: App) -> None:
    person = somebody(smart, "rita", "patient", smart.patients["Alice"])
    page = consent(person, app)
    assert not [one for one in forms(page)[-1].fields if one[0] == "remember" and one[3]]
    told(person.allow(page, remember="1"))
    for less in (
        SCOPE,
        "launch/patient patient/ImagingStudy.rs",
        "launch/patient patient/ImagingStudy.r",
    ):
        answer = consent(person, app, scope=less)
        given = app.redeem(told(answer)["code"]).json()
        assert set(given["scope"].split()) == set(less.split())
        assert given["patient"] == smart.patients["Alice"]
    # In another browser too, once its user is signed in; and where the app wants no page at all.
    other = Person(smart.server, "rita", PASSWORD)
    assert told(app.ask(other, scope=SCOPE, prompt="none"))["error"] == "login_required"
    assert "code" in told(consent(other, app))
    assert "code" in told(app.ask(other, scope=SCOPE, prompt="none"))


MORE = {
    "another type": {"scope": f"{SCOPE} patient/Observation.rs"},
    "another letter": {"scope": f"{SCOPE} patient/Patient.r user/Patient.r"},
    "offline access": {"scope": f"{SCOPE} offline_access"},
    "going on online": {"scope": f"{SCOPE} online_access"},
    "a question": {"prompt": "consent"},
}


def test_a2_more_or_a_question_that_is_wanted_is_asked_again(smart: Clinic, app: App) -> None:
    person = somebody(smart, "rosa", "patient", smart.patients["Alice"])
    told(person.allow(consent(person, app), remember="1"))
    for why, words in MORE.items():
        assert asked(consent(person, app, **words)), why
    wanted = app.ask(person, scope=f"{SCOPE} offline_access", prompt="none")
    assert told(wanted)["error"] == "consent_required"
    assert "code" in told(consent(person, app))


def test_a2_what_was_unticked_stays_away(smart: Clinic, app: App) -> None:
    person = somebody(smart, "rudi", "patient", smart.patients["Alice"])
    kept = ["launch/patient", "patient/ImagingStudy.rs"]
    told(person.allow(consent(person, app), scope=kept, remember="1"))
    given = app.redeem(told(consent(person, app))["code"]).json()
    assert given["scope"].split() == kept


def test_a2_nothing_is_remembered_that_nobody_ticked(smart: Clinic, app: App) -> None:
    person = somebody(smart, "rene", "patient", smart.patients["Alice"])
    told(person.allow(consent(person, app)))
    assert asked(consent(person, app))


def test_a2_another_patient_user_or_app_is_asked(smart: Clinic, app: App) -> None:
    alice, bob = smart.patients["Alice"], smart.patients["Bob"]
    person = somebody(smart, "romy", "proxy", alice, bob)
    told(person.allow(consent(person, app, patient=alice), remember="1"))
    assert "code" in told(consent(person, app, patient=alice))
    assert asked(consent(person, app, patient=bob))
    assert asked(consent(person, smart.app("confidential"), patient=alice))
    assert asked(consent(somebody(smart, "ruth", "proxy", alice, bob), app, patient=alice))


def test_a2_an_app_that_others_could_stand_in_for_is_never_remembered(smart: Clinic) -> None:
    person = somebody(smart, "ralf", "patient", smart.patients["Alice"])
    page = consent(person, smart.public)
    assert forms(page)[-1].values("remember") == []
    told(person.allow(page, remember="1"))
    assert asked(consent(person, smart.public))
    with smart.keys.house.database.read() as connection:
        query = select(memory).where(memory.c.client == smart.public.id)
        assert connection.execute(query).all() == []


def test_a2_it_is_shown_and_ended_where_apps_are(smart: Clinic, app: App) -> None:
    person = somebody(smart, "rolf", "patient", smart.patients["Alice"])
    told(person.allow(consent(person, app), remember="1"))
    apps = f"{smart.server.base}/oauth/apps"
    person.send(
        person.open(apps)
    )  # the last form signs out: what was allowed ends, the memory stays
    page = person.log_in(person.open(apps))
    assert "You are not asked again" in page.text
    assert "code" in told(consent(person, app))
    page = person.open(apps)
    form = next(form for form in forms(page) if form.action == "/oauth/apps")
    assert person.open(apps, data=form.filled()).status_code == 200
    assert asked(consent(person, app))
    told(person.allow(consent(person, app), remember="1"))
    with smart.keys.house.database.write() as connection:
        connection.execute(update(memory).values(expires=clock.now()))
    assert asked(consent(person, app))


def test_a2_a_code_that_comes_twice_ends_the_memory_too(smart: Clinic, app: App) -> None:
    person = somebody(smart, "rhea", "patient", smart.patients["Alice"])
    code = told(person.allow(consent(person, app), remember="1"))["code"]
    assert app.redeem(code).status_code == 200
    assert app.redeem(code).status_code == 400
    assert asked(consent(person, app))
