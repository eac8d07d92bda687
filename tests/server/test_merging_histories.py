"""Whatever came before: a merge that is undone leaves every fact as it was."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server import clock
from server.flows import curating
from tests.server.test_merging import A40, NEW_ADT, NEW_PID, copy, facts, patient
from tests.support.examination import ADT, ORDER, ORU, PID, TEXT, drain, report, send, store
from tests.support.hl7_builder import packed
from tests.support.houses import opened

OTHERS = {
    "adt": ADT,
    "new adt": NEW_ADT,
    "order": ORDER,
    "report": ORU,
    "report by the new number": report(TEXT, pid=NEW_PID, control="R2"),
    "update": packed("ADT^A08^ADT_A01", f"{PID}|||1 Road^^Town", "PV1|1|I", control="U1"),
    "new update": packed("ADT^A31^ADT_A05", NEW_PID.replace("|O", "|M"), control="U2"),
    "images": b"",
}


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=st.lists(st.sampled_from(sorted(OTHERS)), max_size=5))
def test_a40_then_unmerge_is_as_if_it_had_not_been(tmp_path: Path, history: list[str]) -> None:
    with opened(tmp_path, SETTLE_SECONDS="0") as house:
        empty = tmp_path / "before.db"
        if not empty.exists():
            copy(tmp_path / "triptych.db", empty)
        copy(empty, tmp_path / "triptych.db")
        for name in ("adt", "new adt", *history):
            store(house) if name == "images" else send(house, OTHERS[name])
        before = facts(house)
        send(house, A40)
        gone = patient(house, "4MR1")
        curating.unmerge(house, "home", gone["id"], "two people", now=clock.now())
        drain(house)
        assert facts(house) == before
