"""Writers and feeds beside each other: whose word changes what, whatever came first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import false, select

from fhir import scopes, wire
from server.errors import BadMethod, Unprocessable
from server.flows import authoring, messages, resources
from server.flows.access import Grant
from server.flows.authoring import Condition
from server.flows.feeds import Connecting
from server.flows.sites import HOME, House
from server.flows.worker import Worker
from server.store.fhir_tables import resource
from tests.support.hl7_builder import PID, obr, packed
from tests.support.houses import opened
from tests.support.scribe import number, order, report

ORDER = (PID, "ORC|NW|P1|F1", obr(f1="1", f2="P1", f3="F1", f4="CT^CT head^L", f18="A1"))
REPORT = (
    PID,
    obr(f1="1", f2="P1", f3="F1", f4="CT^CT head^L", f18="A1", f25="F"),
    "OBX|1|TX|1^Text^L||no fracture||||||F",
)
WRITER = Grant(
    id="w",
    organisation=HOME,
    client="ris",
    context="system",
    scopes=scopes.split("system/*.cruds")[0],
    everyone=True,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def send(house: House, kind: str, *segments: str, control: str) -> None:
    """Send a message and apply it."""
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    answer = messages.receive(house, caller, packed(kind, *segments, control=control))
    assert b"MSA|AA" in answer
    settle(house)


def settle(house: House) -> None:
    worker = Worker(house)
    while worker.step():
        pass


def all_of(house: House, kind: str) -> list[dict[str, Any]]:
    """The present resources of a type, the oldest first."""
    query = select(resource.c.text).where(resource.c.type == kind, resource.c.deleted == false())
    with house.database.read() as connection:
        texts = connection.execute(query.order_by(resource.c.rid)).scalars()
        return [wire.read(text) for text in texts]


def read(house: House, body: dict[str, Any]) -> dict[str, Any]:
    version, reading = resources.read(house, WRITER, body["resourceType"], body["id"])
    reading.end()
    return wire.read(version.text)


def filler(value: str = "F1") -> dict[str, Any]:
    """The filler number as the message tells it: nobody says who issued it."""
    return {key: part for key, part in number(value, "FILL").items() if key != "system"}


def test_an_order_of_a_client_and_of_a_feed_is_one_and_both_have_their_say(house: House) -> None:
    send(house, "ADT^A08", PID, control="0")
    patient = all_of(house, "Patient")[0]["id"]
    body = order(patient, identifier=[filler()], note=[{"text": "of the client"}])
    mine = wire.read(authoring.create(house, WRITER, body).version.text)
    send(house, "ORM^O01", *ORDER, control="1")
    (one,) = all_of(house, "ServiceRequest")
    assert one["id"] == mine["id"]
    assert one["note"] == mine["note"]
    assert one["code"]["text"] or one["code"]["coding"]
    held = {**one, "status": "on-hold"}
    authoring.update(house, WRITER, one["id"], held, Condition())
    assert read(house, one)["status"] == "on-hold"
    send(house, "ORM^O01", PID, "ORC|CA|P1|F1", *ORDER[2:], control="2")
    assert read(house, one)["status"] == "revoked"


def test_what_a_message_told_is_changed_and_deleted_by_messages_alone(house: House) -> None:
    send(house, "ORU^R01", *REPORT, control="1")
    (one,) = all_of(house, "DiagnosticReport")
    same = authoring.update(house, WRITER, one["id"], one, Condition())
    assert same.version.version == int(one["meta"]["versionId"])
    wrong = {**one, "conclusion": "a fracture", "status": "amended"}
    with pytest.raises(Unprocessable) as refused:
        authoring.update(house, WRITER, one["id"], wrong, Condition())
    places = {issue.expression[0] for issue in refused.value.issues}
    assert places == {"DiagnosticReport.conclusion", "DiagnosticReport.status"}
    with pytest.raises(BadMethod):
        authoring.delete(house, WRITER, "DiagnosticReport", one["id"], Condition())
    assert read(house, one) == one
    (request,) = all_of(house, "ServiceRequest")
    with pytest.raises(BadMethod):
        authoring.delete(house, WRITER, "ServiceRequest", request["id"], Condition())


def test_a_report_of_a_client_is_never_overwritten_by_one_of_a_feed(house: House) -> None:
    send(house, "ORM^O01", *ORDER, control="1")
    patient = all_of(house, "Patient")[0]["id"]
    body = report(patient, identifier=[filler()], conclusion="mine")
    mine = wire.read(authoring.create(house, WRITER, body).version.text)
    (request,) = all_of(house, "ServiceRequest")
    assert mine["basedOn"] == [{"reference": f"ServiceRequest/{request['id']}"}]
    send(house, "ORU^R01", *REPORT, control="2")
    one, other = all_of(house, "DiagnosticReport")
    assert one == mine
    assert other["basedOn"] == mine["basedOn"]
