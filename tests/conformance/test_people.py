"""The lives of accounts, from outside: listed, another password, the end, and one's own page."""

import json
from collections.abc import Iterator

import pytest
import requests
from sqlalchemy import select

from server import clock
from server.errors import Busy, Conflict, Missing
from server.flows import accounts, people, throttle
from server.flows.accounts import MOST_FROM_BLOCK, MOST_FROM_STRANGERS
from server.store.share_tables import share_throttle
from server.store.tables import audit
from tests.support import logs
from tests.support.clinic import Clinic
from tests.support.smart_app import PASSWORD, Person, forms

ACCOUNT = "/oauth/account"
ANOTHER = "a better password"


def signed(smart: Clinic, name: str, password: str = PASSWORD) -> Person:
    """Somebody's browser after the login page, whatever that said."""
    person = Person(smart.server, name, password)
    person.log_in(person.open(f"{smart.server.base}/oauth/apps"))
    return person


def is_in(person: Person) -> bool:
    page = person.open(f"{person.server.base}{ACCOUNT}")
    return forms(page)[-1].action == "/oauth/logout"


def change(person: Person, **more: str) -> requests.Response:
    """Fill in the form for another password."""
    page = person.open(f"{person.server.base}{ACCOUNT}")
    given = {"old": PASSWORD, "password": ANOTHER, "again": ANOTHER} | more
    form = forms(page)[0]
    return person.open(person.server.base + form.action, data=form.filled(**given), timeout=60)


def test_people_are_listed_without_what_they_know(smart: Clinic) -> None:
    smart.keys.user("lena", "clinician")
    done = smart.server.run("user", "list", "--organisation", "home", check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["user"] for row in rows] == sorted(row["user"] for row in rows)
    lena = next(row for row in rows if row["user"] == "lena")
    assert (lena["role"], lena["organisation"], lena["ended"]) == ("clinician", "home", "")
    assert "wes" not in {row["user"] for row in rows}
    assert "argon2" not in done.stdout


def test_another_password_ends_every_session_and_what_hung_on_it(smart: Clinic) -> None:
    smart.keys.user("petra", "clinician")
    person = signed(smart, "petra")
    alice = smart.patients["Alice"]
    scope = "user/*.rs launch/patient online_access"
    token = smart.public.tokens(person, scope=scope, patient=alice)["access_token"]
    assert smart.get(f"/fhir/Patient/{alice}", token).status_code == 200
    made = logs.keep_out(smart.server.run("user", "password", "PETRA")["password"])
    assert not is_in(person)
    assert smart.get(f"/fhir/Patient/{alice}", token).status_code == 401
    assert not is_in(signed(smart, "petra"))
    assert is_in(signed(smart, "petra", made))
    with pytest.raises(Missing, match="no such user"):
        people.reset_password(smart.keys.house, "nobody at all", ANOTHER, now=clock.now())


def test_who_has_ended_has_no_session_no_token_and_a_name_that_nobody_gets(smart: Clinic) -> None:
    made = smart.keys.user("emil", "clinician")
    person = signed(smart, "emil")
    alice = smart.patients["Alice"]
    given = smart.public.tokens(
        person, scope="user/*.rs launch/patient offline_access", patient=alice
    )
    assert smart.server.run("user", "end", "emil")["ended"] is True
    assert not is_in(person)
    assert not is_in(signed(smart, "emil"))
    assert smart.get(f"/fhir/Patient/{alice}", given["access_token"]).status_code == 401
    assert smart.public.refresh(given["refresh_token"]).json()["error"] == "invalid_grant"
    with pytest.raises(Conflict):
        smart.keys.user("Emil", "clinician")
    with pytest.raises(Missing):
        people.end(smart.keys.house, "emil", now=clock.now())
    with smart.keys.house.database.read() as connection:
        details = connection.execute(select(audit.c.detail)).scalars().all()
    assert any(f"{made.id} allows" in one for one in details)
    assert any(one == f"user end: {made.id}" for one in details)


