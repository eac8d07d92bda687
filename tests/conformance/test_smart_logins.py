"""People and their browsers: passwords, lock-out, sessions, cookies, forms (rows A2; rules 2, 6)."""

import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from argon2 import PasswordHasher
from sqlalchemy import select, update

from server import clock
from server.app import create_app
from server.errors import Fault
from server.flows import passwords, sessions
from server.flows.passwords import Passwords
from server.store.login_tables import account, attempt, session
from tests.support import houses
from tests.support.clinic import Clinic
from tests.support.smart_app import PASSWORD, Person, forms

LOGIN = "/oauth/login"


def login_page(smart: Clinic, person: Person) -> requests.Response:
    return person.open(smart.server.base + "/oauth/apps")


def attempted(smart: Clinic, name: str, password: str) -> requests.Response:
    """An answer to the login page, from a browser that was never here."""
    person = smart.stranger()
    return person.send(login_page(smart, person), username=name, password=password)


def test_a_user_is_made_with_a_password_of_theirs_or_gets_one_once(smart: Clinic) -> None:
    alice = smart.patients["Alice"]
    words = ("user", "add", "Núria", "--role", "patient", "--patient", alice)
    made = smart.server.run(*words)
    assert made["fhirUser"] == f"{smart.server.base}/fhir/Patient/{alice}"
    assert attempted(smart, "núria", made["password"]).status_code == 200
    more = ("user", "add", "omar", "--role", "clinician", "--password-stdin")
    made = smart.server.run(*more, "--practitioner", "p-17", stdin=f"{PASSWORD}\n")
    assert "password" not in made
    assert made["fhirUser"].endswith("/fhir/Practitioner/p-17")
    assert attempted(smart, "OMAR ", PASSWORD).status_code == 200
    with smart.keys.house.database.read() as connection:
        lives = select(account.c.password_hash).where(account.c.retired == 0)
        kept = connection.execute(lives).scalars().all()
    assert all(one.startswith("$argon2id$") for one in kept)


WRONG: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("alice", "clinician", (), "already"),
    ("ALICE", "clinician", (), "already"),
    ("new", "patient", (), "--patient"),
    ("new", "clinician", ("x",), "--patient"),
    ("new", "patient", ("nobody",), "no such patient"),
    ("a:b", "clinician", (), "name"),
    ("new", "king", (), "--role"),
)


@pytest.mark.parametrize(("name", "role", "patients", "why"), WRONG)
def test_a_user_who_makes_no_sense_is_refused(
    smart: Clinic, name: str, role: str, patients: tuple[str, ...], why: str
) -> None:
    with pytest.raises(Fault, match=why):
        smart.keys.user(name, role, *patients)


def test_a_short_password_is_refused(smart: Clinic) -> None:
    words = ("user", "add", "new", "--role", "operator", "--password-stdin")
    done = smart.server.run(*words, stdin="short\n", check=False)
    assert done.returncode == 2
    assert "8 to 1024 characters" in done.stderr


def test_wrong_unknown_and_locked_answer_alike_and_five_wrong_answers_lock(smart: Clinic) -> None:
    smart.keys.user("locked", "operator")
    unknown = [attempted(smart, "nobody at all", "wrong") for _ in range(2)]
    wrong = [attempted(smart, "locked", f"wrong {n}") for n in range(5)]
    right = attempted(smart, "locked", PASSWORD)
    answers = [*unknown, *wrong, right]
    assert {one.status_code for one in answers} == {401}
    assert len({without_secrets(one) for one in answers}) == 1
    assert 'role="alert"' in right.text
    assert 'aria-describedby="wrong"' in right.text
    with smart.keys.house.database.write() as connection:
        connection.execute(update(attempt).values(until=clock.now()))
    assert attempted(smart, "locked", PASSWORD).status_code == 200


def without_secrets(page: requests.Response) -> str:
    """A page without what is its browser's alone."""
    text = page.text
    for name in ("csrf", "request"):
        for value in forms(page)[-1].values(name):
            text = text.replace(value, "") if value else text
    return text


def test_a_right_answer_makes_earlier_wrong_ones_forgotten(smart: Clinic) -> None:
    smart.keys.user("typist", "operator")
    for _ in range(2):
        for n in range(3):
            assert attempted(smart, "typist", f"wrong {n}").status_code == 401
        assert attempted(smart, "typist", PASSWORD).status_code == 200


