"""Whatever real reports and documents say, what we build of them is good R4 to independent readers."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from dicom import document_read, files
from dicom.facts import InstanceFacts, Item
from fhir import document_reference, paper_report
from fhir.identifiers import Site
from fhir.papers import PaperView
from fhir.sr_observation import dose, is_dose, measurements, quantity
from tests.support.dicom_objects import part10
from tests.support.dicom_papers import FINDING, content, report
from tests.support.outside import complaints
from tests.support.samples import samples

SITE = Site(base="https://h.example/ids", zone="Europe/Paris")
FOLDERS = ("sr", "rdsr", "encapsulated-pdf", "encapsulated-pdf-derived", "encapsulated-cda-derived")
BUNDLED = ("reportsi.dcm", "reportsi_with_empty_number_tags.dcm", "test-SR.dcm")


def built(facts: InstanceFacts) -> list[dict[str, Any]]:
    """Everything that is made of a document."""
    documents = {facts.uid: "Binary/b1"} if facts.document.enclosed.length else {}
    view = PaperView("r1", "Patient/p1", study="ImagingStudy/s1", documents=documents)
    make = dose if is_dose(facts) else measurements
    made = [one.body | {"id": "o1"} for one in make(facts, view, SITE)]
    if documents:
        made.append(document_reference.build(facts, view, SITE))
    if not is_dose(facts):
        made.append(paper_report.build([facts], view, SITE))
    return made


@pytest.mark.parametrize("name", BUNDLED)
def test_reports_bundled_with_pydicom_are_good_r4(name: str) -> None:
    path = get_testdata_file(name)
    assert path is not None
    facts = files.read(Path(path).read_bytes()).facts
    (made,) = built(facts)
    assert complaints(made) == []
    assert made["presentedForm"][0]["contentType"].startswith("text/html")


def test_every_sample_report_and_document_becomes_good_r4() -> None:
    root = samples("dicom/sr").parent
    seen = 0
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.dcm")):
            for made in built(files.read(path.read_bytes()).facts):
                assert complaints(made) == [], path.name
                seen += 1
    assert seen > 90


def test_the_dose_of_a_real_angiography_is_told_with_units_of_ucum() -> None:
    path = samples("dicom/rdsr/siemens_axiom_example_procedure.dcm")
    view = PaperView("r1", "Patient/p1", study="ImagingStudy/s1")
    summary, *events = dose(files.read(path.read_bytes()).facts, view, SITE)
    values = {
        one["code"]["coding"][0]["code"]: one["valueQuantity"] for one in summary.body["component"]
    }
    assert (str(values["113722"]["value"]), values["113722"]["code"]) == ("0.00027902", "Gy.m2")
    assert (values["113730"]["value"], values["113730"]["code"]) == (74, "s")
    assert "Dose Area Product Total (Single Plane): 0.00027902 Gy.m2" in summary.body["valueString"]
    assert len(events) == len(summary.members) == 24


def test_items_keep_their_order_and_depth_and_a_report_without_end_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = content("CONTAINER", FINDING, None, content("TEXT", FINDING, "inner"))
    whole = report("1.2.3.9", [content("TEXT", FINDING, "first"), inner])
    items = files.read(part10(whole)).facts.document.items
    assert [(one.depth, one.kind, one.text) for one in items] == [
        *((0, "TEXT", "first"), (0, "CONTAINER", ""), (1, "TEXT", "inner")),
    ]
    monkeypatch.setattr(document_read, "MOST_ITEMS", 20)
    long = report("1.2.3.9", [content("TEXT", FINDING, str(n)) for n in range(21)])
    header = files.read(part10(long))
    assert len(header.facts.document.items) == 20
    assert header.facts.document.cut
    assert "the report is longer than is mapped to FHIR" in header.warnings


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "1e9999", "0x10", "1 2", "9" * 50])
def test_what_is_no_number_becomes_no_quantity(text: str) -> None:
    assert quantity(Item(kind="NUM", text=text)) is None
