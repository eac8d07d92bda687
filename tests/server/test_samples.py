"""Which stores may become a demo, and where a demo may be served."""

from pathlib import Path

import pytest

from dicom.phantom import DEMO_PERSON, Plan, ct_study
from dicom.sink import Peer, StoreRequest
from server.config import BadSetting
from server.errors import Conflict
from server.flows import ingest, samples
from server.flows.sites import HOME
from tests.support import examination, houses

PLAN = Plan("samples", "20261120", "091500", "S-1", "CT head", slices=1, size=16)


def test_a_store_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    """Fixed interface: refuses a store with other data."""
    with houses.opened(tmp_path) as house:
        request = StoreRequest("stow", Peer("CT1", HOME, frozenset({"store"})))
        sink = ingest.open_sink(house, request)
        sink.write(memoryview(next(ct_study(DEMO_PERSON, PLAN))))
        sink.commit()
        with pytest.raises(Conflict, match="holds data that is not the demo's"):
            samples.claim_for_demo(house)


def test_a_store_that_holds_a_message_alone_is_refused_too(tmp_path: Path) -> None:
    with houses.opened(tmp_path) as house:
        examination.send(house, examination.ADT)
        with pytest.raises(Conflict):
            samples.claim_for_demo(house)


def test_a_store_that_was_claimed_stays_a_demo_whatever_is_sent_to_it(tmp_path: Path) -> None:
    with houses.opened(tmp_path) as house:
        samples.claim_for_demo(house)
        examination.send(house, examination.ADT)
        samples.claim_for_demo(house)
        assert not samples.is_filled(house)
        samples.mark_filled(house)
        samples.claim_for_demo(house)
        assert samples.is_filled(house)


def test_only_a_demo_is_bound_to_this_machine(tmp_path: Path) -> None:
    reached = {"HOST": "192.0.2.1", "BASE_URL": "https://images.example"}
    with houses.opened(tmp_path, **reached) as house:
        samples.refuse_exposed_demo(house)
        samples.claim_for_demo(house)
        with pytest.raises(BadSetting, match="loopback only"):
            samples.refuse_exposed_demo(house)
