"""A query string is understood whole or refused with the parameter that is wrong (conformance A13)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir import query as q
from fhir.datetimes import search_range
from fhir.errors import BadSearch
from fhir.search import Limits, parse
from fhir.search_params import TABLE, only
from fhir.search_values import split, unescape

SERVED = only(("Patient", "ImagingStudy", "Endpoint"))
BASE = "https://h.example/fhir"


def search(*pairs: tuple[str, str], kind: str = "ImagingStudy", strict: bool = True) -> q.Query:
    return parse(kind, pairs, strict=strict, base=BASE, table=SERVED)


def one(name: str, text: str, kind: str = "ImagingStudy") -> q.Criterion:
    (condition,) = search((name, text), kind=kind).conditions
    assert isinstance(condition, q.Criterion)
    return condition


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("CT", [q.TokenValue(None, "ct")]),
        ("http://d|CT", [q.TokenValue("http://d", "ct")]),
        ("|CT", [q.TokenValue("", "ct")]),
        ("http://d|", [q.TokenValue("http://d", "")]),
        ("CT,MR", [q.TokenValue(None, "ct"), q.TokenValue(None, "mr")]),
        (r"a\,b", [q.TokenValue(None, "a,b")]),
        (r"s\|x|y\$z", [q.TokenValue("s|x", "y$z")]),
    ],
)
def test_a_token_is_code_system_or_both(text: str, values: list[q.Value]) -> None:
    assert list(one("modality", text).values) == values


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ("urn:dicom:uid|urn:oid:1.2.3", "urn:dicom:uid"),
        ("urn:dicom:uid|1.2.3", "urn:dicom:uid"),
        ("urn:oid:1.2.3", None),
        ("1.2.3", None),
    ],
)
def test_a_study_uid_is_understood_in_every_spelling(text: str, system: str | None) -> None:
    assert one("identifier", text).values == (q.TokenValue(system, "1.2.3"),)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("patient", "p1", q.ReferenceValue("Patient", "p1")),
        ("patient", "Patient/p1", q.ReferenceValue("Patient", "p1")),
        ("patient", f"{BASE}/Patient/p1", q.ReferenceValue("Patient", "p1")),
        ("subject", "p1", q.ReferenceValue("", "p1")),
        ("subject:Patient", "p1", q.ReferenceValue("Patient", "p1")),
        (
            "subject",
            "http://o.example/Patient/p1",
            q.ReferenceValue("", "", "http://o.example/Patient/p1"),
        ),
        ("subject", "urn:uuid:1", q.ReferenceValue("", "", "urn:uuid:1")),
        ("subject:identifier", "http://x|A1", q.TokenValue("http://x", "A1")),
    ],
)
def test_a_reference_is_understood_in_every_spelling(name: str, text: str, value: q.Value) -> None:
    assert one(name, text).values == (value,)


def test_modifiers_that_ask_something_else_use_other_rows() -> None:
    assert one("identifier:of-type", "http://0203|MR|Ab", "Patient") == q.Criterion(
        TABLE["Patient"]["identifier"],
        "of-type",
        (q.TokenValue("http://0203", "MR|Ab"),),
        "identifier:of-type",
    )
    assert one("subject:identifier", "A1").rows == "subject:identifier"
    assert one("subject:Patient", "p1").rows == "subject"


def test_a_string_is_folded_and_also_kept_exactly() -> None:
    assert one("name", "Müller", "Patient").values == (q.StringValue("muller", "Müller"),)
    assert one("name:contains", "ÜLL", "Patient").values == (q.StringValue("ull", "ÜLL"),)
    assert one("name:exact", "Müller", "Patient").modifier == "exact"


@pytest.mark.parametrize("prefix", ["eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"])
def test_a_date_has_a_prefix_and_a_range(prefix: str) -> None:
    (value,) = one("started", f"{prefix}2022-08").values
    assert value == q.DateValue(prefix, *search_range("2022-08"))  # type: ignore[arg-type]
    assert one("started", "2022-08").values[0] == q.DateValue("eq", *search_range("2022-08"))


def test_approximately_is_a_tenth_of_the_way_to_now() -> None:
    now = datetime(2022, 1, 11, 12, tzinfo=UTC)
    query = parse("ImagingStudy", [("started", "ap2022-01-01")], strict=True, base=BASE, now=now)
    (condition,) = query.conditions
    assert isinstance(condition, q.Criterion)
    (value,) = condition.values
    assert isinstance(value, q.DateValue)
    low, high = search_range("2022-01-01")
    day = 86_400_000_000
    assert (low - value.low, value.high - high) == (day, day)


def test_a_day_without_offset_is_one_of_the_zone() -> None:
    paris = ZoneInfo("Europe/Paris")
    query = parse("ImagingStudy", [("started", "2022-08-22")], strict=True, base=BASE, zone=paris)
    (condition,) = query.conditions
    assert isinstance(condition, q.Criterion)
    assert condition.values == (q.DateValue("eq", *search_range("2022-08-22", zone=paris)),)


def test_missing_has_no_values() -> None:
    assert one("started:missing", "true") == q.Criterion(
        TABLE["ImagingStudy"]["started"], "missing", (), "started", missing=True
    )


def test_a_chain_follows_a_reference_to_each_type_that_serves_the_parameter() -> None:
    (chain,) = search(("patient.identifier", "http://x|1")).conditions
    assert isinstance(chain, q.Chain)
    ((kind, condition),) = chain.branches
    assert kind == "Patient"
    assert isinstance(condition, q.Criterion)
    assert condition.values == (q.TokenValue("http://x", "1"),)
    (chain,) = search(("subject:Patient.name:exact", "Ann")).conditions
    assert isinstance(chain, q.Chain)
    assert chain.branches[0][1].modifier == "exact"  # type: ignore[union-attr]
    (chain,) = search(("subject.name", "ann")).conditions
    assert isinstance(chain, q.Chain)
    assert [kind for kind, _ in chain.branches] == ["Patient"]


def test_has_asks_who_refers_here_and_nests() -> None:
    (has,) = search(("_has:ImagingStudy:patient:modality", "CT"), kind="Patient").conditions
    assert isinstance(has, q.Reverse)
    assert (has.type, has.param.code) == ("ImagingStudy", "patient")
    nested = ("_has:ImagingStudy:endpoint:patient.name", "ann")
    (has,) = search(nested, kind="Endpoint").conditions
    assert isinstance(has, q.Reverse)
    assert isinstance(has.condition, q.Chain)
    twice = ("_has:Patient:link:_has:ImagingStudy:patient:status", "available")
    (has,) = search(twice, kind="Patient").conditions
    assert isinstance(has, q.Reverse)
    assert isinstance(has.condition, q.Reverse)


def test_includes_name_source_parameter_and_target() -> None:
    query = search(
        ("_include", "ImagingStudy:endpoint"),
        ("_include:iterate", "ImagingStudy:subject:Patient"),
        ("_include", "ImagingStudy:*"),
        ("_include", "*"),
        ("_revinclude", "ImagingStudy:patient"),
        ("_include", "ImagingStudy:endpoint"),
    )
    params = TABLE["ImagingStudy"]
    assert query.includes == (
        q.Include("ImagingStudy", params["endpoint"]),
        q.Include("ImagingStudy", params["subject"], "Patient", iterate=True),
        q.Include("ImagingStudy", None),
        q.Include("ImagingStudy", params["patient"], reverse=True),
    )


def test_settings_of_the_answer_are_read() -> None:
    query = search(
        ("_sort", "-started,_id"),
        ("_count", "0"),
        ("_total", "accurate"),
        ("_elements", "status, subject,status"),
        ("_cursor", "opaque"),
        ("_format", "json"),
    )
    assert [(key.param.code, key.descending) for key in query.sort] == [
        ("started", True),
        ("_id", False),
    ]
    assert (query.count, query.total, query.cursor) == (0, "accurate", "opaque")
    assert query.elements == ("status", "subject")
    assert ("_format", "json") not in query.used


@pytest.mark.parametrize("choice", ["true", "text", "data", "count", "false"])
def test_every_summary_is_known(choice: str) -> None:
    assert search(("_summary", choice)).summary == choice


def test_a_count_beyond_the_limit_is_clamped_and_told() -> None:
    query = parse("Patient", [("_count", "5000")], strict=True, base=BASE, limits=Limits(count=100))
    assert query.count == 100
    assert query.used == (("_count", "100"),)
    assert query.warnings[0].expression == "_count"


def test_summary_false_goes_with_elements() -> None:
    query = search(("_summary", "false"), ("_elements", "status"))
    assert query.elements == ("status",)


UNKNOWN = [
    ("colour", "red"),
    ("patient.colour", "red"),
    ("_text", "x"),
    ("_include", "ImagingStudy:colour"),
    ("_include", "ImagingStudy:status"),
    ("_include", "ImagingStudy:patient:Device"),
    ("_revinclude", "Provenance:target"),
    ("_sort", "patient"),
    ("_sort", "colour"),
    ("_has:Provenance:target:agent", "x"),
    ("modality", ""),
    ("_contained", "true"),
]


@pytest.mark.parametrize(("name", "text"), UNKNOWN)
def test_what_is_unknown_is_refused_when_strict(name: str, text: str) -> None:
    with pytest.raises(BadSearch) as refusal:
        search((name, text))
    assert refusal.value.code == "not-supported"
    assert refusal.value.expression == name


@pytest.mark.parametrize(("name", "text"), UNKNOWN)
def test_what_is_unknown_is_ignored_and_told_when_lenient(name: str, text: str) -> None:
    query = search((name, text), ("status", "available"), strict=False)
    assert query.used == (("status", "available"),)
    assert len(query.conditions) == 1
    assert query.warnings[0].expression == name


def test_a_sort_keeps_the_keys_it_understands() -> None:
    query = search(("_sort", "colour,-started"), strict=False)
    assert query.used == (("_sort", "-started"),)
    assert len(query.warnings) == 1


BAD = [
    ("started", "1973-02-30"),
    ("started", "***"),
    ("started", "xx2020"),
    ("started", "2020,"),
    ("modality", "a|b|c"),
    ("modality", "|"),
    ("modality:exact", "CT"),
    ("modality:in", "x"),
    ("started:exact", "2020"),
    ("instance:text", "x"),
    ("status.name", "x"),
    ("subject:Endpoint", "1"),
    ("subject", "Patient/"),
    ("subject", "Quatient/1"),
    ("subject", "not an id"),
    ("subject:identifier", "x|"),
    ("identifier:of-type", "MR|1"),
    ("started:missing", "yes"),
    ("_count", "-1"),
    ("_count", "ten"),
    ("_count", "9" * 40),
    ("_total", "some"),
    ("_summary", "yes"),
    ("_include", "endpoint"),
    ("_include:recurse", "ImagingStudy:endpoint"),
    ("_has:ImagingStudy:patient", "x"),
    ("_has:ImagingStudy:endpoint:status", "x"),
    ("_has:ImagingStudy:status:status", "x"),
]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("name", "text"), BAD)
def test_what_is_wrong_is_refused_however_lenient(name: str, text: str, strict: bool) -> None:
    with pytest.raises(BadSearch) as refusal:
        search((name, text), strict=strict)
    assert refusal.value.expression
    assert len(text) < 4 or text not in str(refusal.value)


def test_settings_that_exclude_each_other_or_repeat_are_refused() -> None:
    for pairs in (
        [("_summary", "true"), ("_elements", "status")],
        [("_count", "1"), ("_count", "2")],
    ):
        with pytest.raises(BadSearch):
            search(*pairs)


def test_a_search_that_asks_too_much_is_refused() -> None:
    long_chain = "link:Patient." * 6 + "name"
    for pairs in (
        [("status", "available")] * 201,
        [("status", ",".join("x" * 501))],
        [(long_chain, "x")],
    ):
        with pytest.raises(BadSearch) as refusal:
            parse(
                "Patient" if "link" in pairs[0][0] else "ImagingStudy",
                pairs,
                strict=False,
                base=BASE,
            )
        assert refusal.value.code == "too-costly"


def test_a_type_that_is_not_served_is_refused() -> None:
    with pytest.raises(BadSearch):
        search(kind="Media")


@given(st.lists(st.text("ab,|$\\"), min_size=1))
def test_escaped_values_come_apart_as_they_were_put_together(parts: list[str]) -> None:
    escaped = [
        part.replace("\\", r"\\").replace(",", r"\,").replace("|", r"\|").replace("$", r"\$")
        for part in parts
    ]
    assert [unescape(part) for part in split(",".join(escaped), ",")] == parts


@given(
    st.sampled_from(sorted(TABLE)),
    st.lists(
        st.tuples(
            st.text("_abcdehilmnprstuy:.-", max_size=20)
            | st.sampled_from(sorted(TABLE["Patient"])),
            st.text(max_size=20),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_no_query_string_does_anything_but_parse_or_be_refused(
    kind: str, pairs: list[tuple[str, str]], strict: bool
) -> None:
    try:
        query = parse(kind, pairs, strict=strict, base=BASE)
    except BadSearch:
        return
    again = parse(kind, query.used, strict=True, base=BASE)
    assert again.conditions == query.conditions
    assert again.used == query.used
