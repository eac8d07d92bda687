"""What a page of a usual search costs does not grow with the archive: counted in SQLite's own steps."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir.scopes import parse as scope
from fhir.search import parse
from server.errors import Denied
from server.flows import searching
from server.flows.access import Grant
from server.flows.sites import HOME, House
from server.store import identities
from tests.support import crowd
from tests.support.effort import Effort, measured
from tests.support.houses import opened

pytestmark = pytest.mark.slow

SYSTEM, PATIENT = (scope("system/*.rs"),), (scope("patient/*.rs"),)
EVERYONE = Grant("g1", HOME, "c", "system", SYSTEM, everyone=True)
ONE = Grant("g2", HOME, "c", "patient", PATIENT, frozenset({"p7"}))
GROUP = Grant("g3", HOME, "c", "system", SYSTEM, frozenset(f"p{n}" for n in range(0, 100, 2)))

# A row costs about ten steps at the least: so this is far below a walk through 20,000 of them.
MOST_STEPS = 100_000
SEARCHES = (
    "ImagingStudy?",
    "ImagingStudy?_id=s21",
    "ImagingStudy?patient=p7",
    "ImagingStudy?patient=p7&_include=ImagingStudy:endpoint",
    "ImagingStudy?patient=p7&_lastUpdated=gt2020-01-01&_include=ImagingStudy:endpoint",
    "ImagingStudy?patient=p7&identifier=urn:oid:1.2.21&_include=ImagingStudy:endpoint",
    "ImagingStudy?patient=p7&_sort=-started",
    "ImagingStudy?identifier=ACC100",
    "ImagingStudy?identifier=http://a.example|ACC100",
    "ImagingStudy?started=2012-03-12",
    "ImagingStudy?started=ge2025-09-27",
    "ImagingStudy?started=ge2025-09-20&started=lt2025-10-01&_sort=-started",
    "ImagingStudy?modality=CT",
    "ImagingStudy?modality=CT&status=available&started=ge2020-01-01",
    "ImagingStudy?modality=CT&_sort=-started",
    "ImagingStudy?status=available",
    "ImagingStudy?_sort=-started",
    "ImagingStudy?_sort=started",
    "ImagingStudy?_sort=-_lastUpdated",
    "ImagingStudy?_lastUpdated=gt2099-01-01",
    "ImagingStudy?_lastUpdated=gt2020-01-01",
    "ImagingStudy?patient.identifier=http://m.example|MRN7",
    "ImagingStudy?patient.name=Family7",
    "Patient?name=Family7",
    "Patient?family=family99&birthdate=1950-03-13",
    "Patient?identifier=http://m.example|MRN77",
    "Patient?gender=female",
    "Patient?_has:ImagingStudy:patient:identifier=ACC100",
    "Patient?_has:ImagingStudy:patient:modality=CT",
    "Patient?_sort=family",
    "Patient?_id=p7&_revinclude=ImagingStudy:patient",
    "Observation?value-quantity=95.55",
    "Observation?value-quantity=gt99.95|http://unitsofmeasure.org|mm[Hg]",
    "Observation?value-quantity=lt80.05",
    "Observation?value-quantity=gt90&_sort=-_lastUpdated",
    "Observation?combo-value-quantity=ap95||mmHg",
    "Observation?code-value-quantity=http://loinc.org|8480-6$95.55",
    "Observation?combo-code-value-quantity=8480-6$gt99.95",
    "Observation?patient=p7&code-value-quantity=8480-6$gt80",
    "Patient?_has:Observation:patient:code-value-quantity=8480-6$lt80.05",
    "Endpoint?",
    "Endpoint?status=active",
)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("large")) as house:
        crowd.fill(house, people=5000)
        yield house


def effort_of(house: House, grant: Grant, search: str) -> Effort:
    kind, _, words = search.partition("?")
    query = parse(kind, parse_qsl(words), strict=True, base=house.config.fhir_base)
    with measured(house.database) as effort:
        _, reading = searching.search(house, grant, query, count=10)
    reading.end()
    return effort


@pytest.mark.parametrize("search", SEARCHES)
def test_a_usual_search_reads_little_of_a_large_archive(large: House, search: str) -> None:
    effort = effort_of(large, EVERYONE, search)
    assert effort.steps <= MOST_STEPS, effort.plans


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("grant", [ONE, GROUP], ids=["one patient", "a group"])
def test_who_reaches_few_patients_does_not_pay_for_the_others(
    large: House, grant: Grant, search: str
) -> None:
    names_others = grant is GROUP and ("p7" in search.split("&")[0])
    if names_others:
        with pytest.raises(Denied):
            effort_of(large, grant, search)
        return
    effort = effort_of(large, grant, search)
    assert effort.steps <= MOST_STEPS, effort.plans


@pytest.mark.parametrize("search", SEARCHES)
def test_a_usual_search_scans_no_table(large: House, search: str) -> None:
    plans = effort_of(large, EVERYONE, search).plans
    assert plans
    # A co-routine holds rows that a search has found; everything else must be looked up.
    assert [plan for plan in plans if plan.startswith("SCAN") and "anon_" not in plan] == []


@pytest.mark.parametrize(
    ("search", "column"),
    [
        ("value-quantity=95.55", "low"),
        ("value-quantity=lt80.05", "low"),
        ("value-quantity=gt99.95", "high"),
        ("code-value-quantity=8480-6$95.55", "low"),
        ("code-value-quantity=8480-6$gt99.95||mmHg", "high"),
        ("code-value-concept=8480-6$10828004", "value"),
    ],
)
def test_a_rare_value_of_a_common_code_is_found_by_the_value(
    large: House, search: str, column: str
) -> None:
    effort = effort_of(large, EVERYONE, f"Observation?{search}")
    bound = {"low": "low<?", "high": "high>?", "value": "value=?"}[column]
    assert any(f"ix_index_pair_{column} " in one and bound in one for one in effort.plans)
    assert effort.steps <= MOST_STEPS // 10, effort.plans


def test_paging_deep_costs_no_more_than_the_first_page(large: House) -> None:
    for search in (
        "ImagingStudy?_sort=-started",
        "ImagingStudy?modality=CT",
        "Patient?_sort=family",
    ):
        kind, _, words = search.partition("?")
        query = parse(kind, parse_qsl(words), strict=True, base=large.config.fhir_base)
        page, reading = searching.search(large, EVERYONE, query, count=900)
        reading.end()
        again = parse_qsl(f"{words}&_cursor={page.next}")
        query = parse(kind, again, strict=True, base=large.config.fhir_base)
        with measured(large.database) as effort:
            page, reading = searching.search(large, EVERYONE, query, count=10)
        reading.end()
        assert len(page.matches) == 10
        assert effort.steps <= MOST_STEPS, search


def test_what_is_one_with_a_patient_is_found_without_a_walk_through_all(large: House) -> None:
    said: list[str] = []
    with large.database.read() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(said.append)
        identities.parts_of(connection, HOME, "p7")
        identities.lineage(connection, HOME, "p7")
        driver.set_trace_callback(None)
        plans = [row[3] for one in said for row in driver.execute(f"EXPLAIN QUERY PLAN {one}")]
    assert len(plans) == 2
    assert [plan for plan in plans if plan.endswith("(organisation=?)")] == []
