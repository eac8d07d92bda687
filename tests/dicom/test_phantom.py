"""Phantoms: the same bytes each time, of the kinds they say, readable, and nobody's."""

import io

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom.phantom import DEMO_PERSON, Plan, Study, ct_study
from dicom.phantom.papers import document, dose_report, key_object
from dicom.phantom.studies import KNEE, chest_study, knee_study, ultrasound_study

PLAN = Plan("p", "20261120", "091500", "A-1", "CT head", slices=3, size=96, thickness=36)
EARLIER = Plan("e", "20251120", "091500", "A-0", "CT head", 3, 96, 36, 13)
STUDY, FILM, KNEES = (
    Study(name, DEMO_PERSON, "20261120", "091500", "A-2", "Some study") for name in "abc"
)


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[bytes]]:
    """A study of each kind, small."""
    return {
        "CT": list(ct_study(DEMO_PERSON, PLAN)),
        "DX": list(chest_study(FILM, pixel=1.6)),
        "MR": list(knee_study(KNEES, KNEE[:1])),
        "US": list(ultrasound_study(STUDY, 4)),
        "KO": [key_object(DEMO_PERSON, PLAN, (1,), "Look here")],
        "SR": [dose_report(DEMO_PERSON, PLAN, 48.2, 720.5)],
        "DOC": [document(STUDY, "Letter", b"%PDF-1.4 x")],
    }


def opened(file: bytes) -> Dataset:
    return dcmread(io.BytesIO(file))


def test_the_same_arguments_give_the_same_bytes(drawn: dict[str, list[bytes]]) -> None:
    """What is sent twice has to be a duplicate, not a rival."""
    assert list(ct_study(DEMO_PERSON, PLAN)) == drawn["CT"]
    assert list(ultrasound_study(STUDY, 4)) == drawn["US"]


@pytest.mark.parametrize("kind", ["CT", "DX", "MR", "US"])
def test_pictures_decode_have_something_in_them_and_say_that_nobody_was_scanned(
    drawn: dict[str, list[bytes]], kind: str
) -> None:
    """Quality Control Image (PS3.3 C.7.6.1)."""
    for file in drawn[kind]:
        data_set = opened(file)
        pixels = data_set.pixel_array
        assert data_set.Modality == kind
        assert data_set.QualityControlImage == "YES"
        assert pixels.std() > 20
        assert len(np.unique(pixels)) > 100


@pytest.mark.parametrize("kind", ["KO", "SR", "DOC"])
def test_papers_belong_to_the_study(drawn: dict[str, list[bytes]], kind: str) -> None:
    [data_set] = map(opened, drawn[kind])
    assert data_set.Modality == kind
    uids = {STUDY.uid, PLAN.of(DEMO_PERSON).uid}
    assert data_set.StudyInstanceUID in uids


def test_instances_of_a_study_are_all_different(drawn: dict[str, list[bytes]]) -> None:
    uids = [str(opened(file).SOPInstanceUID) for files in drawn.values() for file in files]
    assert len(uids) == len(set(uids))


def test_a_collection_shows_on_the_left_and_nowhere_else() -> None:
    """The earlier study differs visibly: an unlike side would be a wrong side."""
    now, then = (
        opened(list(ct_study(DEMO_PERSON, plan))[2]).pixel_array.astype(int)
        for plan in (PLAN, EARLIER)
    )
    lost = np.clip(now - then, -60, 60)
    assert lost[:, 48:].sum() > 2 * abs(lost[:, :48].sum())
