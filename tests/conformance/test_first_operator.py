"""The first operator of a new server, and the pages that need somebody signed in (fixed interface)."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Response
from sqlalchemy import select, update

from server import clock
from server.app import create_app
from server.flows import first_operator
from server.flows.accounts import Wanted, add
from server.store.login_tables import account
from server.store.tables import install
from server.web import apps, login
from server.web.routes import Call, Route, Signed
from tests.support import houses, logs
from tests.support.server import Server, running
from tests.support.smart_app import PASSWORD, Person, forms


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a folder that was empty, and for each test without an operator."""
    with running(tmp_path_factory.mktemp("fresh"), HTTP_WORKERS="1") as server:
        yield server


def invite(server: Server) -> str:
    """Another address, as the next start of `serve` would print it."""
    with houses.opened(server.data, BASE_URL=server.base) as house:
        with house.database.write() as connection:
            connection.execute(account.delete())
        return logs.keep_out(first_operator.address(house, now=clock.now()))


def filled(person: Person, address: str, name: str = "olga", **more: str) -> requests.Response:
    given = {"username": name, "password": PASSWORD, "again": PASSWORD} | more
    return person.send(person.open(address), **given)


def operators(server: Server) -> list[str]:
    with houses.opened(server.data) as house, house.database.read() as connection:
        query = select(account.c.name).where(account.c.role == "operator")
        return list(connection.execute(query).scalars())


def test_the_printed_address_makes_one_operator_who_is_signed_in_then(fresh: Server) -> None:
    assert fresh.setup.startswith(f"{fresh.base}/setup/")
    person = Person(fresh)
    for _ in range(2):  # looking uses nothing up
        assert person.open(fresh.setup).status_code == 200
    for wrong in ({"again": "another password"}, {"password": "short", "again": "short"}):
        assert filled(person, fresh.setup, **wrong).status_code == 400
    assert filled(person, fresh.setup, name="a:b").status_code == 400
    assert operators(fresh) == []
    page = filled(person, fresh.setup)
    assert page.status_code == 200
    page = person.open(f"{fresh.base}/oauth/apps")
    assert forms(page)[-1].action == "/oauth/logout"
    assert operators(fresh) == ["olga"]
    other = Person(fresh)
    assert other.open(fresh.setup).status_code == 410
    secret = fresh.setup.rpartition("/")[2]
    with houses.opened(fresh.data) as house, house.database.read() as connection:
        kept = " ".join(connection.execute(select(install.c.value)).scalars())
    assert secret not in kept


def test_of_two_at_once_exactly_one_becomes_the_operator(fresh: Server) -> None:
    address = invite(fresh)
    people = [Person(fresh, name) for name in ("otto", "olga", "oda", "ove")]
    pages = [person.open(address) for person in people]
    together, answers = threading.Barrier(4), []

    def send(which: int) -> None:
        given = {"username": people[which].name, "password": PASSWORD, "again": PASSWORD}
        together.wait()
        answers.append(people[which].send(pages[which], **given).status_code)

    threads = [threading.Thread(target=send, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 410, 410, 410]
    assert len(operators(fresh)) == 1


def test_an_address_ends_by_time_by_another_and_by_an_operator_made_otherwise(
    fresh: Server,
) -> None:
    before = invite(fresh)
    after = invite(fresh)
    assert Person(fresh).open(before).status_code == 410
    assert Person(fresh).open(f"{fresh.base}/setup/{'A' * 43}").status_code == 410
    with houses.opened(fresh.data) as house, house.database.write() as connection:
        old = select(install.c.value).where(install.c.name == "setup")
        text = connection.execute(old).scalar_one()
        hour = str(clock.now() - 1)
        late = text.partition('"expires": ')[0] + f'"expires": {hour}}}'
        mine = update(install).where(install.c.name == "setup")
        connection.execute(mine.values(value=late))
    assert Person(fresh).open(after).status_code == 410
    person = Person(fresh)
    page = person.open(invite(fresh))
    with houses.opened(fresh.data) as house:
        add(house, Wanted("otto", "operator", password=PASSWORD), now=clock.now())
        assert first_operator.address(house, now=clock.now()) == ""
    given = {"username": "olga", "password": PASSWORD, "again": PASSWORD}
    assert person.send(page, **given).status_code == 410
    assert operators(fresh) == ["otto"]


def test_the_form_of_another_browser_or_site_makes_nobody(fresh: Server) -> None:
    address = invite(fresh)
    page = Person(fresh).open(address)
    given = {"username": "olga", "password": PASSWORD, "again": PASSWORD}
    form = forms(page)[-1].filled(**given)
    assert requests.post(address, data=form, timeout=60).status_code == 403
    other = Person(fresh)
    other.open(address)
    assert other.open(address, data=form).status_code == 403
    assert operators(fresh) == []


def greet(call: Call) -> Response:
    return Response(f"{call.who.role} {call.who.account} {call.who.organisation}")


def csrf(page: str) -> str:
    """What the first form of a page carries."""
    found = re.search('name="csrf" value="([^"]+)', page)
    assert found is not None
    return found[1]


DESKS = (
    Route("/desk/", ("GET",), "desk", Signed(("operator",)), greet, "A page of staff"),
    Route("/desk/do", ("POST",), "desk", Signed(("operator",)), greet, "A form of it"),
)


def test_a_page_of_staff_asks_who_is_there_and_refuses_other_roles(tmp_path: Path) -> None:
    with houses.opened(tmp_path) as house:
        for role in ("operator", "privacy"):
            add(house, Wanted(role, role, password=PASSWORD), now=clock.now())
        http = create_app(house, (*login.ROUTES, *apps.ROUTES, *DESKS)).test_client()
        away = http.get("/desk/?of=1")
        assert (away.status_code, away.location) == (303, "/oauth/login?to=%2Fdesk%2F%3Fof%3D1")
        assert http.post("/desk/do").location == "/oauth/login"
        for role in ("privacy", "operator"):
            page = http.get("/oauth/login?to=//elsewhere.example/desk/")
            assert "elsewhere" not in page.text.partition("</form>")[0]
            before = csrf(http.get(away.location).text)
            form = {"csrf": before, "to": "/desk/?of=1", "username": role, "password": PASSWORD}
            assert http.post("/oauth/login", data=form).location == "/desk/?of=1"
            assert http.get("/desk/").status_code == {"privacy": 403, "operator": 200}[role]
        again = {"csrf": csrf(http.get("/oauth/login").text), "username": "operator"}
        landed = http.post("/oauth/login", data=again | {"password": PASSWORD})
        assert landed.location == "/desk/"
        assert http.get("/desk/").text.startswith("operator ")
        assert http.post("/desk/do", data={"csrf": before}).status_code == 403
        mine = csrf(http.get("/oauth/apps").text)
        for site, status in (("cross-site", 403), ("same-origin", 200)):
            sent = http.post("/desk/do", data={"csrf": mine}, headers={"Sec-Fetch-Site": site})
            assert sent.status_code == status


def test_an_address_is_printed_only_while_there_is_no_operator(tmp_path: Path) -> None:
    with houses.opened(tmp_path) as house:
        add(house, Wanted("olga", "operator", password=PASSWORD), now=clock.now())
    with running(tmp_path, "--only", "web", HTTP_WORKERS="1") as server:
        assert server.setup == ""
