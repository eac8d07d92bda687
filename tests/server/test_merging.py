"""Merges by a feed and by an operator: everything follows, nobody gains, all of it can be undone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fhir.search import parse
from server import clock
from server.errors import Denied, Unauthenticated
from server.flows import curating, feeds, grants, mergers, message_log, resources, searching
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
    token_for,
)
from tests.support.hl7_builder import packed
from tests.support.houses import opened

SYSTEM = "http://127.0.0.1:8080/hosp"
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


def grown(house: House, done: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every order in which the rest can come, and its graph: what began alike is shared."""
    before = house.config.data / f"{'-'.join(('before', *done))}.db"
    copy(house.config.data / "triptych.db", before)
    for name in sorted({*STEPS, "images"} - set(done)):
        arrival = (*done, name)
        copy(before, house.config.data / "triptych.db")
        store(house) if name == "images" else send(house, STEPS[name])
        if len(arrival) == 3 and arrival[0] != "images":
            send(house, STEPS[arrival[0]])
        if len(arrival) == 5 and arrival[-1] == "report":
            message_log.replay(house, "home", [], since=1)
            drain(house)
        if len(arrival) == 5:
            yield arrival, (graph(house), reviews(house))
        yield from grown(house, arrival)


def copy(source: Path, target: Path) -> None:
    """The contents of one database into another, which may be open."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def test_all_120_orders_of_arrival_lead_to_the_same_graph(house: House) -> None:
    """Images and order by the old number, admission and report by the new one, duplicates, replays."""
    found = dict(grown(house, ()))
    assert len(found) == 120
    first = found[("adt", "images", "merge", "order", "report")]
    made = first[0]
    assert [len(made[name]) for name in ("Patient", "ServiceRequest", "ImagingStudy")] == [2, 1, 1]
    (told,) = made["DiagnosticReport"]
    assert {len(told[name]) for name in ("basedOn", "imagingStudy")} == {1}
    assert first[1] == []
    for arrival, outcome in found.items():
        assert outcome == first, arrival


def facts(house: House) -> Any:
    """The graph and what a search by owner would go by, without who wrote last."""
    found = graph(house)
    for body in (one for bodies_ in found.values() for one in bodies_):
        body["meta"].pop("source", None)
    return found, reviews(house)


def test_an_unmerge_brings_back_the_facts_as_they_were(house: House) -> None:
    for raw in (NEW_ADT, ADT, ORDER, ORU):
        send(house, raw)
    store(house)
    before = facts(house)
    send(house, A40)
    assert facts(house) != before
    gone = patient(house, OLD)
    curating.unmerge(house, "home", gone["id"], "two people", now=clock.now())
    drain(house)
    assert facts(house) == before
    message_log.replay(house, "home", [], since=1)
    drain(house)
    assert facts(house) == before, "a replay does not merge again what a person has parted"


def reached(house: House, token: str, type_: str, id_: str) -> bool:
    grant = grants.authenticate(house, token, address="", now=clock.now())
    try:
        resources.read(house, grant, type_, id_)[1].end()
    except Denied:
        return False
    return True


def test_no_token_gains_by_a_merge_or_by_its_undoing(house: House) -> None:
    for raw in (NEW_ADT, ADT, ORDER, ORU):
        send(house, raw)
    gone, survivor = patient(house, OLD), patient(house, "7NEW7")
    (order,) = bodies(house)["ServiceRequest"]
    theirs, early = token_for(house, gone["id"]), token_for(house, survivor["id"])
    send(house, A40)
    later = report(TEXT, control="R2", status="C")
    send(house, later.replace(b"20260905123000", b"20260906123000"))
    late = token_for(house, survivor["id"])
    (told,) = bodies(house)["DiagnosticReport"]
    with pytest.raises(Unauthenticated):
        reached(house, theirs, "ServiceRequest", order["id"])
    for type_, id_ in (("ServiceRequest", order["id"]), ("DiagnosticReport", told["id"])):
        assert not reached(house, early, type_, id_)
        assert reached(house, late, type_, id_)
    curating.unmerge(house, "home", gone["id"], "two people", now=clock.now())
    drain(house)
    for token in (theirs, late):
        with pytest.raises(Unauthenticated):
            reached(house, token, "ServiceRequest", order["id"])
    assert not reached(house, early, "ServiceRequest", order["id"])


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (A40.replace(b"7NEW7", OLD.encode()), "PID and MRG have the same number"),
        (
            packed("ADT^A40^ADT_A39", NEW_PID, f"MRG|{OLD}^^^HOSP^SS", control="M2"),
            "the feed does not own the numbers on both sides",
        ),
        (
            packed("ADT^A40^ADT_A39", PID, "MRG|7NEW7^^^HOSP^MR", control="M3"),
            "a circular merge: the survivor is itself part of the other patient",
        ),
        (
            packed("ADT^A40^ADT_A39", PID.replace(OLD, "8"), MRG, control="M4"),
            "the patient that is to be merged is part of another already",
        ),
    ],
)
def test_a_merge_that_cannot_be_is_put_before_a_person_and_changes_nothing(
    house: House, message: bytes, rule: str
) -> None:
    send(house, ADT)
    send(house, A40)
    before = subjectless(house)
    send(house, message)
    assert [one["rule"] for one in reviews(house)] == [rule]
    assert subjectless(house) == before


def subjectless(house: House) -> Any:
    """The Patients that were there before."""
    return [patient(house, number) for number in (OLD, "7NEW7")]


def test_a_feed_merges_only_what_it_owns(house: House) -> None:
    owner = feeds.Feed(0, "adt", application="ADT", owns=frozenset([SYSTEM]))
    feeds.put_feed(house, owner, "home", now=clock.now())
    send(house, ADT)
    send(house, A40)
    (one,) = reviews(house)
    assert one["rule"] == mergers.NOT_OWNED
    assert patient(house, OLD)["active"] is True
    send(house, A40.replace(b"|RIS|", b"|ADT|"))
    assert patient(house, OLD)["active"] is False


def test_chains_of_merges_lead_to_the_last_one_in_whatever_order_they_come(house: House) -> None:
    third = PID.replace(OLD, "9")
    second = packed("ADT^A40^ADT_A39", third, "MRG|7NEW7^^^HOSP^MR", control="M9")
    graphs = []
    empty = house.config.data / "before.db"
    copy(house.config.data / "triptych.db", empty)
    for arrival in (
        (ADT, ORDER, A40, second),
        (second, A40, ORDER, ADT),
        (A40, second, ADT, ORDER),
    ):
        copy(empty, house.config.data / "triptych.db")
        for raw in arrival:
            send(house, raw)
        graphs.append(facts(house))
    assert graphs[0] == graphs[1] == graphs[2]
    (order,) = bodies(house)["ServiceRequest"]
    assert order["subject"]["reference"] == f"Patient/{patient(house, '9')['id']}"
    curating.unmerge(house, "home", patient(house, "7NEW7")["id"], "wrong", now=clock.now())
    drain(house)
    (order,) = bodies(house)["ServiceRequest"]
    assert order["subject"]["reference"] == f"Patient/{patient(house, '7NEW7')['id']}"
    assert [one["value"] for one in patient(house, "9")["identifier"]] == ["9"]


def test_a_changed_number_is_the_same_patient_and_the_old_one_still_names_it(house: House) -> None:
    send(house, ADT)
    store(house)
    send(house, ORDER)
    (before,) = bodies(house)["Patient"]
    send(house, packed("ADT^A47^ADT_A30", NEW_PID, MRG, control="C1"))
    send(house, ORU)
    (after,) = bodies(house)["Patient"]
    assert after["id"] == before["id"]
    assert [(one.get("use"), one["value"]) for one in after["identifier"]] == [
        *(("usual", "7NEW7"), ("old", OLD)),
    ]
    (study,) = bodies(house)["ImagingStudy"]
    assert study["subject"]["identifier"]["value"] == "7NEW7"
    assert reviews(house) == []


def test_a_feed_undoes_a_merge_of_its_own_and_replays_change_nothing(house: House) -> None:
    for raw in (NEW_ADT, ADT, ORDER):
        send(house, raw)
    before = facts(house)
    send(house, A40)
    unlink = packed("ADT^A37^ADT_A37", NEW_PID, PID, control="L1")
    send(house, unlink)
    assert facts(house) == before
    message_log.replay(house, "home", [], since=1)
    drain(house)
    assert facts(house) == before
    send(house, A40.replace(b"|M1|", b"|M2|"))
    merged = facts(house)
    assert merged != before
    message_log.replay(house, "home", [], since=1)
    drain(house)
    assert facts(house) == merged


def test_an_unlink_of_what_was_never_merged_is_put_before_a_person(house: House) -> None:
    send(house, ADT)
    send(house, packed("ADT^A37^ADT_A37", NEW_PID, PID, control="L1"))
    (item,) = reviews(house)
    assert "nothing to undo" in item["rule"]


def test_a_search_by_the_retired_id_finds_the_survivors_data_at_once(house: House) -> None:
    """House rule 1; before anything has been moved, too."""
    for raw in (NEW_ADT, ADT, ORDER):
        send(house, raw)
    gone, survivor = patient(house, OLD)["id"], patient(house, "7NEW7")["id"]
    staff = grants.for_script(house, "system/*.rs", now=clock.now()).token
    curating.merge(house, "home", gone, survivor, "registered twice", now=clock.now())
    for moved in (False, True):
        for id_ in (gone, survivor):
            assert len(found(house, str(staff), id_)) == 1, (moved, id_)
        drain(house)
    narrow = token_for(house, survivor)
    assert len(found(house, narrow, survivor)) == 1


def found(house: House, token: str, patient_id: str) -> Any:
    grant = grants.authenticate(house, token, address="", now=clock.now())
    words = [("patient", patient_id)]
    question = parse(
        "ServiceRequest", words, strict=True, base=house.config.fhir_base, table=resources.TABLE
    )
    page, reading = searching.search(house, grant, question, count=10)
    reading.end()
    return page.matches
