"""A shortened resource has what was asked for, what R4 requires, and says that it is shortened."""

import copy
from typing import Any

import pytest

from fhir.shape import SUBSETTED, shape
from tests.support.outside import complaints

STUDY: dict[str, Any] = {
    "resourceType": "ImagingStudy",
    "id": "s1",
    "meta": {"versionId": "1", "tag": [{"system": "urn:triptych:tag", "code": "settled"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">CT</div>'},
    "extension": [{"url": "http://x", "valueString": "y"}],
    "status": "available",
    "subject": {"reference": "Patient/p1"},
    "description": "Head",
    "_description": {"id": "d"},
    "series": [
        {
            "uid": "1.2",
            "modality": {"code": "CT"},
            "instance": [{"uid": "1.2.3", "sopClass": {"code": "urn:oid:1.2.840"}}],
        }
    ],
}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [{"text": "Ann"}],
    "deceasedBoolean": False,
    "photo": [{"data": "AAAA"}],
    "contact": [{"name": {"text": "Bob"}}],
}


@pytest.mark.parametrize(
    ("summary", "members"),
    [
        ("true", {"status", "subject", "description", "_description", "series"}),
        ("text", {"text", "status", "subject"}),
        ("data", {"extension", "status", "subject", "description", "_description", "series"}),
    ],
)
def test_a_summary_has_its_members_and_a_tag(summary: str, members: set[str]) -> None:
    cut = shape(STUDY, summary=summary)
    assert set(cut) == {"resourceType", "id", "meta"} | members
    assert cut["meta"] == {"versionId": "1", "tag": [STUDY["meta"]["tag"][0], SUBSETTED]}
    assert complaints(cut) == []


def test_a_summary_leaves_out_instances_but_keeps_series() -> None:
    assert shape(STUDY, summary="true")["series"] == [{"uid": "1.2", "modality": {"code": "CT"}}]


def test_elements_are_kept_with_what_is_required_or_changes_the_meaning() -> None:
    assert set(shape(STUDY, elements=["description"])) == {
        *("resourceType", "id", "meta", "status", "subject", "description", "_description")
    }
    cut = shape(PATIENT, elements=["deceased", "photo"])
    assert set(cut) == {"resourceType", "id", "meta", "active", "deceasedBoolean", "photo"}


@pytest.mark.parametrize("summary", ["", "false"])
def test_without_a_wish_nothing_is_cut(summary: str) -> None:
    assert shape(STUDY, summary=summary) is STUDY


def test_the_stored_resource_is_not_changed() -> None:
    before = copy.deepcopy(STUDY)
    for summary in ("true", "text", "data"):
        shape(STUDY, summary=summary)
    shape(STUDY, elements=["series"])
    assert before == STUDY


def test_a_resource_that_was_cut_before_is_tagged_once() -> None:
    twice = shape(shape(STUDY, summary="true"), summary="text")
    assert twice["meta"]["tag"].count(SUBSETTED) == 1
