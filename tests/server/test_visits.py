"""A visit told by its events, and who told it: through the door, into a real database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.flows import reviewing
from server.flows.sites import House
from tests.support.examination import bodies, reviews, send
from tests.support.hl7_builder import PID, packed, segment
from tests.support.houses import opened


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, ZONE="Europe/Paris") as made:
        yield made


def told(event: str, minute: int, **pv1: str) -> bytes:
    visit = segment("PV1", f19="V1^^^HOSP^VN", **pv1)
    sent = f"2026090512{minute:02}00"
    evn = f"EVN|{event}|{sent}|||9001^Clerk^Carla^^^^^^HOSP|{sent}+0200"
    return packed(f"ADT^{event}", evn, PID, visit, control=f"{event}{minute}", sent=sent)


def visit(house: House) -> tuple[str, str, list[str]]:
    """Status, class and places of the one visit."""
    (found,) = bodies(house)["Encounter"]
    places = [one["location"]["display"] for one in found.get("location", [])]
    return found["status"], found["class"]["code"], places


def test_a_visit_follows_its_transfers_and_changes_of_class(house: House) -> None:
    send(house, told("A04", 1, f2="O", f3="ER^1"))
    assert visit(house) == ("in-progress", "AMB", ["ER 1"])
    send(house, told("A06", 2, f2="I", f3="4W^401", f6="ER^1"))
    assert visit(house) == ("in-progress", "IMP", ["4W 401", "ER 1"])
    send(house, told("A02", 3, f2="I", f3="3E^301", f6="4W^401"))
    assert visit(house) == ("in-progress", "IMP", ["3E 301", "4W 401"])
    send(house, told("A07", 4, f2="O", f3="ER^2"))
    assert visit(house) == ("in-progress", "AMB", ["ER 2"])


def test_a_planned_visit_is_cancelled_and_one_that_began_is_not(house: House) -> None:
    send(house, told("A05", 1, f2="P"))
    send(house, told("A38", 2, f2="P"))
    assert visit(house)[0] == "cancelled"
    send(house, told("A04", 3, f2="O"))
    send(house, told("A38", 4, f2="O"))
    assert visit(house)[0] == "in-progress"


def test_the_provenance_says_who_entered_an_event_and_when_it_happened(house: House) -> None:
    send(house, told("A04", 1, f2="O"))
    found = bodies(house)
    (clerk,) = found["Practitioner"]
    made: list[Any] = found["Provenance"]
    assert {one["occurredDateTime"] for one in made} == {"2026-09-05T12:01:00+02:00"}
    authors = {one["agent"][0]["who"]["reference"] for one in made}
    assert authors == {f"Practitioner/{clerk['id']}"}


def test_what_a_sender_deletes_is_kept_and_put_before_a_person(house: House) -> None:
    send(house, told("A04", 1, f2="O"))
    send(house, told("A23", 2, f2="O"))
    assert visit(house)[0] == "cancelled"
    assert patient(house)["active"] is True
    send(house, told("A29", 3))
    assert patient(house)["active"] is False
    assert patient(house)["name"][0]["family"] == "Sample"
    assert [one["kind"] for one in reviews(house)] == ["ADT^A23", "ADT^A29"]
    assert {one["accept"] for one in reviewing.listing(house)} == {"closes the item"}
    send(house, told("A08", 2, f2="O"))
    assert patient(house)["active"] is False, "what was sent before the deletion is older"
    send(house, told("A28", 4))
    assert patient(house)["active"] is True


def test_a_deleted_number_of_a_merged_patient_does_not_touch_the_survivor(house: House) -> None:
    other = PID.replace("100", "200")
    send(house, told("A04", 1, f2="O"))
    send(house, packed("ADT^A40^ADT_A39", other, "MRG|100^^^HOSP^MR", control="M1"))
    send(house, told("A29", 3))
    found = {one["identifier"][0]["value"]: one["active"] for one in bodies(house)["Patient"]}
    assert found == {"100": False, "200": True}


def patient(house: House) -> Any:
    (found,) = bodies(house)["Patient"]
    return found
