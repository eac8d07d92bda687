"""Magic Links made by a hospital's own systems: who may, for whom, and what they get."""

import re
from typing import Any

import pytest
import requests
from sqlalchemy import select

from server.errors import Invalid
from server.store.tables import audit
from tests.support.backend import Backend, post
from tests.support.holder import Holder
from tests.support.practice import Practice
from tests.support.scenes import ALICES, BOBS, SYSTEM

pytestmark = pytest.mark.slow
RIGHT = "system/*.rs share"


def ask(
    surgery: Practice, client: Backend | None, bearer: str = "", **form: str
) -> requests.Response:
    proof = client.proof() if client and not bearer else {}
    named = {"patient": surgery.patients["Alice"]} | form
    return post(surgery.server, "/oauth/share", proof | named, bearer)


def test_a_client_with_that_right_makes_links_for_whom_it_reaches(surgery: Practice) -> None:
    portal = surgery.keys.backend("all", RIGHT)
    answer = ask(
        surgery,
        portal,
        patient=f"{SYSTEM}|ALICE",
        study=ALICES,
        factor="pin",
        expires="7d",
        uses="1",
    )
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    told = answer.json()
    assert re.fullmatch(r"\d{6}", told["pin"])
    assert told["qr_svg"].startswith("<svg")
    holder = Holder(surgery.server.base)
    path = told["url"].removeprefix(surgery.server.base)
    assert holder.answer(path, factor=told["pin"]).status_code == 303
    assert holder.get("/s/pictures").status_code == 200
    assert Holder(surgery.server.base).answer(path, factor=told["pin"]).status_code == 403
    with surgery.keys.house.database.read() as connection:
        query = select(audit).where(audit.c.grant == told["id"]).order_by(audit.c.at).limit(1)
        made = connection.execute(query).one()
    assert (made.door, made.action, made.client) == ("oauth", "create", portal.id)
    assert ask(surgery, None, portal.token()).status_code == 201


def test_who_has_not_the_right_or_does_not_reach_the_patient_makes_no_link(
    surgery: Practice,
) -> None:
    bobs = surgery.keys.backend(f"patient:{surgery.patients['Bob']}", RIGHT)
    plain = surgery.keys.backend("all")
    own = surgery.keys.token("patient/*.rs", surgery.patients["Alice"])
    for client, bearer, status in (
        (None, "", 401),
        (None, "made-up", 401),
        (None, own, 401),
        (plain, "", 400),
        (bobs, "", 400),
    ):
        answer = ask(surgery, client, bearer)
        assert answer.status_code == status, answer.text
        assert "url" not in answer.json()
    unknown, other = ask(surgery, bobs, patient="nobody"), ask(surgery, bobs)
    assert unknown.text == other.text, "who is there is not told to whom it does not concern"
    assert ask(surgery, bobs, patient=surgery.patients["Bob"], factor="pin").status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"study": BOBS},
        {"factor": "none"},
        {"factor": "birth-date", "expires": "31d"},
        {"expires": "soon"},
        {"uses": "-1"},
        {"uses": "٣"},
        {"patient": ""},
    ],
    ids=str,
)
def test_a_link_that_makes_no_sense_is_refused(surgery: Practice, wrong: dict[str, Any]) -> None:
    answer = ask(surgery, surgery.keys.backend("all", RIGHT), **wrong)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]


def test_the_right_to_make_links_is_a_backends_alone(surgery: Practice) -> None:
    with pytest.raises(Invalid):
        surgery.keys.app(scope="share patient/*.rs")
