"""Orders over their life: what a message about an order alone changes, and what it leaves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from server.flows import messages
from server.flows.feeds import Connecting
from server.flows.sites import House
from server.flows.worker import Worker
from server.store.fhir_tables import resource
from server.store.hl7_tables import message
from tests.support.hl7_builder import PID, obr, packed
from tests.support.houses import opened

ORDER = (PID, "ORC|NW|P1|F1", obr(f1="1", f2="P1", f3="F1", f4="CT^CT head^L", f18="A1"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def send(house: House, *segments: str) -> dict[str, Any]:
    """Send an order message and apply it; gives the order as it then stands."""
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    with house.database.read() as connection:
        control = str(len(list(connection.execute(select(message.c.id)))))
    assert b"MSA|AA" in messages.receive(
        house, caller, packed("ORM^O01", *segments, control=control)
    )
    worker = Worker(house)
    while worker.step():
        pass
    with house.database.read() as connection:
        query = select(resource.c.text).where(resource.c.type == "ServiceRequest")
        (text,) = connection.execute(query).scalars()
    body: dict[str, Any] = json.loads(text)
    return body


def states(house: House) -> list[str]:
    with house.database.read() as connection:
        return list(connection.execute(select(message.c.state).order_by(message.c.id)).scalars())


@pytest.mark.parametrize("refusal", ["UC", "UD"])
def test_an_order_that_is_not_cancelled_after_all_is_what_it_was_before(
    house: House, refusal: str
) -> None:
    told = [send(house, *ORDER)["status"]]
    told += [send(house, f"ORC|{code}|P1|F1")["status"] for code in ("HD", "CA", "DC", refusal)]
    assert told == ["active", "on-hold", "revoked", "revoked", "on-hold"]
    assert send(house, f"ORC|{refusal}|P1|F1")["status"] == "on-hold"


def test_a_message_about_the_status_alone_changes_nothing_else(house: House) -> None:
    before = send(house, *ORDER)
    after = send(house, "ORC|SC|P1|F1||CM")
    assert after["status"] == "completed"
    changed = {key for key in before.keys() | after if before.get(key) != after.get(key)}
    assert changed == {"status", "meta"}


def test_a_status_of_an_order_that_nobody_knows_waits_for_a_person(house: House) -> None:
    send(house, *ORDER)
    send(house, "ORC|CA|P9|F9")
    assert states(house) == ["applied", "review"]
