"""What a matching key asks for (PS3.4 C.2.2.2)."""

import pytest

from dicom.query import (
    KEYS,
    BadQuery,
    Between,
    Key,
    Match,
    OneOf,
    Wild,
    at_level,
    attributes,
    fold,
    match,
    name_groups,
    person_name,
)


def key(keyword: str) -> Key:
    return next(one for one in KEYS.values() if one.keyword == keyword)


@pytest.mark.parametrize("text", ["", " ", "*", "**"])
@pytest.mark.parametrize("keyword", ["PatientName", "StudyDate", "StudyInstanceUID", "Modality"])
def test_an_empty_value_or_a_star_matches_everything(keyword: str, text: str) -> None:
    assert match(key(keyword), text) is None


@pytest.mark.parametrize(
    ("keyword", "text", "asked"),
    [
        ("PatientID", "0123", OneOf(("0123",))),
        ("PatientID", "01?3*", Wild("01?3*")),
        ("PatientID", "a,b", OneOf(("a,b",))),
        ("PatientName", "Doe^Jane", OneOf(("doe^jane",))),
        ("PatientName", "Müller^*", Wild("muller^*")),
        ("PatientName", "ﾔﾏﾀﾞ*=山田", Wild(fold("ﾔﾏﾀﾞ") + "*")),
        ("PatientName", "=山田^太郎", OneOf(("山田^太郎",))),
        ("StudyDate", "20240131", OneOf(("20240131",))),
        ("StudyDate", "20240101-20240131", Between("20240101", "20240131")),
        ("StudyDate", "-20240131", Between("", "20240131")),
        ("StudyDate", "20240101-", Between("20240101", "")),
        ("StudyTime", "1015", Between("1015", "101559.999999")),
        ("StudyTime", "1015-101630.5", Between("1015", "101630.599999")),
        ("StudyTime", "1015-", Between("1015", "")),
        ("StudyInstanceUID", "1.2.3,1.2.4", OneOf(("1.2.3", "1.2.4"))),
        ("StudyInstanceUID", "1.2.3\\1.2.4", OneOf(("1.2.3", "1.2.4"))),
        ("ModalitiesInStudy", "CT,MR", OneOf(("CT", "MR"))),
        ("ModalitiesInStudy", "C*", Wild("C*")),
        ("SeriesNumber", "007", OneOf(("7",))),
    ],
)
def test_a_value_is_understood_by_the_vr_of_its_key(keyword: str, text: str, asked: Match) -> None:
    assert match(key(keyword), text) == asked


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("StudyDate", "2024"),
        ("StudyDate", "2024-01-31"),
        ("StudyDate", "20240101-20240131-"),
        ("StudyDate", "-"),
        ("StudyTime", "1"),
        ("StudyTime", "10:15"),
        ("StudyInstanceUID", "1.2.*"),
        ("StudyInstanceUID", ","),
        ("SeriesNumber", "one"),
        ("SeriesNumber", "99999999999"),
        ("PatientName", "*a*b*c*d*e*f"),
    ],
)
def test_a_value_that_the_vr_does_not_have_is_refused_and_named(keyword: str, text: str) -> None:
    with pytest.raises(BadQuery) as refusal:
        match(key(keyword), text)
    assert keyword in str(refusal.value)
    assert refusal.value.where == key(keyword).tag


def test_names_are_compared_without_case_accents_width_and_empty_components() -> None:
    assert fold("GARCÍA  López^María ^^") == "garcia lopez^maria"
    assert fold("\uff24\uff2f\uff25^\uff2a") == "doe^j"
    assert fold("ß") == fold("SS")
    assert fold("が") != fold("か")


def test_any_component_group_of_a_name_can_be_asked_for() -> None:
    assert name_groups("Yamada^Tarou=山田^太郎=やまだ^たろう") == (
        "yamada^tarou",
        "山田^太郎",
        "やまだ^たろう",
    )
    assert name_groups("Doe^J=doe^j") == ("doe^j",)
    assert name_groups("^^^^") == ()


def test_a_name_goes_out_by_component_group() -> None:
    assert person_name("Doe^J") == {"Alphabetic": "Doe^J"}
    assert person_name("=山田") == {"Ideographic": "山田"}


def test_a_level_matches_its_own_keys_and_those_above() -> None:
    study, series, instance = (at_level(level) for level in ("study", "series", "instance"))
    assert set(study) < set(series) < set(instance) == set(KEYS.values())


def test_every_matching_key_belongs_to_the_attributes_of_its_level() -> None:
    computed = {"ModalitiesInStudy"}
    for one in KEYS.values():
        if one.level != "instance" and one.keyword not in computed:
            assert one.tag in attributes(one.level), one.keyword


@pytest.mark.parametrize("level", ["study", "series"])
def test_every_attribute_of_a_level_is_a_keyword_that_dicom_knows(level: str) -> None:
    assert "" not in attributes(level)
