"""The gate lets good R4 through and names every fault, each at its place (conformance A11)."""

import tarfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir import invariants
from fhir.definitions import structures
from fhir.errors import Malformed
from fhir.gate import problems
from fhir.wire import read
from tests.support.outside import complaints
from tests.support.resources import observation, patient, study
from tests.support.samples import samples

Json = dict[str, Any]
Break = Callable[[Json], object]
SCRIPT = '<div xmlns="http://www.w3.org/1999/xhtml"><script>x()</script></div>'
KINDS = {"Patient": patient, "ImagingStudy": study, "Observation": observation}


def put(resource: Json, path: str, value: object) -> None:
    """Set a member by a path such as series[0].uid; None as value removes it."""
    *steps, last = path.replace("[", ".").replace("]", "").split(".")
    target: Any = resource
    for step in steps:
        target = target[int(step) if step.isdigit() else step]
    if value is DELETE:
        del target[last]
    else:
        target[int(last) if last.isdigit() else last] = value


DELETE = object()
# A contained resource under another id is not referred to, and the reference to it leads nowhere.
LEADS_NOWHERE = "Patient.managingOrganization.reference"

# One fault each: type, member, its bad value, the issue type and where it must be told.
FAULTS: list[tuple[str, str, object, str, str]] = [
    ("ImagingStudy", "status", DELETE, "required", "ImagingStudy.status"),
    ("ImagingStudy", "subject", DELETE, "required", "ImagingStudy.subject"),
    ("ImagingStudy", "series[0].modality", DELETE, "required", "ImagingStudy.series[0].modality"),
    (
        *("ImagingStudy", "series[0].instance[0].sopClass", DELETE, "required"),
        "ImagingStudy.series[0].instance[0].sopClass",
    ),
    ("Observation", "code", DELETE, "required", "Observation.code"),
    ("ImagingStudy", "colour", "red", "structure", "ImagingStudy"),
    ("ImagingStudy", "series[0].colour", "red", "structure", "ImagingStudy.series[0]"),
    ("Patient", "name[0].colour", "red", "structure", "Patient.name[0]"),
    ("ImagingStudy", "status", "done", "code-invalid", "ImagingStudy.status"),
    ("Patient", "gender", "F", "code-invalid", "Patient.gender"),
    ("Patient", "link[0].type", "twin", "code-invalid", "Patient.link[0].type"),
    ("ImagingStudy", "numberOfSeries", "3", "value", "ImagingStudy.numberOfSeries"),
    ("ImagingStudy", "numberOfSeries", -1, "value", "ImagingStudy.numberOfSeries"),
    ("ImagingStudy", "numberOfSeries", 1.0, "value", "ImagingStudy.numberOfSeries"),
    ("ImagingStudy", "numberOfSeries", 2**31, "value", "ImagingStudy.numberOfSeries"),
    ("ImagingStudy", "numberOfSeries", True, "value", "ImagingStudy.numberOfSeries"),
    ("Patient", "active", "true", "value", "Patient.active"),
    ("Patient", "active", 1, "value", "Patient.active"),
    ("Patient", "telecom[0].rank", 0, "value", "Patient.telecom[0].rank"),
    ("Observation", "valueQuantity.value", "72.5", "value", "Observation.value.value"),
    ("Patient", "birthDate", "1980-02-30", "value", "Patient.birthDate"),
    ("Patient", "birthDate", "30.2.1980", "value", "Patient.birthDate"),
    ("Patient", "birthDate", "1980-02-28T00:00:00Z", "value", "Patient.birthDate"),
    ("ImagingStudy", "started", "2022-08-22T08:31:17", "value", "ImagingStudy.started"),
    ("ImagingStudy", "started", "2022-08-22T08:31Z", "value", "ImagingStudy.started"),
    ("ImagingStudy", "started", "2022-08-22T25:00:00Z", "value", "ImagingStudy.started"),
    ("Observation", "issued", "2020-01-02", "value", "Observation.issued"),
    ("Patient", "meta.lastUpdated", "2026-11-24T03:45:15", "value", "Patient.meta.lastUpdated"),
    ("Patient", "id", "p 1", "value", "Patient.id"),
    ("Patient", "id", "x" * 65, "value", "Patient.id"),
    ("Patient", "language", " en", "value", "Patient.language"),
    ("Patient", "identifier[0].system", "http://x y", "value", "Patient.identifier[0].system"),
    ("Patient", "photo[0].data", "A", "value", "Patient.photo[0].data"),
    ("Patient", "name[0].family", "", "value", "Patient.name[0].family"),
    ("Patient", "name[0].family", "a\x00b", "value", "Patient.name[0].family"),
    ("Patient", "name[0].family", ["Curie"], "value", "Patient.name[0].family"),
    ("Patient", "name[0].family", None, "value", "Patient.name[0].family"),
    ("Patient", "name", [], "structure", "Patient.name"),
    ("Patient", "name", {"family": "Curie"}, "structure", "Patient.name"),
    ("Patient", "name[0]", {}, "structure", "Patient.name[0]"),
    ("Patient", "name[0]", None, "structure", "Patient.name[0]"),
    ("Patient", "name[0]", "Curie", "structure", "Patient.name[0]"),
    ("Patient", "name[0]._given", [None], "structure", "Patient.name[0].given"),
    ("Patient", "name[0]._given", [None, None], "structure", "Patient.name[0].given[1]"),
    ("Patient", "_birthDate", {}, "structure", "Patient.birthDate"),
    ("Patient", "_birthDate", {"colour": "red"}, "structure", "Patient.birthDate"),
    ("Patient", "_birthDate", [{"id": "x"}], "structure", "Patient.birthDate"),
    ("Patient", "_name", [{"id": "x"}], "structure", "Patient.name"),
    ("Patient", "deceasedDateTime", "2020", "structure", "Patient.deceased"),
    ("Patient", "extension[0].valueString", "x", "structure", "Patient.extension[0].value"),
    ("Patient", "extension[0].valueBoolean", DELETE, "invariant", "Patient.extension[0]"),
    ("Patient", "extension[0].url", DELETE, "required", "Patient.extension[0].url"),
    ("ImagingStudy", "subject.reference", "Practitioner/1", "value", "ImagingStudy.subject"),
    ("ImagingStudy", "subject.reference", "Quatient/1", "value", "ImagingStudy.subject.reference"),
    ("ImagingStudy", "subject", {"type": "Location"}, "value", "ImagingStudy.subject"),
    ("ImagingStudy", "subject", [{"reference": "Patient/1"}], "structure", "ImagingStudy.subject"),
    ("ImagingStudy", "endpoint[0].reference", "Patient/1", "value", "ImagingStudy.endpoint[0]"),
    ("ImagingStudy", "subject.reference", "#nope", "invariant", "ImagingStudy.subject.reference"),
    ("Patient", "managingOrganization", DELETE, "invariant", "Patient.contained[0]"),
    ("Patient", "contained[0].id", "other", "invariant", "Patient.contained[0]"),
    ("Patient", "contained[0].name", DELETE, "invariant", "Patient.contained[0]"),
    ("Patient", "contained[0].meta", {"versionId": "1"}, "invariant", "Patient.contained[0].meta"),
    (
        *("Patient", "contained[0].contained", [{"resourceType": "Patient", "id": "q"}]),
        *("invariant", "Patient.contained[0]"),
    ),
    ("Patient", "contained[0]", {"id": "org"}, "structure", "Patient.contained[0]"),
    ("Patient", "text.div", SCRIPT, "invariant", "Patient.text.div"),
    ("Patient", "text.div", "<p>Ann</p>", "invariant", "Patient.text.div"),
    ("Patient", "telecom[0].period.end", "2019", "invariant", "Patient.telecom[0].period"),
    ("Patient", "telecom[0].system", DELETE, "invariant", "Patient.telecom[0]"),
    ("Patient", "contact[0].name", DELETE, "structure", "Patient.contact[0]"),
    ("Patient", "contact[0]", {"gender": "male"}, "invariant", "Patient.contact[0]"),
    ("Observation", "valueQuantity.system", DELETE, "invariant", "Observation.value"),
    ("Observation", "dataAbsentReason", {"text": "x"}, "invariant", "Observation"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_resource_passes(kind: str) -> None:
    resource = KINDS[kind]()
    assert problems(resource) == []
    assert complaints(resource) == []


@pytest.mark.parametrize(("kind", "path", "value", "code", "place"), FAULTS)
def test_a_single_fault_is_named_at_its_place(
    kind: str, path: str, value: object, code: str, place: str
) -> None:
    resource = KINDS[kind]()
    put(resource, path, value)
    found = problems(resource)
    assert (code, place) in {(problem.code, problem.expression) for problem in found}
    assert {problem.expression for problem in found} <= {place, LEADS_NOWHERE}
    assert {problem.severity for problem in found} == {"error"}


def test_all_faults_of_a_resource_are_told_at_once() -> None:
    resource = study()
    for path, value in (("status", "done"), ("started", "yesterday"), ("series[0].uid", DELETE)):
        put(resource, path, value)
    assert {problem.expression for problem in problems(resource)} == {
        "ImagingStudy.status",
        "ImagingStudy.started",
        "ImagingStudy.series[0].uid",
    }


def test_no_message_repeats_a_value() -> None:
    for kind, path, _, _, _ in FAULTS:
        for secret in ("Sklodowska!", {"secretmember": "Sklodowska!"}, ["Sklodowska!"]):
            resource = KINDS[kind]()
            put(resource, path, secret)
            told = " ".join(f"{one.expression} {one.message}" for one in problems(resource))
            assert "Sklodowska!" not in told


def test_judging_changes_nothing() -> None:
    for make in KINDS.values():
        resource = make()
        problems(resource)
        assert resource == make()


@pytest.mark.parametrize(
    "resource", [{}, {"resourceType": 3}, {"resourceType": "Quatient"}, {"resourceType": "Period"}]
)
def test_what_is_no_resource_is_refused(resource: Json) -> None:
    assert [problem.expression for problem in problems(resource)] == ["resourceType"]


def test_a_decimal_of_any_length_is_a_number() -> None:
    resource = observation()
    resource["valueQuantity"]["value"] = Decimal("72.5000000000000000000001")
    assert problems(resource) == []


def test_a_reference_inside_a_contained_resource_may_lead_outside_of_it() -> None:
    resource = patient()
    resource["contained"][0]["partOf"] = {"reference": "#org"}
    resource["contained"].append(
        {
            "resourceType": "Patient",
            "id": "q",
            "link": [{"other": {"reference": "#"}, "type": "refer"}],
        }
    )
    assert problems(resource) == []


def test_each_resource_of_a_bundle_is_judged_by_itself() -> None:
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": patient()}, {"resource": study()}],
    }
    assert problems(bundle) == []
    del bundle["entry"][1]["resource"]["status"]
    assert [problem.expression for problem in problems(bundle)] == [
        "Bundle.entry[1].resource.status"
    ]


def test_every_rule_of_the_tables_has_its_predicate_and_no_other_has() -> None:
    listed = {
        rule
        for structure in structures().values()
        for rules in (structure.rules, *(one.rules for one in structure.elements.values()))
        for rule in rules
    }
    assert listed == set(invariants.RULES)


UCUM = {"system": "http://unitsofmeasure.org"}
INSTANCE = {"kind": "instance"}
SEARCHSET = {"type": "searchset"}
# For each rule a value that breaks it, in the smallest form.
BROKEN: dict[str, Json] = {
    "age-1": {"value": 0, "code": "a", **UCUM},
    "att-1": {"data": "AAAA"},
    "bdl-1": {"type": "batch", "total": 1},
    "bdl-2": {"type": "batch", "entry": [{"search": {"mode": "match"}}]},
    "bdl-3": {"type": "batch", "entry": [{"resource": {}}]},
    "bdl-4": {"type": "batch-response", "entry": [{"resource": {}}]},
    "bdl-5": {"fullUrl": "urn:x"},
    "bdl-7": {**SEARCHSET, "entry": [{"fullUrl": "urn:x"}, {"fullUrl": "urn:x"}]},
    "bdl-8": {"fullUrl": "http://x/Patient/1/_history/1"},
    "bdl-9": {"type": "document", "identifier": {"value": "1"}},
    "bdl-10": {"type": "document"},
    "bdl-11": {"type": "document", "entry": [{"resource": {"resourceType": "Patient"}}]},
    "bdl-12": {"type": "message"},
    "cnt-3": {"value": 1.5, "code": "1", **UCUM},
    "cpb-1": INSTANCE,
    "cpb-2": INSTANCE,
    "cpb-3": {"kind": "capability", "messaging": [{"endpoint": [{}]}]},
    "cpb-7": {"document": [{"profile": "p", "mode": "m"}] * 2},
    "cpb-9": {"resource": [{"type": "Patient"}] * 2},
    "cpb-12": {"searchParam": [{"name": "n"}] * 2},
    "cpb-14": INSTANCE,
    "cpb-15": {"kind": "capability"},
    "cpb-16": {"kind": "requirements", "software": {}},
    "cpt-2": {"value": "555"},
    "dis-1": {"value": 1},
    "drq-1": {"path": "a", "searchParam": "b"},
    "drq-2": {},
    "drt-1": {"value": 1, "code": "s", "system": "http://x"},
    "exp-1": {"language": "text/cql"},
    "grp-1": {"actual": False, "member": [{}]},
    "inv-1": {"name": "a", "valueString": "b", "part": [{}]},
    "obs-3": {"type": {}},
    "obs-6": {"dataAbsentReason": {}, "valueString": "x"},
    "obs-7": {
        "code": {"coding": [{"code": "1"}]},
        "valueString": "x",
        "component": [{"code": {"coding": [{"code": "1"}]}}],
    },
    "org-1": {"active": True},
    "org-2": {"use": "home"},
    "org-3": {"use": "home"},
    "pat-1": {"gender": "male"},
    "per-1": {"start": "2020-01-02T00:00:00Z", "end": "2020-01-01T00:00:00Z"},
    "ppc-1": {"status": "active"},
    "prr-1": {"orderDetail": [{}]},
    "qty-3": {"code": "mm"},
    "rat-1": {"numerator": {}},
    "rng-2": {"low": {"value": 2}, "high": {"value": 1}},
    "sev-1": {"name": "a", "query": "AAAA"},
    "tim-1": {"duration": 1},
    "tim-2": {"period": 1},
    "tim-4": {"duration": -1},
    "tim-5": {"period": -1},
    "tim-6": {"periodMax": 1},
    "tim-7": {"durationMax": 1},
    "tim-8": {"countMax": 1},
    "tim-9": {"offset": 1, "when": ["C"]},
    "tim-10": {"timeOfDay": ["10:00:00"], "when": ["MORN"]},
    "trd-1": {"data": [{}], "timingDate": "2020"},
    "trd-2": {"condition": {}},
    "trd-3": {"type": "data-added"},
}


@pytest.mark.parametrize(("rule", "value"), BROKEN.items())
def test_a_rule_is_broken_by_what_it_forbids(rule: str, value: Json) -> None:
    assert invariants.broken(rule, value)


def test_every_rule_about_an_object_was_broken_once() -> None:
    assert BROKEN.keys() | {"txt-1", "txt-2"} == set(invariants.RULES)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2020", "2020"),
        ("2020-01-02", "2020-01-02T05:00:00+14:00"),
        ("2020-01-02T05:00:00+14:00", "2020-01-02"),
        ("2020-01-02T05:00:00Z", "2020-01-02T05:00:00.5Z"),
        ("2020-01-02T05:00:00+02:00", "2020-01-02T03:00:00Z"),
    ],
)
def test_a_period_may_end_in_the_same_moment_day_or_year(start: str, end: str) -> None:
    assert not invariants.broken("per-1", {"start": start, "end": end})


