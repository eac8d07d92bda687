"""Messages are kept before they are answered, and applied once, in order, afterwards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hl7 import batch
from hl7.message import parse
from server.flows import lanes, message_log, messages
from server.flows.feeds import Connecting
from server.flows.sites import HOME, House
from server.flows.worker import Worker
from server.store.fhir_tables import resource
from server.store.hl7_tables import message
from server.store.jobs import Job
from tests.support.hl7_builder import PID, packed
from tests.support.houses import opened

ADT = "ADT^A08^ADT_A01"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def send(house: House, raw: bytes, address: str = "127.0.0.1") -> str:
    """Send a message as the door would; gives MSA-1 of the answer, empty if there is none."""
    caller = messages.greet(house, Connecting(address))
    assert caller is not None
    answer = messages.receive(house, caller, raw)
    return parse(answer).first("MSA").text(1) if answer else ""


def log(house: House) -> list[Any]:
    with house.database.read() as connection:
        return list(connection.execute(select(message).order_by(message.c.id)))


def states(house: House) -> list[str]:
    return [row.state for row in log(house)]


def resources(house: House) -> list[tuple[str, int]]:
    """Type and version of all that messages wrote, but for the Provenance of each."""
    with house.database.read() as connection:
        columns = select(resource.c.type, resource.c.version)
        query = columns.where(resource.c.type != "Provenance").order_by(resource.c.rid)
        return [(row.type, row.version) for row in connection.execute(query)]


def drain(house: House) -> None:
    worker = Worker(house)
    while worker.step():
        pass


def test_what_is_acknowledged_is_in_the_log_byte_for_byte_with_its_answer(house: House) -> None:
    raw = packed(ADT, PID)
    assert send(house, raw) == "AA"
    (row,) = log(house)
    assert (bytes(row.raw), row.state, row.kind) == (raw, "pending", "ADT^A08")
    assert parse(bytes(row.ack)).first("MSA").text(2) == "MSG1"


def test_a_message_that_its_sender_must_mend_is_refused_and_not_kept(house: House) -> None:
    assert send(house, packed(ADT)) == "AE"
    assert send(house, b"no message at all") == "AR"
    assert log(house) == []


def test_the_same_message_again_is_acknowledged_and_not_applied_again(house: House) -> None:
    raw = packed(ADT, PID)
    assert [send(house, raw), send(house, raw)] == ["AA", "AA"]
    assert states(house) == ["pending", "duplicate"]
    drain(house)
    assert states(house) == ["applied", "duplicate"]
    assert resources(house) == [("Patient", 1)]


def test_another_message_with_a_known_control_id_is_applied(house: House) -> None:
    send(house, packed(ADT, PID))
    send(house, packed(ADT, PID.replace("Ann", "Anna")))
    drain(house)
    assert states(house) == ["applied", "applied"]
    assert resources(house) == [("Patient", 2)]


def test_each_message_of_a_batch_is_kept_and_answered_for_itself(house: House) -> None:
    parts = [
        packed(ADT, PID, control="B1"),
        packed(ADT, control="B2"),
        packed(ADT, PID, control="B3"),
    ]
    raw = b"FHS|^~\\&|A|B\rBHS|^~\\&|A|B|||||||B7\r" + b"".join(parts) + b"BTS|3\rFTS|1\r"
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    answer = messages.receive(house, caller, raw)
    told = [parse(one).first("MSA") for one in batch.messages(answer)]
    assert answer.startswith(b"FHS|")
    assert [(msa.text(1), msa.text(2)) for msa in told] == [
        ("AA", "B1"),
        ("AE", "B2"),
        ("AA", "B3"),
    ]
    assert [bytes(row.raw) for row in log(house)] == [parts[0], parts[2]]
    drain(house)
    assert resources(house) == [("Patient", 1)]


def test_a_message_of_a_kind_that_is_not_mapped_is_kept_and_listed_as_such(house: House) -> None:
    assert send(house, packed("SIU^S12", PID)) == "AA"
    drain(house)
    assert states(house) == ["unmapped"]


def test_a_stranger_is_not_answered(tmp_path: Path) -> None:
    with opened(tmp_path, OPEN_DOORS="none") as house:
        assert messages.greet(house, Connecting("127.0.0.1")) is None


def test_messages_of_one_patient_are_applied_in_the_order_of_their_arrival(house: House) -> None:
    for number in range(20):
        send(house, packed(ADT, PID.replace("Ann", f"Ann{number}"), control=f"M{number}"))
    drain(house)
    assert set(states(house)) == {"applied"}
    assert resources(house) == [("Patient", 20)]


def test_replaying_any_message_changes_nothing(house: House) -> None:
    for number, given in enumerate(["Ann", "Anna", "Hanna"]):
        send(house, packed(ADT, PID.replace("Ann", given), control=f"M{number}"))
    drain(house)
    before = resources(house)
    for row in log(house):
        message_log.replay(house, "home", [row.id])
        drain(house)
        assert (resources(house), set(states(house))) == (before, {"applied"})


def test_a_message_that_always_fails_is_parked_and_lets_the_next_ones_pass(house: House) -> None:
    send(house, packed(ADT, PID, control="M1"))
    send(house, packed(ADT, PID.replace("Ann", "Anna"), control="M2"))
    first = log(house)[0].id

    def read(house: House, row: Any) -> lanes.Application:
        if row.id == first:
            raise ArithmeticError
        return lambda *_: lanes.Outcome()

    (lane,) = messages.lanes_of("loopback", packed(ADT, PID))
    job = Job(1, HOME, lanes.KIND, lane, {}, 1)
    for _ in range(lanes.MOST_ATTEMPTS - 1):
        with pytest.raises(ArithmeticError):
            lanes.work(house, job, read)
        assert states(house) == ["pending", "pending"]
    lanes.work(house, job, read)
    assert states(house) == ["parked", "applied"]


def test_a_message_of_several_patients_waits_for_those_before_it_in_every_lane(
    house: House,
) -> None:
    other = PID.replace("100^", "200^").replace("Ann", "Bea")
    send(house, packed(ADT, PID, control="M1"))
    send(house, packed("ADT^A40^ADT_A39", PID, "MRG|200^^^HOSP^MR", control="M2"))
    send(house, packed(ADT, other, control="M3"))
    seen: list[int] = []

    def read(house: House, row: Any) -> lanes.Application:
        seen.append(row.id)
        return lambda *_: lanes.Outcome()

    (second,) = messages.lanes_of("loopback", packed(ADT, other))
    lanes.work(house, Job(1, HOME, lanes.KIND, second, {}, 1), read)
    assert seen == []
    (first,) = messages.lanes_of("loopback", packed(ADT, PID))
    lanes.work(house, Job(2, HOME, lanes.KIND, first, {}, 1), read)
    lanes.work(house, Job(3, HOME, lanes.KIND, second, {}, 1), read)
    assert seen == [row.id for row in log(house)]


def test_a_parked_message_is_applied_when_it_is_replayed(house: House) -> None:
    send(house, packed(ADT, PID))
    (row,) = log(house)
    message_log.park(house, "home", row.id)
    drain(house)
    assert states(house) == ["parked"]
    message_log.replay(house, "home", [row.id])
    drain(house)
    assert states(house) == ["applied"]