def test_many_guesses_at_once_are_no_more_than_five(smart: Clinic) -> None:
    smart.keys.user("raced", "operator")
    people = [smart.stranger() for _ in range(8)]
    pages = [login_page(smart, one) for one in people]
    together = threading.Barrier(8)

    def guess(which: int) -> None:
        together.wait()
        people[which].send(pages[which], username="raced", password="wrong")

    threads = [threading.Thread(target=guess, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert attempted(smart, "raced", PASSWORD).status_code == 401


def test_an_unknown_name_costs_as_much_work_as_a_known_one() -> None:
    """The digest that stands for nobody's password is made as those of today are."""
    assert not PasswordHasher().check_needs_rehash(passwords.NOBODYS)
    assert not Passwords().verify("", PASSWORD)


def test_logins_right_and_wrong_are_in_the_audit_without_what_was_typed(smart: Clinic) -> None:
    smart.keys.user("seen", "operator")
    before = len(smart.events(door="login", action="login"))
    attempted(smart, "seen", PASSWORD)
    attempted(smart, "seen", "wrong-pa55word")
    attempted(smart, "typed-a-passw0rd", "x")
    rows = smart.events(door="login", action="login")[before:]
    assert [row.outcome for row in rows] == ["0", "4", "4"]
    told = " ".join(row.detail for row in rows)
    assert "passw0rd" not in told
    assert "pa55word" not in told


# Sessions and cookies.


def test_a_session_is_another_secret_than_the_visit_before_it(smart: Clinic) -> None:
    """Fixation: a cookie that somebody planted is never that of a session."""
    victim = smart.stranger("alice")
    victim.http.cookies.set("triptych", "A" * 43, domain="127.0.0.1", path="/")
    page = login_page(smart, victim)
    victim.log_in(page)
    assert victim.http.cookies.get("triptych") != "A" * 43
    attacker = smart.stranger()
    attacker.http.cookies.set("triptych", "A" * 43, domain="127.0.0.1", path="/")
    assert forms(login_page(smart, attacker))[-1].values("password")


def test_the_cookie_is_unseen_by_scripts_and_other_sites(smart: Clinic) -> None:
    answer = requests.get(smart.server.base + "/oauth/apps", timeout=60)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("triptych=")
    for word in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    assert "Expires" not in cookie


def test_over_https_the_cookie_is_of_this_host_alone(tmp_path: Path) -> None:
    with houses.opened(tmp_path, BASE_URL="https://triptych.example") as house:
        answer = create_app(house).test_client().get("/oauth/apps")
        cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-triptych=")
    assert "Secure" in cookie


def test_a_session_ends_when_it_is_idle_old_or_signed_out(smart: Clinic) -> None:
    now = clock.now()
    for values in ({"seen": now - sessions.IDLE}, {"expires": now}, {"ended": now}):
        person = smart.stranger("drew")
        person.log_in(login_page(smart, person))
        assert not forms(login_page(smart, person))[-1].values("password")
        set_last(smart, values)
        assert forms(login_page(smart, person))[-1].values("password")


def set_last(smart: Clinic, values: dict[str, Any]) -> None:
    """Change the session that began last."""
    with smart.keys.house.database.write() as connection:
        query = select(session.c.hash).order_by(session.c.authenticated.desc()).limit(1)
        last = connection.execute(query).scalar_one()
        connection.execute(update(session).where(session.c.hash == last).values(**values))


def test_a_new_login_in_a_browser_ends_the_one_before(smart: Clinic) -> None:
    person = smart.stranger("alice")
    person.log_in(login_page(smart, person))
    before = person.http.cookies["triptych"]
    page = smart.public.ask(person, prompt="login")
    person.name = "bob"
    person.log_in(page)
    other = smart.stranger()
    other.http.cookies.set("triptych", before, domain="127.0.0.1", path="/")
    assert forms(login_page(smart, other))[-1].values("password")


# Forms of other sites.


def test_a_form_without_its_browsers_token_does_nothing(smart: Clinic) -> None:
    alice, bob = smart.person("alice"), smart.person("bob")
    page = alice.reach_consent(smart.public.ask(alice))
    others = forms(bob.reach_consent(smart.public.ask(bob)))[-1].values("csrf")[0]
    form = forms(page)[-1]
    before = len(smart.events(door="login", action="refuse"))
    wrong = ("", "x", "é", others)
    for csrf in wrong:
        data = form.filled(csrf=csrf, decision="allow")
        answer = alice.open(smart.server.base + form.action, data=data)
        assert answer.status_code == 403
        assert "Location" not in answer.headers
    assert len(smart.events(door="login", action="refuse")) == before + len(wrong)
    assert alice.allow(page).status_code == 303


@pytest.mark.parametrize(
    "path", [LOGIN, "/oauth/pick", "/oauth/decide", "/oauth/logout", "/oauth/apps"]
)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_no_form_of_another_site_is_taken(smart: Clinic, path: str, site: str) -> None:
    alice = smart.person("alice")
    alice.reach_consent(smart.public.ask(alice))
    csrf = forms(alice.open(smart.server.base + "/oauth/apps"))[-1].values("csrf")[0]
    headers = {"Sec-Fetch-Site": site}
    answer = alice.open(smart.server.base + path, data={"csrf": csrf}, headers=headers)
    assert answer.status_code == 403
    bare = requests.post(smart.server.base + path, data={"csrf": csrf}, timeout=60)
    assert bare.status_code == 403


def test_a_cookie_opens_neither_record_nor_pictures(smart: Clinic) -> None:
    alice = smart.person("alice")
    alice.reach_consent(smart.public.ask(alice))
    for path in ("/fhir/Patient", "/dicomweb/studies"):
        assert alice.http.get(smart.server.base + path, timeout=60).status_code == 401
