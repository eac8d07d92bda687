"""A Magic Link for a named person: it opens for who is signed in as that user, and for nobody else."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from server.errors import Invalid
from server.flows.links import Made
from server.store.share_tables import share_throttle
from server.store.tables import audit
from tests.support.holder import Holder, link, words
from tests.support.keyring import Keyring
from tests.support.practice import Practice
from tests.support.scenes import ALICES
from tests.support.smart_app import Person, forms

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def colleagues(surgery: Practice) -> Iterator[Keyring]:
    """Emil, a clinician elsewhere, and Olga, an operator."""
    surgery.keys.user("emil", "clinician")
    surgery.keys.user("olga", "operator")
    yield surgery.keys
    with surgery.keys.house.database.write() as connection:
        connection.execute(share_throttle.delete())


@pytest.fixture(scope="module")
def made(surgery: Practice) -> Made:
    """A link for Emil, as the command makes it."""
    person = ("--factor", "named-person", "--person", "Emil", "--study", ALICES)
    answer = surgery.server.run("share", "--patient", surgery.patients["Alice"], *person)
    assert not {"short_code", "named-person", "pin"} & set(answer)
    return Made(answer["id"], answer["url"].rpartition("/")[2], answer["url"], "", "", 0)


def signed_in(surgery: Practice, name: str) -> Holder:
    """Somebody's browser, signed in by the page of the house."""
    person = Person(surgery.server, name)
    assert person.log_in(person.open(surgery.server.base + "/oauth/apps")).status_code == 200
    return Holder(surgery.server.base, person.http)


def tried(holder: Holder, made: Made) -> Any:
    """The form of the link's page, sent as it came."""
    page = holder.get(f"/s/{made.token}")
    return holder.answer(f"/s/{made.token}", **dict(forms(page)[0].filled()))


def test_it_opens_for_the_named_user_and_tells_who_and_what_for(
    surgery: Practice, made: Made
) -> None:
    emil = signed_in(surgery, "emil")
    assert "You are signed in as emil." in words(emil.get(f"/s/{made.token}"))
    assert tried(emil, made).headers["Location"] == "/s/open"
    assert "Alice Liddell" in emil.get("/s/open").text
    assert emil.read(f"/dicomweb/studies/{ALICES}/metadata").status_code == 200
    with surgery.keys.house.database.read() as connection:
        query = select(audit.c.purpose, audit.c.detail).where(audit.c.grant == made.id)
        rows = {(row.purpose, row.detail[:14]) for row in connection.execute(query)}
    assert ("TREAT", "link opened by") in rows
    assert ("TREAT", "page") in rows


def test_who_is_to_sign_in_first_comes_back_to_the_link(surgery: Practice, made: Made) -> None:
    emil = Person(surgery.server, "emil")
    page = emil.open(made.url)
    assert "Open</button>" not in page.text
    way = f"/oauth/login?to=/s/{made.token}"
    assert f'href="{way}"' in page.text
    back = emil.log_in(emil.open(surgery.server.base + way))
    assert back.url == made.url
    assert "You are signed in as emil." in back.text
    assert "Open</button>" in back.text


@pytest.mark.parametrize("to", ["//evil.example/s/x", "/s/x/../../x", "/s//evil.example", "/s/"])
def test_no_other_address_is_one_to_come_back_to(surgery: Practice, to: str) -> None:
    page = Person(surgery.server, "emil").open(f"{surgery.server.base}/oauth/login?to={quote(to)}")
    assert 'name="to" value=""' in page.text


def test_it_opens_for_nobody_else(surgery: Practice, made: Made) -> None:
    drew = signed_in(surgery, "drew")
    answer = tried(drew, made)
    assert answer.status_code == 403
    assert drew.get("/s/open").status_code == 401
    nobody = Holder(surgery.server.base)
    for form in ({}, {"factor": "emil"}, {"factor": "4 5 1952"}):
        assert nobody.answer(f"/s/{made.token}", **form).status_code == 200
    assert nobody.get("/s/open").status_code == 401
    unknown = Made("", "n" + "x" * 27, "", "", "", 0)
    assert tried(drew, unknown).text.replace(unknown.token, made.token) == answer.text


def test_a_form_of_another_page_opens_nothing_for_who_is_signed_in(
    surgery: Practice, made: Made
) -> None:
    emil = signed_in(surgery, "emil")
    assert emil.answer(f"/s/{made.token}", csrf="0" * 64).status_code == 403
    assert emil.get("/s/open").status_code == 401


def test_it_is_neither_passed_on_nor_tells_who_else_used_it(surgery: Practice, made: Made) -> None:
    emil = signed_in(surgery, "emil")
    tried(emil, made)
    assert "Pass on" not in emil.get("/s/link").text
    assert "Who used it" not in emil.get("/s/link").text


def test_it_ends_when_its_user_signs_out(surgery: Practice, made: Made) -> None:
    person = Person(surgery.server, "emil")
    page = person.log_in(person.open(surgery.server.base + "/oauth/apps"))
    emil = Holder(surgery.server.base, person.http)
    assert tried(emil, made).status_code == 303
    assert emil.get("/s/open").status_code == 200
    emil.submit("/oauth/apps", "/oauth/logout")
    assert page.status_code == 200
    assert emil.get("/s/open").status_code == 401


@pytest.mark.parametrize(
    ("factor", "person"),
    [("named-person", ""), ("named-person", "nobody"), ("named-person", "olga"), ("pin", "emil")],
)
def test_a_link_that_names_nobody_or_somebody_without_cause_is_refused(
    surgery: Practice, factor: str, person: str
) -> None:
    with pytest.raises(Invalid):
        link(surgery.keys, surgery.patients["Alice"], factor, person=person)
