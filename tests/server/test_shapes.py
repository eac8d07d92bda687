"""Searches of one shape share their SQL and nothing else: each is answered with its own values."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

import pytest

from fhir.scopes import parse as scope
from fhir.search import parse
from server import clock
from server.flows import grants, searching
from server.flows.access import Grant
from server.flows.sites import HOME, House
from server.store import tokens
from tests.support import crowd
from tests.support.effort import measured
from tests.support.houses import opened

EVERYONE = Grant("g1", HOME, "c", "system", (scope("system/*.rs"),), everyone=True)


def patients(*ids: str) -> Grant:
    return Grant("g2", HOME, "c", "patient", (scope("patient/*.rs"),), frozenset(ids))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("shapes")) as made:
        crowd.fill(made, people=60)
        yield made


def found(house: House, search: str, grant: Grant = EVERYONE) -> set[str]:
    kind, _, words = search.partition("?")
    query = parse(kind, parse_qsl(words), strict=True, base=house.config.fhir_base)
    page, reading = searching.search(house, grant, query, count=1000)
    reading.end()
    return {f"{one.type}/{one.id}" for one in (*page.matches, *page.included)}


def test_two_searches_of_one_shape_find_each_its_own(house: House) -> None:
    one, two = (found(house, f"ImagingStudy?patient=p{n}") for n in (7, 8))
    assert one
    assert two
    assert not one & two
    assert found(house, "ImagingStudy?patient=p7") == one


def test_two_grants_of_one_shape_reach_each_its_own(house: House) -> None:
    one, two = (found(house, "ImagingStudy?", patients(f"p{n}")) for n in (7, 8))
    assert one == found(house, "ImagingStudy?patient=p7")
    assert two == found(house, "ImagingStudy?patient=p8")
    assert found(house, "ImagingStudy?", patients("p7", "p8")) == one | two
    assert found(house, "ImagingStudy?", patients()) == set()


def test_what_is_included_is_of_the_page_that_it_stands_on(house: House) -> None:
    for n in (7, 8):
        own = {f"Patient/p{n}"} | found(house, f"ImagingStudy?patient=p{n}")
        assert found(house, f"Patient?_id=p{n}&_revinclude=ImagingStudy:patient") == own


def test_a_pattern_is_looked_for_as_it_is_each_time(house: House) -> None:
    for text in ("amily1", "amily2", "amily1"):
        all_of_them = {f"Patient/p{n}" for n in range(60) if f"family{n}".find(text) >= 0}
        assert found(house, f"Patient?family:contains={text}") == all_of_them


def test_no_text_is_taken_for_the_place_of_another(house: House) -> None:
    for number in range(6):
        place = f"\ue0f7{number:06}"
        assert found(house, f"Patient?family={place}") == set()
        assert found(house, f"ImagingStudy?identifier={place}") == set()
        assert found(house, f"ImagingStudy?identifier={place}|{place}") == set()


def test_searches_of_one_shape_at_once_do_not_mix(house: House) -> None:
    alone = [found(house, f"ImagingStudy?patient=p{n}") for n in range(20)]
    asked = [f"ImagingStudy?patient=p{n}" for n in range(20)] * 5
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda search: found(house, search), asked)) == alone * 5


def test_a_token_is_looked_up_by_keys_alone(house: House) -> None:
    with measured(house.database) as effort, house.database.read() as connection:
        tokens.find(connection, grants.digest(grants.draw()), now=clock.now())
    # The list of patients that the token itself holds is walked, and nothing else.
    scans = [plan for plan in effort.plans if plan.startswith("SCAN")]
    assert effort.plans
    assert [plan for plan in scans if "VIRTUAL TABLE" not in plan] == []
