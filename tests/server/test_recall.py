"""A merge that is undone ends what showed the wrong patient, and tells who has seen what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server import clock
from server.errors import Unauthenticated
from server.flows import curating, grants, links, opening, recalls, resources
from server.flows.factors import DAY
from server.flows.links import Made, Wanted
from server.flows.opening import Handle
from server.flows.sites import House
from tests.support.examination import ADT, ORDER, PID, bodies, drain, send, store, token_for
from tests.support.hl7_builder import packed
from tests.support.houses import opened

OLD, NEW = "4MR1", "7NEW7"
SURVIVOR = packed("ADT^A04^ADT_A01", PID.replace(OLD, NEW), control="A7")
A40 = packed("ADT^A40^ADT_A39", PID.replace(OLD, NEW), f"MRG|{OLD}^^^HOSP^MR", control="M1")
A37 = packed("ADT^A37^ADT_A37", PID.replace(OLD, NEW), PID, control="M2")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, SETTLE_SECONDS="0", ISSUER="http://127.0.0.1:8080/hosp") as made:
        for raw in (SURVIVOR, ADT, ORDER):
            send(made, raw)
        store(made)
        yield made


def patient(house: House, number: str) -> str:
    (found,) = (
        one["id"]
        for one in bodies(house)["Patient"]
        if (one["identifier"][0]["value"], one["identifier"][0].get("use")) == (number, "usual")
    )
    return str(found)


def share(house: House, patient_id: str) -> tuple[Made, str]:
    """A link, and the session of a browser that has opened it."""
    now = clock.now()
    made = links.make(house, Wanted(patient_id, "pin", now + DAY), now=now)
    handle = Handle(token=made.token)
    return made, opening.open_link(house, handle, made.answer, address="127.0.0.1", now=now)


def is_open(house: House, session: str) -> bool:
    try:
        opening.authenticate(house, session, address="127.0.0.1", now=clock.now())
    except Unauthenticated:
        return False
    return True


def opens(house: House, made: Made) -> bool:
    handle = Handle(token=made.token)
    try:
        opening.open_link(house, handle, made.answer, address="127.0.0.1", now=clock.now())
    except Unauthenticated:
        return False
    return True


def is_good(house: House, token: str) -> bool:
    return grants.good_row(house, token, clock.now()) is not None


def recalled(house: House) -> Any:
    (found,) = recalls.listing(house, "home")
    return found


@pytest.mark.parametrize("how", ["operator", "feed"])
def test_an_unmerge_ends_every_grant_that_could_show_the_other_patient(
    house: House, how: str
) -> None:
    gone, survivor = patient(house, OLD), patient(house, NEW)
    theirs, before = share(house, gone)
    early = token_for(house, survivor)
    send(house, A40)
    assert not is_open(house, before)
    made, session = share(house, survivor)
    late = token_for(house, survivor)
    staff = grants.for_script(house, "system/*.rs", now=clock.now())
    (order,) = bodies(house)["ServiceRequest"]
    grant = grants.authenticate(house, late, address="192.0.2.7", now=clock.now())
    reading = resources.read(house, grant, "ServiceRequest", order["id"])[1]
    reading.sent(300, 1)
    reading.end()
    house.auditor.close()
    if how == "operator":
        curating.unmerge(house, "home", gone, "two people", now=clock.now())
    else:
        send(house, A37)
    assert (is_open(house, session), opens(house, made)) == (False, False)
    assert (is_open(house, before), opens(house, theirs)) == (False, False), "it does not come back"
    assert not is_good(house, late)
    assert is_good(house, early), "it never showed the other patient"
    assert is_good(house, staff.token), "it shows everybody, each as who it is"
    told = recalled(house)
    assert (told["act"], told["patient"], told["shown_as"]) == ("unmerge", gone, survivor)
    assert sorted(told["ended"]) == sorted([grant.id, made.id])
    (read,) = (one for one in told["exposures"] if one["grant"] == grant.id)
    assert (read["address"], read["count"], read["bytes"]) == ("192.0.2.7", 1, 300)


def test_a_replay_of_an_undone_merge_recalls_nothing_twice(house: House) -> None:
    gone = patient(house, OLD)
    send(house, A40)
    curating.unmerge(house, "home", gone, "two people", now=clock.now())
    send(house, A37)
    drain(house)
    assert recalled(house)["ended"] == []
