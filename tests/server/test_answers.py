"""What a sender hears of a message once it was applied: at once where that is agreed, else later."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select

from hl7.message import parse
from server import clock, errors
from server.flows import answers, feeds, message_log, messages
from server.flows.feeds import Connecting, Feed
from server.flows.sites import HOME, House
from server.flows.worker import OUTBOX, Worker
from server.store import jobs
from server.store.hl7_tables import message
from server.store.jobs import Job
from tests.support.hl7_builder import PID, packed
from tests.support.houses import opened
from tests.support.mllp_ear import Ear, listening

ADT = "ADT^A08^ADT_A01"
# The person of PID with another birth date, as an order tells it: for a person to decide.
CONTRADICTION = (PID.replace("19700101", "19800202"), "ORC|NW|P1", "OBR|1|P1||CT^CT^L")
JOB = Job(1, HOME, answers.KIND, "ris", {}, 1)


@pytest.fixture
def ear() -> Iterator[Ear]:
    with listening() as one:
        yield one


@contextmanager
def site(folder: Path, feed: Feed, **settings: str) -> Iterator[House]:
    with opened(folder, OPEN_DOORS="none", **settings) as house:
        feeds.put_feed(house, feed, "home", now=clock.now())
        yield house


@pytest.fixture
def house(tmp_path: Path, ear: Ear) -> Iterator[House]:
    feed = Feed(0, "ris", application="RIS", answer_to=f"mllp://127.0.0.1:{ear.port}")
    with site(tmp_path, feed) as made:
        yield made


def send(house: House, *segments: str, kind: str = ADT, **msh: str) -> bytes:
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    return messages.receive(house, caller, packed(kind, *segments, **msh))


def enhanced(house: House, *segments: str, kind: str = ADT, application_ack: str = "AL") -> str:
    answer = send(house, *segments, kind=kind, accept="AL", application_ack=application_ack)
    return parse(answer).first("MSA").text(1)


def drain(house: House) -> None:
    for worker in (Worker(house), Worker(house, OUTBOX)):
        while worker.step():
            pass


def heard(ear: Ear) -> list[tuple[str, str]]:
    """Code and control id of each later answer."""
    found = [parse(raw).first("MSA") for raw in ear.heard]
    return [(msa.text(1), msa.text(2)) for msa in found]


def shown(house: House) -> list[dict[str, Any]]:
    """The later answers of the only message."""
    with house.database.read() as connection:
        (id_,) = connection.execute(select(message.c.id)).scalars()
    found: list[dict[str, Any]] = message_log.show(house, "home", id_)["answers"]
    return found


def test_an_applied_message_is_answered_again_where_its_feed_says(house: House, ear: Ear) -> None:
    assert enhanced(house, PID) == "CA"
    drain(house)
    assert heard(ear) == [("AA", "MSG1")]
    head = parse(ear.heard[0]).first("MSH")
    assert (head.text(15), head.text(16)) == ("AL", "NE")
    (one,) = shown(house)
    assert (one["code"], one["state"]) == ("AA", "sent")
    assert base64.b64decode(one["raw"]) == ear.heard[0]
    assert b"MSA|CA|" in base64.b64decode(one["reply"])


def test_a_message_that_waits_for_a_person_is_answered_with_the_reason(
    house: House, ear: Ear
) -> None:
    send(house, PID, control="MSG0")
    assert enhanced(house, *CONTRADICTION, kind="ORM^O01") == "CA"
    drain(house)
    assert heard(ear) == [("AE", "MSG1")]
    (err,) = parse(ear.heard[0]).all("ERR")
    assert err.text(3) == "207"
    assert err.text(8).startswith("kept, and waits for a person: ")


def test_who_did_not_ask_is_not_answered_again(house: House, ear: Ear) -> None:
    assert enhanced(house, PID, application_ack="NE") == "CA"
    assert enhanced(house, PID, application_ack="ER") == "CA"
    send(house, PID, control="MSG2")
    drain(house)
    assert ear.heard == []


def test_a_replay_that_changes_nothing_answers_nothing(house: House, ear: Ear) -> None:
    enhanced(house, PID)
    drain(house)
    message_log.replay(house, "home", [], since=1)
    drain(house)
    assert heard(ear) == [("AA", "MSG1")]


def test_answers_wait_in_order_for_a_receiver_that_is_away(tmp_path: Path) -> None:
    with listening() as ear:
        port = ear.port
    feed = Feed(0, "ris", application="RIS", answer_to=f"mllp://127.0.0.1:{port}")
    with site(tmp_path, feed) as house:
        for number in range(3):
            send(house, PID, control=f"M{number}", accept="AL", application_ack="AL")
        drain(house)
        with house.database.read() as connection:
            (job,) = [one for one in jobs.listing(connection) if one["kind"] == answers.KIND]
        assert (job["state"], job["error"]) == (
            "pending",
            f"answers of feed ris wait: mllp://127.0.0.1:{port} does not take them",
        )
        with listening(port) as ear:
            answers.send(house, JOB)
            assert heard(ear) == [("AA", f"M{number}") for number in range(3)]


def test_a_receiver_that_refuses_is_not_asked_again_and_one_that_rejects_is(
    house: House, ear: Ear
) -> None:
    enhanced(house, PID)
    ear.code = "CR"
    drain(house)
    assert shown(house)[0]["state"] == "waiting"
    ear.code = "CE"
    answers.send(house, JOB)
    assert shown(house)[0]["state"] == "refused"
    answers.send(house, JOB)
    assert len(ear.heard) == 2


def test_a_receiver_that_stays_silent_is_asked_again(house: House, ear: Ear) -> None:
    enhanced(house, PID)
    ear.code = ""
    while Worker(house).step():
        pass
    with pytest.raises(errors.Fault, match="does not take them"):
        answers.send(house, JOB)
    assert shown(house)[0]["state"] == "waiting"


STRICT = Feed(0, "ris", application="RIS", traits=frozenset({feeds.STRICT_APPLY}))


def test_a_strict_feed_is_answered_when_its_message_was_applied(tmp_path: Path) -> None:
    with site(tmp_path, STRICT) as house:
        worker = Worker(house)
        working = Thread(target=worker.run)
        working.start()
        try:
            answered = [
                send(house, PID),
                send(house, PID),
                send(house, *CONTRADICTION, kind="ORM^O01", control="MSG2"),
            ]
        finally:
            worker.stop()
            working.join()
        assert [parse(one).first("MSA").text(1) for one in answered] == ["AA", "AA", "AE"]
        assert b"kept, and waits for a person" in answered[2]
        with house.database.read() as connection:
            rows = connection.execute(select(message.c.ack, message.c.state).order_by(message.c.id))
            kept = [(bytes(ack), state) for ack, state in rows]
    assert kept == list(zip(answered, ("applied", "duplicate", "review"), strict=True))


def test_a_strict_feed_does_not_wait_for_ever(tmp_path: Path) -> None:
    with site(tmp_path, STRICT, MLLP_APPLY_SECONDS="0") as house:
        answer = send(house, PID)
    assert parse(answer).first("MSA").text(1) == "AA"
    assert b"|W||||kept, and not applied within the time for it" in answer
