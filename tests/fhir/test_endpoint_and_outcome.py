"""Endpoints lead apps to the pixels, outcomes lead people to the fault."""

from fhir.endpoint import build
from fhir.outcome import Issue, outcome
from tests.support.outside import complaints


def test_an_endpoint_is_the_base_to_which_an_app_appends_the_study() -> None:
    endpoint = build(id="e1", address="https://h.example/dicomweb/", name="DICOMweb")
    assert endpoint["address"] == "https://h.example/dicomweb"
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs"
    codes = [coding["code"] for coding in endpoint["payloadType"][0]["coding"]]
    assert codes == ["113014", "none"]
    assert endpoint["payloadMimeType"][0] == "application/dicom"
    assert endpoint["extension"] == [
        {
            "url": "http://hl7.org/fhir/smart-app-launch/StructureDefinition/requires-access-token",
            "valueBoolean": True,
        }
    ]
    assert complaints(endpoint) == []


def test_an_outcome_names_each_fault_and_its_place() -> None:
    made = outcome(
        Issue("required", "status is missing", expression=("ImagingStudy.status",)),
        Issue("informational", "", "information"),
    )
    assert made["issue"] == [
        {
            "severity": "error",
            "code": "required",
            "diagnostics": "status is missing",
            "expression": ["ImagingStudy.status"],
        },
        {"severity": "information", "code": "informational"},
    ]
    assert complaints(made) == []


def test_an_outcome_without_faults_says_so() -> None:
    assert outcome()["issue"][0]["severity"] == "information"
    assert complaints(outcome()) == []
