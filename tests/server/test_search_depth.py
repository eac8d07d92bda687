"""Searches that nest as deep as they may, by who reaches little and is asked for every condition."""

from collections import defaultdict
from collections.abc import Iterator
from random import Random

import pytest

from fhir.scopes import parse as scope
from fhir.search import parse
from server.errors import TooLarge
from server.flows import searching
from server.flows.access import Grant
from server.flows.resources import SEARCHED, TABLE
from server.flows.sites import HOME, House
from tests.support.houses import opened

PATIENT = Grant("g", HOME, "c", "patient", (scope("patient/*.rs"),), frozenset({"p1"}))
WORDS = {"date": "gt2020", "code": "x", "status": "final", "_lastUpdated": "gt2020-01-01"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("depth")) as made:
        yield made


def ways() -> dict[str, list[tuple[str, str]]]:
    """From each type by each reference to another, forward or back: the words, and the type."""
    found = defaultdict(list)
    for kind in SEARCHED:
        for name, param in TABLE[kind].items():
            for target in set(param.targets or ()) & set(SEARCHED):
                if param.kind == "reference":
                    found[kind].append((f"{name}:{target}.", target))
                    found[target].append((f"_has:{kind}:{name}:", kind))
    return found


def ask(house: House, kind: str, words: str, at: str) -> None:
    """Search at the end of a chain by a word that the type has there."""
    word = next((one for one in WORDS if one in TABLE[at]), "_id")
    pairs = [(words + word, WORDS.get(word, "x"))]
    query = parse(kind, pairs, strict=True, base="http://h/fhir", table=TABLE)
    _, reading = searching.search(house, PATIENT, query, count=5)
    reading.end()


def walk(dice: Random, known: dict[str, list[tuple[str, str]]], links: int) -> tuple[str, str, str]:
    """A type, a chain of so many links from it, and where it leads."""
    kind = at = dice.choice(sorted(known))
    words = ""
    for _ in range(links):
        word, at = dice.choice(known[at])
        words += word
    return kind, words, at


def test_a_patient_is_answered_through_any_two_references(house: House) -> None:
    dice, known = Random(3), ways()
    for _ in range(70):
        ask(house, *walk(dice, known, 2))


def test_what_is_too_deep_for_the_database_is_said_to_be(house: House) -> None:
    dice, known, refusals = Random(4), ways(), list[str]()
    for _ in range(40):
        try:
            ask(house, *walk(dice, known, 3))
        except TooLarge as fault:
            refusals.append(str(fault))
    assert all("shorter chains" in one for one in refusals)
    assert len(refusals) < 20
