"""Whatever real files say, what we build of them is good R4 to three independent readers."""

import json
from pathlib import Path
from typing import Any

import pytest
from fhirclient.models.endpoint import Endpoint
from fhirclient.models.imagingstudy import ImagingStudy
from fhirclient.models.patient import Patient

from dicom.facts import InstanceFacts
from fhir import endpoint, imaging_study, patient
from fhir.extract import EVERYWHERE, rows
from fhir.identifiers import Site
from fhir.imaging_study import StudyView
from fhir.search import parse
from tests.support.facts_reader import read_facts
from tests.support.outside import complaints
from tests.support.samples import samples

SITE = Site(base="https://h.example/ids", zone="Europe/Paris", default="https://h.example/mrn")
BASE = "https://h.example/fhir"


@pytest.fixture(scope="module")
def studies() -> dict[str, list[InstanceFacts]]:
    """The facts of every sample that a store should accept, by study."""
    root = samples("index.json").parent
    found: dict[str, list[InstanceFacts]] = {}
    for record in json.loads((root / "index.json").read_text())["files"]:
        wanted = record["verdict"].startswith("accept") and record.get("part10")
        if wanted and record.get("StudyInstanceUID"):
            facts = read_facts(Path(root, record["path"]))
            found.setdefault(facts.study.uid, []).append(facts)
    return found


def studies_built(studies: dict[str, list[InstanceFacts]]) -> list[dict[str, Any]]:
    return [
        imaging_study.build(
            StudyView("s1", uid, "Patient/p1", facts, endpoints=("Endpoint/e1",)), SITE
        )
        for uid, facts in studies.items()
    ]


@pytest.mark.filterwarnings("ignore")
def test_every_sample_study_becomes_a_good_imaging_study(
    studies: dict[str, list[InstanceFacts]],
) -> None:
    assert len(studies) > 90
    for built in studies_built(studies):
        assert complaints(built) == []
        assert ImagingStudy(built).as_json() == built


@pytest.mark.filterwarnings("ignore")
def test_every_sample_patient_becomes_a_good_patient(
    studies: dict[str, list[InstanceFacts]],
) -> None:
    people = {facts.patient for instances in studies.values() for facts in instances}
    assert len(people) > 50
    for person in people:
        built = patient.build(person, SITE, id="p1")
        assert complaints(built) == []
        assert Patient(built).as_json() == built


@pytest.mark.filterwarnings("ignore")
def test_every_sample_study_has_the_rows_by_which_it_is_searched(
    studies: dict[str, list[InstanceFacts]],
) -> None:
    for built in studies_built(studies):
        params = {row.param for row in rows(built, base=BASE, answers=EVERYWHERE)}
        assert params >= {"_id", "identifier", "status", "patient", "modality", "instance"}


def test_an_outside_client_reads_our_endpoint() -> None:
    built = endpoint.build(id="e1", address="https://h.example/dicomweb", name="DICOMweb")
    assert Endpoint(built).as_json() == built


def test_what_smart_imaging_asks_for_is_understood() -> None:
    pairs = [
        ("patient", "p1"),
        ("_lastUpdated", "gt2026-01-01T00:00:00Z"),
        ("identifier", "urn:oid:1.2.3"),
        ("_include", "ImagingStudy:endpoint"),
    ]
    query = parse("ImagingStudy", pairs, strict=True, base=BASE)
    assert (len(query.conditions), len(query.includes), query.warnings) == (3, 1, ())
