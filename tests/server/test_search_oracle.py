"""Every search finds what looking at each resource in turn finds: no more, no less, in order."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from fhir import query as q
from fhir.scopes import parse as scope
from fhir.search import parse
from server.errors import Denied
from server.flows import access, searching
from server.flows.access import Grant
from server.flows.sites import HOME
from tests.support import results
from tests.support.houses import opened
from tests.support.oracle import Asker, Oracle
from tests.support.records import Archive, fill

SYSTEM = (scope("system/*.cruds"),)
PATIENT = (scope("patient/*.rs"),)
GRANTS = {
    "everyone": Grant("g1", HOME, "c", "system", SYSTEM, everyone=True),
    "one patient": Grant("g2", HOME, "c", "patient", PATIENT, frozenset({"p1"})),
    "a group": Grant("g3", HOME, "c", "system", SYSTEM, frozenset({"p2", "p3", "p4"})),
    "nobody": Grant("g4", HOME, "c", "system", SYSTEM),
    "the neighbour": Grant("g5", 2, "c", "system", SYSTEM, everyone=True),
}
TYPES = (
    *("Patient", "ImagingStudy", "Endpoint", "Observation", "Observation"),
    *("DocumentReference", "Encounter"),
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with opened(tmp_path_factory.mktemp("oracle")) as house:
        filled = Archive(house)
        fill(filled, Random(7), patients=25, studies=90)
        _add_results(filled, Random(8))
        yield filled


def _add_results(archive: Archive, dice: Random) -> None:
    """Results, visits and letters of the patients."""
    letters = ("DocumentReference/l0", "DocumentReference/l1", "DocumentReference/l2")
    for number in range(120):
        whom, hidden = f"p{dice.randrange(25)}", dice.random() < 0.1
        body = results.observation(dice, f"o{number}", whom, f"s{dice.randrange(90)}")
        archive.put(body, filed_under=whom, hidden=hidden)
    for number in range(20):
        whom = f"p{dice.randrange(25)}"
        archive.put(results.encounter(dice, f"v{number}", whom), filed_under=whom)
        archive.put(results.letter(dice, f"l{number}", whom, letters), filed_under=whom)


def found(archive: Archive, grant: Grant, query: q.Query, count: int) -> list[str]:
    """The ids of all pages, in order."""
    ids: list[str] = []
    cursor = ""
    while True:
        page, reading = searching.search(
            archive.house, grant, replace(query, cursor=cursor), count=count
        )
        reading.end()
        assert len(page.matches) <= count
        ids += [version.id for version in page.matches]
        if not page.next:
            return ids
        assert page.matches, "a page that is not the last one holds something"
        cursor = page.next


@pytest.mark.parametrize("who", GRANTS)
@pytest.mark.parametrize("seed", range(5))
def test_searches_find_what_looking_at_each_resource_finds(
    archive: Archive, who: str, seed: int
) -> None:
    grant = GRANTS[who]
    dice = Random(seed)
    oracle = Oracle(archive.records, archive.base, grant)
    asker = Asker(dice, oracle)
    for _ in range(30):
        kind = dice.choice(TYPES)
        pairs = asker.pairs(kind)
        query = parse(kind, pairs, strict=True, base=archive.base)
        try:
            access.named(grant, searching.patients_named(query))
        except Denied:
            with pytest.raises(Denied):
                found(archive, grant, query, 7)
            continue
        ids = found(archive, grant, query, dice.choice((3, 10, 50)))
        expected = oracle.answer(query)
        assert len(ids) == len(set(ids)), f"{kind}?{pairs} repeats"
        assert sorted(ids) == sorted(expected), f"{kind}?{pairs}"
        assert ids == expected, f"{kind}?{pairs} is out of order"
        page, reading = searching.search(
            archive.house, grant, replace(query, total="accurate"), count=1
        )
        reading.end()
        assert page.total == len(expected), f"{kind}?{pairs}: _total"


INCLUDES = (
    ("ImagingStudy", [("_include", "ImagingStudy:endpoint")]),
    ("ImagingStudy", [("_include", "ImagingStudy:patient")]),
    ("ImagingStudy", [("_include", "ImagingStudy:subject:Patient")]),
    ("ImagingStudy", [("_include", "*")]),
    ("ImagingStudy", [("_include", "ImagingStudy:*")]),
    ("Endpoint", [("_revinclude", "ImagingStudy:endpoint")]),
    ("Patient", [("_revinclude", "ImagingStudy:patient")]),
    ("Patient", [("_revinclude", "*")]),
    (
        "Patient",
        [("_revinclude", "ImagingStudy:patient"), ("_include:iterate", "ImagingStudy:endpoint")],
    ),
    (
        "Endpoint",
        [("_revinclude", "ImagingStudy:endpoint"), ("_include:iterate", "ImagingStudy:patient")],
    ),
)


@pytest.mark.parametrize("who", GRANTS)
@pytest.mark.parametrize(("kind", "pairs"), INCLUDES)
def test_includes_add_what_the_page_refers_to_and_the_caller_may_see(
    archive: Archive, who: str, kind: str, pairs: list[tuple[str, str]]
) -> None:
    grant = GRANTS[who]
    oracle = Oracle(archive.records, archive.base, grant)
    query = parse(kind, pairs, strict=True, base=archive.base)
    for count in (1, 5, 500):
        page, reading = searching.search(archive.house, grant, query, count=count)
        reading.end()
        added = [(version.type, version.id) for version in page.included]
        assert len(added) == len(set(added))
        assert set(added) == oracle.included(query, [v.id for v in page.matches])
