"""What the bench puts into the message log below the door is what the door would have put there."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench import fill_log
from bench.reports import order
from hl7.message import parse
from server.flows import messages
from server.flows.feeds import Connecting
from server.flows.worker import Worker
from server.store.hl7_tables import message, message_effect
from tests.support.houses import opened

# What tells when and as which a message came in and was answered.
_TIMES = ("id", "received", "applied", "ack")
NUMBER = fill_log.SEED + 1


def test_a_copied_message_is_what_the_door_makes_of_it(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        row, effects = fill_log.seed(house)
        copy = fill_log.copy(row, NUMBER)
        caller = messages.greet(house, Connecting("127.0.0.1"))
        assert caller is not None
        messages.receive(house, caller, order(NUMBER))
        worker = Worker(house)
        while worker.step():
            pass
        with house.database.read() as connection:
            found = connection.execute(select(message).order_by(message.c.id.desc())).mappings()
            real: dict[str, Any] = dict(found.fetchone() or {})
            query = select(message_effect).where(message_effect.c.message == real["id"])
            written = connection.execute(query).fetchall()
    assert {k: v for k, v in copy.items() if k not in _TIMES} == {
        k: v for k, v in real.items() if k not in _TIMES
    }
    answers = [parse(bytes(one["ack"])).first("MSA").raw for one in (copy, real)]
    assert answers[0] == answers[1]
    assert sorted(one["type"] for one in effects) == sorted(one.type for one in written)


def test_a_filled_log_holds_as_many_messages_as_were_asked_for(tmp_path: Path) -> None:
    fill_log.fill(tmp_path, 10_000_000, 30)
    with opened(tmp_path) as house, house.database.read() as connection:
        kept = list(connection.execute(select(message.c.control_id)).scalars())
        effects = list(connection.execute(select(message_effect.c.message)).scalars())
    assert len(kept) == len(set(kept)) == 31
    assert len(set(effects)) == 31
