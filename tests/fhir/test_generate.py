"""The generator keeps what R4 says and leaves out what others added."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhir import generate

SD = "http://hl7.org/fhir/StructureDefinition/"


def element(path: str, code: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "min": 0, "max": "1", "type": [{"code": code}], **more}


def structure(name: str, kind: str, *elements: dict[str, Any]) -> dict[str, Any]:
    root = {"path": name, "min": 0, "max": "*"}
    return {
        "resourceType": "StructureDefinition",
        "name": name,
        "kind": kind,
        "fhirVersion": "4.0.1",
        "snapshot": {"element": [root, *elements]},
    }


GENDERS = "http://hl7.org/fhir/ValueSet/genders"
PATIENT = structure(
    "Patient",
    "resource",
    element("Patient.id", generate.STRING),
    element("Patient.meta", "Meta", isSummary=True),
    element(
        "Patient.gender",
        "code",
        min=1,
        binding={"strength": "required", "valueSet": f"{GENDERS}|4.0.1"},
    ),
    element(
        "Patient.link",
        "BackboneElement",
        max="*",
        constraint=[
            {"key": "ele-1", "severity": "error"},
            {"key": "pat-9", "severity": "error"},
            {"key": "dom-6", "severity": "warning"},
        ],
    ),
    {
        **element("Patient.link.other", "Reference"),
        "type": [{"code": "Reference", "targetProfile": [f"{SD}Patient", "https://x.example/Bot"]}],
    },
    {"path": "Patient.link.again", "min": 0, "max": "1", "contentReference": "#Patient.link"},
)
TYPES = [
    structure("Element", "complex-type", element("Element.id", generate.STRING)),
    structure("Reference", "complex-type", element("Reference.reference", "string")),
    structure(
        "Meta", "complex-type", element("Meta.source", "uri"), element("Meta.project", "uri")
    ),
]
VALUE_SETS: list[dict[str, Any]] = [
    {
        "resourceType": "ValueSet",
        "url": GENDERS,
        "compose": {"include": [{"system": "http://g"}, {"concept": [{"code": "other"}]}]},
    },
    {
        "resourceType": "CodeSystem",
        "url": "http://g",
        "concept": [{"code": "male", "concept": [{"code": "man"}]}, {"code": "female"}],
    },
]
COMPARTMENT = {
    "resourceType": "CompartmentDefinition",
    "code": "Patient",
    "resource": [{"code": "Patient", "param": ["link"]}, {"code": "Account"}],
}
SEARCH = {
    "resourceType": "SearchParameter",
    "id": "Patient-link",
    "code": "link",
    "type": "reference",
    "base": ["Patient", "Account"],
    "target": ["RelatedPerson", "Patient"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generate, "TYPES", ("Patient",))
    newer = {**structure("Later", "resource"), "fhirVersion": "4.3.0"}
    files: dict[str, list[dict[str, Any]]] = {
        "profiles-resources.json": [PATIENT, newer, COMPARTMENT],
        "profiles-types.json": TYPES,
        "valuesets.json": VALUE_SETS,
        "search-parameters.json": [SEARCH],
    }
    for name, resources in files.items():
        bundle = {"entry": [{"resource": resource} for resource in resources]}
        (tmp_path / name).write_text(json.dumps(bundle))
    return tmp_path


def test_the_table_holds_elements_codes_parameters_and_compartment(folder: Path) -> None:
    table = generate.generate(folder)
    elements = table["elements"]
    assert elements["Patient.id"] == {"types": ["id"]}
    assert elements["Patient.gender"] == {"types": ["code"], "min": 1, "codes": "genders"}
    assert elements["Patient.meta"]["summary"] is True
    assert elements["Patient.link"] == {
        "types": ["BackboneElement"],
        "many": True,
        "rules": ["pat-9"],
    }
    assert elements["Patient.link.other"]["targets"] == ["Patient"]
    assert elements["Patient.link.again"]["types"] == ["#Patient.link"]
    assert table["codes"] == {"genders": ["female", "male", "man", "other"]}
    assert table["search"] == {
        "Patient": {"link": ["reference", "Patient-link", "Patient", "RelatedPerson"]}
    }
    assert table["compartment"] == {"Patient": ["link"]}


def test_what_is_not_r4_is_left_out(folder: Path) -> None:
    elements = generate.generate(folder)["elements"]
    assert "Meta.source" in elements
    assert "Meta.project" not in elements
    assert not any(path.startswith("Later") for path in elements)


def test_without_a_folder_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([]) == 2
    assert "FOLDER" in capsys.readouterr().err