def test_a_person_changes_their_password_and_is_signed_out_elsewhere(smart: Clinic) -> None:
    smart.keys.user("paula", "clinician")
    here, there = signed(smart, "paula"), signed(smart, "paula")
    assert change(here, old="not it").status_code == 403
    assert change(here, again="something else").status_code == 400
    assert change(here, password="short", again="short").status_code == 400
    assert is_in(there)
    page = change(here)
    assert (page.status_code, 'role="status"' in page.text) == (200, True)
    assert is_in(here)
    assert not is_in(there)
    assert not is_in(signed(smart, "paula"))
    assert is_in(signed(smart, "paula", ANOTHER))


def test_the_old_password_is_not_guessed_on_the_page_of_an_account(smart: Clinic) -> None:
    smart.keys.user("gerda", "clinician")
    person = signed(smart, "gerda")
    for number in range(5):
        assert change(person, old=f"guess {number}").status_code == 403
    assert change(person).status_code == 403
    assert not is_in(signed(smart, "gerda"))


def test_a_person_sees_where_they_are_signed_in_and_ends_one_of_them(smart: Clinic) -> None:
    smart.keys.user("selma", "clinician")
    there, here = signed(smart, "selma"), signed(smart, "selma")
    page = here.open(f"{smart.server.base}{ACCOUNT}")
    ends = [form for form in forms(page) if form.action == f"{ACCOUNT}/session"]
    assert len(ends) == 1
    assert "From 127.0.0.1" in page.text
    assert ends[0].values("session")[0] not in here.http.cookies["triptych"]
    olga = signed(smart, "olga")
    csrf = forms(olga.open(f"{smart.server.base}{ACCOUNT}"))[0].values("csrf")[0]
    stolen = ends[0].filled(csrf=csrf)
    address = smart.server.base + ends[0].action
    assert olga.open(address, data=stolen).status_code == 404
    assert here.open(address, data=ends[0].filled()).status_code == 200
    assert not is_in(there)
    assert is_in(here)


# Guessing, by where it comes from.


@pytest.fixture
def unthrottled(smart: Clinic) -> Iterator[None]:
    """Nothing is counted before or after."""
    database = smart.keys.house.database
    database.apply(lambda connection: connection.execute(share_throttle.delete()))
    yield
    database.apply(lambda connection: connection.execute(share_throttle.delete()))


def test_a_neighbourhood_that_guesses_is_asked_to_wait_and_others_are_not(
    smart: Clinic, unthrottled: None
) -> None:
    house, now = smart.keys.house, clock.now()
    with house.database.write() as connection:
        for _ in range(MOST_FROM_BLOCK):
            throttle.count(connection, "login|127.0.0.0/24", now=now)
    person = signed(smart, "drew")
    page = person.send(
        person.open(f"{smart.server.base}/oauth/login"), username="drew", password=PASSWORD
    )
    assert (page.status_code, page.headers["Retry-After"]) == (429, "900")
    assert 'role="alert"' in page.text
    assert not is_in(person)
    found = accounts.authenticate(house, "drew", PASSWORD, address="10.1.2.3", now=now)
    assert found.name == "drew"
    later = now + throttle.WINDOW + 1
    accounts.authenticate(house, "drew", PASSWORD, address="127.0.0.9", now=later)


def test_guessers_from_everywhere_keep_out_strangers_alone(
    smart: Clinic, unthrottled: None
) -> None:
    house, now = smart.keys.house, clock.now()
    with house.database.write() as connection:
        accounts.welcome(connection, "drew", "10.7.7.7", now=now)
        for _ in range(MOST_FROM_STRANGERS):
            throttle.count(connection, "login", now=now)
    with pytest.raises(Busy):
        accounts.authenticate(house, "drew", PASSWORD, address="10.9.9.9", now=now)
    accounts.authenticate(house, "drew", PASSWORD, address="10.7.7.200", now=now)
