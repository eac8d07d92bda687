"""What the desk lists is found by whole keys, so that it costs as much in a log ten times as long."""

import re
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import insert

from server import clock
from server.flows import condition, handing, inbox, oversight, queue
from server.flows.access import Grant
from server.flows.inbox import Wanted
from server.flows.sites import HOME, House
from server.store.hl7_tables import message
from server.store.share_tables import share
from server.store.tables import audit, patient, review
from tests.support import charts
from tests.support.effort import measured
from tests.support.houses import opened

OLGA = Grant(
    id="session",
    organisation=HOME,
    client="olga",
    context="user",
    everyone=True,
    staff=True,
    role="operator",
    account="olga",
)
TABLES = {"message", "audit", "share", "review", "patient", "study", "message_effect"}
AGO = 3 * 24 * 3600 * 1_000_000


def fill(house: House, count: int) -> None:
    """Rows of every kind, none of the last day."""
    now = clock.now() - AGO
    named = [(now - number * 1000, number, f"{number:06}") for number in range(count)]
    with house.database.write() as connection:
        connection.execute(insert(patient), [_patient(name) for _, _, name in named])
        connection.execute(insert(message), [_message(at, name) for at, _, name in named])
        connection.execute(insert(audit), [_event(at, number) for at, number, _ in named])
        connection.execute(insert(share), [_share(at, name) for at, _, name in named])
        connection.execute(insert(review), [_item(at, name) for at, _, name in named])


def _patient(name: str) -> dict[str, object]:
    values: dict[str, object] = {"organisation": HOME, "id": name, "kind": "identified"}
    return values | {"salt": name, "facts": "{}"}


def _item(at: int, name: str) -> dict[str, object]:
    values: dict[str, object] = {"organisation": HOME, "id": name, "key": name, "kind": "link"}
    return values | {"state": "open", "created": at, "evidence": "{}"}


def _message(at: int, name: str) -> dict[str, object]:
    values: dict[str, object] = {"organisation": HOME, "id": at, "received": at, "kind": "ADT^A08"}
    values |= {"feed": "loopback", "control_id": name, "fingerprint": name, "sha256": name}
    return values | {"raw": b"MSH|^~\\&|" + b"x" * 500, "ack": b"MSH", "state": "applied"}


def _event(at: int, number: int) -> dict[str, object]:
    values: dict[str, object] = {"writer": "w", "seq": 10**9 - number, "organisation": HOME}
    values |= {"at": at, "door": "desk", "action": "read", "outcome": "0", "client": "olga"}
    return values | {"person": f"p{number}", "hash": "0" * 64}


def _share(at: int, name: str) -> dict[str, object]:
    values: dict[str, object] = {"id": name, "organisation": HOME, "patient": name}
    values |= {"factor": "pin", "token_hash": name, "code_hash": name, "studies": "[]"}
    return values | {"created": at, "expires": at}


LISTS: dict[str, Callable[[House], object]] = {
    "messages": lambda house: inbox.page(house, OLGA, Wanted()),
    "messages of a feed": lambda house: inbox.page(house, OLGA, Wanted(feed="loopback")),
    "messages of a state": lambda house: inbox.page(house, OLGA, Wanted(state="applied")),
    "a message by its control id": lambda house: inbox.page(
        house, OLGA, Wanted(control_id="000050")
    ),
    "messages of a patient": lambda house: inbox.page(house, OLGA, Wanted(patient="000050")),
    "feeds": lambda house: inbox.traffic(house, OLGA, clock.now()),
    "audit": lambda house: oversight.page(house, OLGA, oversight.Wanted(), ""),
    "audit of a patient": lambda house: oversight.page(
        house, OLGA, oversight.Wanted(patient="000050"), ""
    ),
    "review": lambda house: queue.page(house, OLGA, state="open", kind="", after=""),
    "links": lambda house: handing.page(house, OLGA, patient="", before="", now=clock.now()),
    "links of a patient": lambda house: handing.page(
        house, OLGA, patient="000050", before="", now=clock.now()
    ),
    "arrivals": lambda house: condition.arrivals(house, OLGA, clock.now()),
}


# The key by which each list finds its rows, however many there are.
KEYS = {
    "messages": "message (organisation=? AND id>?)",
    "messages of a feed": "message (organisation=? AND feed=? AND id>?)",
    "messages of a state": "message (organisation=? AND state=? AND id>?)",
    "a message by its control id": "message (organisation=? AND feed=? AND control_id=?)",
    "messages of a patient": "message_effect (organisation=? AND type=? AND id=?)",
    "feeds": "message (organisation=? AND feed=? AND id>?)",
    "audit": "audit (organisation=? AND at>?)",
    "audit of a patient": "audit (organisation=? AND person=? AND at>?)",
    "review": "review (organisation=? AND state=?)",
    "links": "share (organisation=?)",
    "links of a patient": "share (organisation=? AND patient=?)",
    "arrivals": "study (organisation=? AND arrived>?)",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("long")) as made:
        fill(made, 120)
        charts.put(made, "of one", "000050")
        yield made


@pytest.mark.parametrize("name", LISTS)
def test_a_list_finds_its_rows_by_their_key_and_reads_them_in_its_order(
    house: House, name: str
) -> None:
    """So that ten times the data does not cost ten times as much."""
    with measured(house.database) as effort:
        LISTS[name](house)
    plans = [re.sub(r"USING (COVERING )?INDEX \w+ ", "", one) for one in effort.plans]
    assert f"SEARCH {KEYS[name]}" in plans, plans
    read = [one for one in plans if one.startswith("SCAN ")]
    assert not [one for one in read if one.split()[1] in TABLES], plans
    assert "USE TEMP B-TREE FOR ORDER BY" not in plans, plans
