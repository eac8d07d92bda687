"""Two records that a feed tells to be one person (A24): both say so, and nothing else changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server import clock
from server.errors import Denied
from server.flows import feeds, grants, message_log, resources, reviewing
from server.flows.feeds import Feed
from server.flows.sites import HOME, House
from tests.support.examination import (
    ADT,
    ORDER,
    PID,
    bodies,
    drain,
    graph,
    reviews,
    send,
    token_for,
)
from tests.support.hl7_builder import packed
from tests.support.houses import opened

OTHER = PID.replace("4MR1", "7NEW7")
LINK = packed("ADT^A24^ADT_A24", PID, OTHER, control="L1")
UNLINK = packed("ADT^A37^ADT_A37", OTHER, PID, control="L2")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, SETTLE_SECONDS="0") as made:
        yield made


def patients(house: House) -> dict[str, Any]:
    return {one["identifier"][0]["value"]: one for one in bodies(house)["Patient"]}


def links(house: House) -> dict[str, list[tuple[str, str]]]:
    """How each Patient, by its number, is linked to which."""
    found = patients(house)
    names = {f"Patient/{one['id']}": number for number, one in found.items()}
    return {
        number: [(link["type"], names[link["other"]["reference"]]) for link in one.get("link", [])]
        for number, one in found.items()
    }


def again(house: House) -> None:
    message_log.replay(house, "home", [], since=1)
    drain(house)


def test_a_link_is_shown_by_both_and_moves_nothing(house: House) -> None:
    for raw in (ADT, ORDER, packed("ADT^A04^ADT_A01", OTHER, control="A2")):
        send(house, raw)
    before = graph(house)
    late = grants.authenticate(
        house, token_for(house, patients(house)["7NEW7"]["id"]), address="", now=clock.now()
    )
    send(house, LINK)
    assert links(house) == {"4MR1": [("seealso", "7NEW7")], "7NEW7": [("seealso", "4MR1")]}
    after = graph(house)
    assert after["ServiceRequest"] == before["ServiceRequest"]
    assert all(one["active"] for one in after["Patient"])
    with pytest.raises(Denied):
        resources.read(house, late, "ServiceRequest", after["ServiceRequest"][0]["id"])
    send(house, packed("ADT^A08^ADT_A01", PID, control="A3"))
    assert links(house)["4MR1"] == [("seealso", "7NEW7")], "an update leaves the link"
    send(house, UNLINK)
    assert graph(house)["Patient"] == before["Patient"]
    again(house)
    assert graph(house)["Patient"] == before["Patient"], "a replay does not link again"
    send(house, LINK.replace(b"|L1|", b"|L3|"))
    again(house)
    assert links(house)["7NEW7"] == [("seealso", "4MR1")], "a new message does"
    assert reviews(house) == []


def test_a_link_makes_the_record_that_is_not_known_and_an_unlink_undoes_no_merge(
    house: House,
) -> None:
    send(house, LINK)
    assert links(house) == {"4MR1": [("seealso", "7NEW7")], "7NEW7": [("seealso", "4MR1")]}
    send(house, packed("ADT^A40^ADT_A39", OTHER, "MRG|4MR1^^^HOSP^MR", control="M1"))
    merged = links(house)
    assert ("replaced-by", "7NEW7") in merged["4MR1"]
    send(house, UNLINK)
    assert links(house)["4MR1"] == [("replaced-by", "7NEW7")], "only the link is taken back"
    again(house)
    assert links(house)["4MR1"] == [("replaced-by", "7NEW7")]
    send(house, UNLINK.replace(b"|L2|", b"|L4|"))
    assert links(house)["4MR1"] == [], "with no link in between, it undoes the merge"


def test_a_feed_links_only_what_it_owns_unless_a_person_believes_it(house: House) -> None:
    send(house, ADT)
    mine = "http://127.0.0.1:8080/hosp"
    feed = Feed(HOME, "ris", application="RIS", owns=frozenset({mine}))
    feeds.put_feed(house, feed, "home", now=clock.now())
    foreign = packed("ADT^A24^ADT_A24", PID, OTHER.replace("HOSP", "CLINIC"), control="L5")
    send(house, foreign)
    assert links(house) == {"4MR1": []}
    (item,) = reviewing.listing(house)
    assert "does not own" in item["evidence"]["rule"]
    reviewing.accept(house, "home", item["id"], "same passport", now=clock.now())
    drain(house)
    assert links(house)["4MR1"] == [("seealso", "7NEW7")]
