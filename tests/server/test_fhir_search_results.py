"""What a search answers with (conformance row A13): pages, totals, order, includes, summaries."""

from collections.abc import Iterable

import pytest

from fhir.search import DEFAULT_LIMITS
from tests.support.library import Library, link, matches, refusal
from tests.support.outside import complaints


@pytest.mark.parametrize("count", [1, 7, 20])
@pytest.mark.parametrize("sort", ["", "family", "-birthdate", "_lastUpdated", "-_id"])
def test_a13_pages_neither_lose_nor_repeat(library: Library, count: int, sort: str) -> None:
    words = [("_sort", sort)] if sort else []
    once = library.ids("Patient", *words, ("_count", "500"))
    assert len(once) == len(set(once)) >= 30
    assert library.ids("Patient", *words, ("_count", str(count))) == once


def test_a13_a_page_stays_where_it_was_while_others_are_added(library: Library) -> None:
    first = library.search("ImagingStudy", ("_sort", "-started"), ("_count", "5"))
    seen = {entry["resource"]["id"] for entry in matches(first)}
    study = library.one("ImagingStudy")
    for number in range(9300, 9303):
        body = {
            "resourceType": "ImagingStudy",
            "id": f"s{number}",
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:1.2.{number}"}],
            "status": "available",
            "subject": study["subject"],
            "started": "2040-01-01",
        }
        library.archive.put(body, filed_under=study["subject"]["reference"].split("/")[1])
    second = library.get(link(first, "next")).json()
    assert not seen & {entry["resource"]["id"] for entry in matches(second)}


def test_a13_a_count_beyond_the_limit_is_lowered_and_told(library: Library) -> None:
    bundle = library.search("Patient", ("_count", "99999"))
    assert f"_count={DEFAULT_LIMITS.count}" in link(bundle, "self")
    assert matches(bundle, "outcome")


def test_a13_totals_are_given_as_asked(library: Library) -> None:
    number = len(library.ids("Patient", ("_count", "500")))
    assert library.search("Patient", ("_count", "1"), ("_total", "accurate"))["total"] == number
    assert library.search("Patient", ("_count", "500"))["total"] == number
    assert "total" not in library.search("Patient", ("_count", "500"), ("_total", "none"))
    assert "total" not in library.search("Patient", ("_count", "1"))
    counted = library.search("Patient", ("_summary", "count"))
    assert (counted["total"], "entry" in counted) == (number, False)
    zero = library.search("Patient", ("_count", "0"))
    assert (zero["total"], "entry" in zero) == (number, False)


def test_a13_includes_are_marked_and_not_counted(library: Library) -> None:
    words = [("patient", library.busiest()), ("_include", "ImagingStudy:endpoint")]
    bundle = library.search("ImagingStudy", *words)
    assert bundle["total"] == len(matches(bundle))
    added = matches(bundle, "include")
    assert {entry["resource"]["resourceType"] for entry in added} == {"Endpoint"}
    named = {
        one["reference"].split("/")[1]
        for entry in matches(bundle)
        for one in entry["resource"].get("endpoint", [])
    }
    assert {entry["resource"]["id"] for entry in added} == named


def test_a13_includes_go_on_where_they_are_told_to(library: Library) -> None:
    id_ = library.busiest()
    words = [
        ("_id", id_),
        ("_revinclude", "ImagingStudy:patient"),
        ("_include:iterate", "ImagingStudy:endpoint"),
    ]
    kinds = [
        e["resource"]["resourceType"] for e in matches(library.search("Patient", *words), "include")
    ]
    assert set(kinds) == {"ImagingStudy", "Endpoint"}
    assert len(kinds) == len(set(map(str, matches(library.search("Patient", *words), "include"))))
    everything = library.search("ImagingStudy", ("patient", id_), ("_include", "*"))
    assert {e["resource"]["resourceType"] for e in matches(everything, "include")} >= {"Patient"}


def test_a13_a_revinclude_of_what_is_not_served_is_told(library: Library) -> None:
    bundle = library.search("Patient", ("_id", "p1"), ("_revinclude", "AuditEvent:entity"))
    assert len(matches(bundle)) == 1
    assert matches(bundle, "outcome")


@pytest.mark.parametrize("summary", ["true", "text", "data"])
def test_a13_a_summary_is_marked_and_still_valid(library: Library, summary: str) -> None:
    bundle = library.search("ImagingStudy", ("_summary", summary), ("_count", "5"))
    for entry in matches(bundle):
        resource = entry["resource"]
        assert resource["meta"]["tag"][-1]["code"] == "SUBSETTED"
        assert complaints(resource) == []


def test_a13_elements_are_those_asked_for_and_the_required(library: Library) -> None:
    bundle = library.search("ImagingStudy", ("_elements", "started"), ("_count", "50"))
    for entry in matches(bundle):
        known = {"resourceType", "id", "meta", "status", "subject", "started"}
        assert set(entry["resource"]) <= known
        assert entry["resource"]["meta"]["tag"][-1]["code"] == "SUBSETTED"


def ordered(values: Iterable[str]) -> bool:
    found = list(values)
    return found == sorted(found)


def test_a13_an_order_puts_what_has_no_value_last(library: Library) -> None:
    for sort in ("birthdate", "-birthdate"):
        bundle = library.search("Patient", ("_sort", sort), ("_count", "500"))
        dates = [entry["resource"].get("birthDate", "") for entry in matches(bundle)]
        having = [date for date in dates if date]
        assert dates == having + [""] * (len(dates) - len(having))
        assert ordered(having if sort == "birthdate" else reversed(having))
    bundle = library.search("Patient", ("_sort", "-_lastUpdated"), ("_count", "500"))
    times = [entry["resource"]["meta"]["lastUpdated"] for entry in matches(bundle)]
    assert ordered(reversed(times))


def test_a13_an_order_that_there_is_not_is_told_or_refused(library: Library) -> None:
    bundle = library.search("Patient", ("_sort", "shoe-size"))
    assert matches(bundle, "outcome")
    strict = library.get("Patient?_sort=shoe-size", Prefer="handling=strict")
    assert refusal(strict, 400)["expression"] == ["_sort"]


def test_a13_ids_and_times_are_searched_on_every_type(library: Library) -> None:
    assert sorted(library.ids("Patient", ("_id", "p1,p2,p1,nobody"))) == ["p1", "p2"]
    updated = library.get("Patient/p1").json()["meta"]["lastUpdated"]
    for prefix, found in (("ge", True), ("le", True), ("", True), ("gt", False), ("lt", False)):
        words = [("_lastUpdated", prefix + updated), ("_id", "p1")]
        assert (library.ids("Patient", *words) == ["p1"]) is found, prefix