@pytest.mark.parametrize("folder", ["hl7-r4-examples", "us-core", "synthea"])
def test_published_examples_pass(folder: str) -> None:
    for path in sorted(samples("fhir", folder).glob("*.json")):
        for resource in _judged(read(path.read_bytes())):
            assert problems(resource) == [], path.name


def test_the_mado_manifest_passes_resource_by_resource() -> None:
    (path,) = samples("fhir", "mado").glob("*.json")
    judged = _judged(read(path.read_bytes()))
    assert {one["resourceType"] for one in judged} >= {"ImagingStudy", "Patient", "Endpoint"}
    for resource in judged:
        assert problems(resource) == []


def test_the_us_core_packages_pass() -> None:
    for path in sorted(samples("us-core").glob("*.tgz")):
        for name, resource in _packaged(path):
            assert problems(resource) == [], f"{path.name} {name}"


def test_studies_without_modality_or_sop_class_do_not_pass() -> None:
    bundle = read(samples("fhir", "ms-fhir-server", "SmartPatientA.json").read_bytes())
    (faulty,) = (one for one in _judged(bundle) if one["resourceType"] == "ImagingStudy")
    assert {problem.expression for problem in problems(faulty)} == {
        "ImagingStudy.series[0].modality",
        "ImagingStudy.series[0].instance[0].sopClass",
    }


def _judged(resource: Json) -> list[Json]:
    """The resource, or those of a bundle, as far as their types are in our tables."""
    entries = resource.get("entry", [])
    inner = [entry["resource"] for entry in entries if "resource" in entry]
    return [one for one in inner or [resource] if one["resourceType"] in structures()]


def _packaged(path: Path) -> Iterator[tuple[str, Json]]:
    """The resources of an HL7 package; its own validation report is no valid bundle and left out."""
    with tarfile.open(path) as package:
        for member in package:
            file = package.extractfile(member) if member.name.endswith(".json") else None
            if file is None or "validation-" in member.name:
                continue
            try:
                resource = read(file.read())
            except Malformed:
                continue
            if resource.get("resourceType") in structures():
                yield member.name, resource
