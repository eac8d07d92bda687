"""Scopes are read exactly, never widened, and echoed as they were asked for (conformance A4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir.errors import BadScope
from fhir.scopes import (
    INTERACTIONS,
    LETTERS,
    Scope,
    allows,
    intersect,
    matching,
    parse,
    split,
    text,
)

CATEGORY = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@pytest.mark.parametrize(
    ("word", "scope"),
    [
        ("patient/ImagingStudy.rs", Scope("patient", "ImagingStudy", "rs")),
        ("user/*.cruds", Scope("user", "*", "cruds")),
        ("system/Patient.r", Scope("system", "Patient", "r")),
        ("patient/Patient.read", Scope("patient", "Patient", "rs", first=True)),
        ("patient/*.write", Scope("patient", "*", "cud", first=True)),
        ("user/Endpoint.*", Scope("user", "Endpoint", "cruds", first=True)),
        (f"patient/Observation.rs?{CATEGORY}", Scope("patient", "Observation", "rs", CATEGORY)),
    ],
)
def test_a_scope_of_either_version_is_read_and_echoed(word: str, scope: Scope) -> None:
    assert parse(word) == scope
    assert str(scope) == word


@pytest.mark.parametrize(
    "word",
    [
        "",
        "openid",
        "launch/patient",
        "patient/ImagingStudy",
        "patient/ImagingStudy.",
        "patient/ImagingStudy.sr",
        "patient/ImagingStudy.rr",
        "patient/ImagingStudy.x",
        "patient/Quatient.rs",
        "patient/imagingstudy.rs",
        "patient/ImagingStudy.rs?",
        "patient/ImagingStudy.rs?category",
        "patient/ImagingStudy.rs?category=",
        "patient/ImagingStudy.read?category=x",
        "Patient/ImagingStudy.rs",
        "patient/ImagingStudy.rs\n",
        "practitioner/ImagingStudy.rs",
        "patient/ImagingStudy.rs,user/*.rs",
    ],
)
def test_what_could_be_misread_is_refused(word: str) -> None:
    with pytest.raises(BadScope):
        parse(word)


def test_a_scope_parameter_comes_apart_and_repeated_words_count_once() -> None:
    scopes, others = split("launch/patient openid patient/*.rs launch/patient patient/*.rs x/y.z")
    assert scopes == (Scope("patient", "*", "rs"),)
    assert others == ("launch/patient", "openid", "x/y.z")
    assert text(scopes, others) == "launch/patient openid x/y.z patient/*.rs"


def test_read_and_write_of_version_1_are_two_and_three_letters() -> None:
    (read,), _ = split("patient/ImagingStudy.read")
    allowed = {code for code, letter in INTERACTIONS.items() if letter in read.letters}
    assert allowed == {
        *("read", "vread", "history-instance"),
        *("search-type", "search-system", "history-type", "history-system"),
    }
    (write,), _ = split("patient/ImagingStudy.write")
    assert set(write.letters) == {"c", "u", "d"}


def test_a_scope_opens_its_context_type_and_letters_only() -> None:
    scopes, _ = split("patient/ImagingStudy.rs user/*.r")
    assert allows(scopes, "patient", "ImagingStudy", "s")
    assert not allows(scopes, "patient", "ImagingStudy", "c")
    assert not allows(scopes, "patient", "Patient", "r")
    assert not allows(scopes, "system", "ImagingStudy", "r")
    assert allows(scopes, "user", "Patient", "r")
    assert not allows((), "patient", "Patient", "r")


def test_a_question_restricts_the_scope_that_asks_it() -> None:
    scopes, _ = split(
        f"patient/Observation.rs?{CATEGORY} patient/Observation.r?status=final&code=1"
    )
    found = matching(scopes, "patient", "Observation", "r")
    assert [scope.params for scope in found] == [
        (("category", "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"),),
        (("status", "final"), ("code", "1")),
    ]


@pytest.mark.parametrize(
    ("asked", "ceiling", "granted"),
    [
        ("patient/*.rs", "patient/*.rs", "patient/*.rs"),
        ("patient/ImagingStudy.cruds", "patient/*.rs", "patient/ImagingStudy.rs"),
        ("patient/*.read", "patient/ImagingStudy.rs", "patient/ImagingStudy.read"),
        ("patient/*.*", "patient/*.rs", "patient/*.read"),
        ("patient/*.*", "patient/*.crs", "patient/*.crs"),
        (
            "patient/*.rs",
            "patient/Patient.r patient/Endpoint.rs",
            "patient/Patient.r patient/Endpoint.rs",
        ),
        ("patient/*.rs", "user/*.rs system/*.cruds", ""),
        ("patient/Patient.c", "patient/Patient.rs", ""),
        ("patient/*.rs", "patient/*.rs patient/Patient.rs", "patient/*.rs"),
        ("patient/Patient.rs patient/*.rs", "patient/*.rs", "patient/*.rs"),
        ("patient/Patient.rs patient/Patient.read", "patient/*.rs", "patient/Patient.rs"),
        ("patient/Observation.rs?a=1", "patient/*.rs", "patient/Observation.rs?a=1"),
        ("patient/Observation.rs", "patient/Observation.rs?a=1", "patient/Observation.rs?a=1"),
        (
            "patient/Observation.rs?a=1",
            "patient/Observation.r?b=2",
            "patient/Observation.r?a=1&b=2",
        ),
        ("patient/Observation.read", "patient/Observation.rs?a=1", "patient/Observation.rs?a=1"),
    ],
)
def test_what_is_granted_is_in_both_and_told_as_it_was_asked(
    asked: str, ceiling: str, granted: str
) -> None:
    assert text(intersect(split(asked)[0], split(ceiling)[0])) == granted


SCOPES = st.builds(
    Scope,
    st.sampled_from(["patient", "user"]),
    st.sampled_from(["*", "Patient", "Endpoint"]),
    st.sets(st.sampled_from(LETTERS), min_size=1).map(
        lambda letters: "".join(letter for letter in LETTERS if letter in letters)
    ),
    st.sampled_from(["", "", "a=1", "b=2"]),
)


@given(st.lists(SCOPES, max_size=4), st.lists(SCOPES, max_size=4))
def test_an_intersection_opens_exactly_what_both_sides_open(
    asked: list[Scope], ceiling: list[Scope]
) -> None:
    granted = intersect(asked, ceiling)
    for context in ("patient", "user"):
        for kind in ("Patient", "Endpoint", "ImagingStudy"):
            for letter in LETTERS:
                place = (context, kind, letter)
                both = allows(asked, *place) and allows(ceiling, *place)
                assert allows(granted, *place) is both
                free = any(not s.query for s in matching(granted, *place))
                assert free is all(
                    any(not s.query for s in matching(side, *place)) for side in (asked, ceiling)
                )
    assert intersect(granted, granted) == granted
