"""Merges by a feed and by an operator: everything follows, nobody gains, all of it can be undone."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.flows import message_log
from server.flows.sites import House
from tests.support.examination import (
    ADT,
    ORDER,
    ORU,
    PID,
    TEXT,
    bodies,
    drain,
    graph,
    report,
    reviews,
    send,
    store,
)
from tests.support.hl7_builder import packed
from tests.support.houses import opened

OLD = "4MR1"
NEW_PID = PID.replace(OLD, "7NEW7")
MRG = f"MRG|{OLD}^^^HOSP^MR"
NEW_ADT = packed("ADT^A04^ADT_A01", NEW_PID, "PV1|1|O|RAD", control="A7")
A40 = packed("ADT^A40^ADT_A39", NEW_PID, MRG, control="M1")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, SETTLE_SECONDS="0") as made:
        yield made


def patient(house: House, number: str) -> Any:
    """The Patient whose usual number it is."""
    return next(
        one
        for one in bodies(house)["Patient"]
        if (one["identifier"][0]["value"], one["identifier"][0].get("use")) == (number, "usual")
    )


def subjects(house: House) -> set[str]:
    found = bodies(house)
    return {
        one["subject"]["reference"]
        for type_ in ("ImagingStudy", "ServiceRequest", "DiagnosticReport")
        for one in found[type_]
    }


def test_after_a_merge_all_that_belonged_to_the_one_is_the_others(house: House) -> None:
    for raw in (ADT, ORDER, ORU):
        send(house, raw)
    store(house)
    send(house, A40)
    gone, survivor = patient(house, OLD), patient(house, "7NEW7")
    assert gone["active"] is False
    assert gone["link"] == [
        {"other": {"reference": f"Patient/{survivor['id']}"}, "type": "replaced-by"}
    ]
    assert survivor["link"] == [
        {"other": {"reference": f"Patient/{gone['id']}"}, "type": "replaces"}
    ]
    assert [(one.get("use"), one["value"]) for one in survivor["identifier"]] == [
        *(("usual", "7NEW7"), ("old", OLD)),
    ]
    assert subjects(house) == {f"Patient/{survivor['id']}"}
    (study,) = bodies(house)["ImagingStudy"]
    assert study["subject"]["identifier"]["value"] == "7NEW7"
    assert reviews(house) == []


STEPS = {"adt": NEW_ADT, "order": ORDER, "report": report(TEXT, pid=NEW_PID), "merge": A40}


def test_all_120_orders_of_arrival_lead_to_the_same_graph(tmp_path: Path) -> None:
    """Images and order by the old number, admission and report by the new one; some come twice."""
    names = [*STEPS, "images"]
    empty, graphs = tmp_path / "empty", {}
    with opened(empty):
        pass
    for number, arrival in enumerate(itertools.permutations(names)):
        folder = Path(shutil.copytree(empty, tmp_path / str(number)))
        with opened(folder, SETTLE_SECONDS="0") as house:
            for place, name in enumerate(arrival):
                store(house) if name == "images" else send(house, STEPS[name])
                if place == number % 5:
                    send(house, STEPS[arrival[0]] if arrival[0] != "images" else A40)
            if number % 3 == 0:
                message_log.replay(house, "home", [], since=1)
                drain(house)
            graphs[arrival] = graph(house), [one["rule"] for one in reviews(house)]
        shutil.rmtree(folder)
    first = graphs[tuple(names)]
    assert first[1] == []
    for arrival, found in graphs.items():
        assert found == first, arrival
