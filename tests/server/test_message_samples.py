"""Every shared HL7 message, sent as it is: answered, applied or held, and never a broken resource."""

import json
from pathlib import Path

from sqlalchemy import select

from fhir.gate import problems
from hl7 import batch
from server.flows import message_log, messages
from server.flows.feeds import Connecting
from server.flows.sites import House
from server.flows.worker import Worker
from server.store.fhir_tables import resource
from server.store.hl7_tables import message
from tests.support.hl7_samples import hl7_files
from tests.support.houses import opened


def outcome(house: House) -> tuple[list[str], list[str]]:
    """The state of each message, and each resource as it stands."""
    with house.database.read() as connection:
        states = connection.execute(select(message.c.state).order_by(message.c.id)).scalars()
        texts = connection.execute(select(resource.c.text).order_by(resource.c.rid)).scalars()
        return list(states), list(texts)


def test_every_sample_is_answered_and_makes_valid_resources_or_waits_for_a_person(
    tmp_path: Path,
) -> None:
    files = hl7_files()
    with opened(tmp_path, SETTLE_SECONDS="0") as house:
        caller = messages.greet(house, Connecting("127.0.0.1"))
        assert caller is not None
        for file in files:
            for raw in batch.messages(file.read_bytes()):
                messages.receive(house, caller, raw)
        worker = Worker(house)
        while worker.step():
            pass
        states, texts = outcome(house)
        assert message_log.replay(house, "home", [], since=1) > len(files) / 2
        while worker.step():
            pass
        again, same = outcome(house)
        assert same == texts, "a replay changes nothing"
        changed = {(old, new) for old, new in zip(states, again, strict=True) if old != new}
        assert changed <= {("review", "applied")}, "but for what has been told meanwhile"
    assert set(states) == {"applied", "review", "unmapped", "duplicate"}
    assert texts
    assert [problem for text in texts for problem in problems(json.loads(text))] == []
