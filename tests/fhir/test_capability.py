"""The CapabilityStatement declares what the tables answer, no more and no less (conformance A1, A11)."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fhir.capability import Served, ServedType, statement
from fhir.definitions import search_parameters
from fhir.search import parse
from fhir.search_params import TABLE
from tests.support.outside import complaints

READ = ("read", "vread", "search-type", "history-instance")
SERVED = Served(
    base="https://h.example/fhir",
    version="0.1.0",
    date=datetime(2026, 11, 24, tzinfo=UTC),
    types=(
        ServedType("Patient", (*READ, "create", "update"), profiles=("http://x.example/p",)),
        ServedType("ImagingStudy", READ, conditional_create=True),
        ServedType("Endpoint", READ),
        ServedType("AuditEvent", ("read",)),
    ),
    oauth=(
        ("authorize", "https://h.example/oauth/authorize"),
        ("token", "https://h.example/oauth/token"),
    ),
    interactions=("batch",),
    operations=(("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"),),
    instantiates=("http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data",),
)
STATEMENT = statement(SERVED)
RESOURCES = {one["type"]: one for one in STATEMENT["rest"][0]["resource"]}


def test_the_statement_is_good_r4_of_a_running_server() -> None:
    assert complaints(STATEMENT) == []
    assert STATEMENT["fhirVersion"] == "4.0.1"
    assert STATEMENT["kind"] == "instance"
    assert "application/fhir+json" in STATEMENT["format"]


def test_clients_of_smart_1_find_the_oauth_addresses() -> None:
    security = STATEMENT["rest"][0]["security"]
    (extension,) = security["extension"]
    assert extension["url"].endswith("/StructureDefinition/oauth-uris")
    uris = {one["url"]: one["valueUri"] for one in extension["extension"]}
    assert uris == dict(SERVED.oauth)
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


@pytest.mark.parametrize("kind", ["Patient", "ImagingStudy", "Endpoint"])
def test_every_declared_parameter_is_one_of_r4_and_can_be_asked(kind: str) -> None:
    defined = {**search_parameters(kind), **search_parameters("Resource")}
    declared = RESOURCES[kind]["searchParam"]
    assert {one["name"] for one in declared} == set(TABLE[kind])
    for one in declared:
        assert defined[one["name"]].kind == one["type"]
        assert defined[one["name"]].url == one["definition"]


@pytest.mark.parametrize("kind", ["Patient", "ImagingStudy", "Endpoint"])
def test_every_declared_include_is_understood(kind: str) -> None:
    for name, key in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
        for path in RESOURCES[kind].get(key, []):
            assert parse(kind, [(name, path)], strict=True, base=SERVED.base).includes


def test_includes_lead_to_types_that_are_served() -> None:
    assert "ImagingStudy:endpoint" in RESOURCES["ImagingStudy"]["searchInclude"]
    assert "ImagingStudy:basedon" not in RESOURCES["ImagingStudy"]["searchInclude"]
    assert set(RESOURCES["Patient"]["searchRevInclude"]) == {
        "Patient:link",
        "ImagingStudy:patient",
        "ImagingStudy:performer",
        "ImagingStudy:subject",
    }


def test_every_type_that_can_be_searched_can_be_declared() -> None:
    types = tuple(ServedType(kind, READ) for kind in TABLE)
    declared = statement(replace(SERVED, types=types))
    assert complaints(declared) == []
    for one in declared["rest"][0]["resource"]:
        for name, key in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
            for path in one.get(key, []):
                assert parse(one["type"], [(name, path)], strict=True, base=SERVED.base).includes
    assert "ServiceRequest:encounter" in str(declared)
    assert "Provenance:target" in str(declared)


def test_a_type_that_is_only_read_declares_no_search() -> None:
    assert "searchParam" not in RESOURCES["AuditEvent"]
    assert [one["code"] for one in RESOURCES["AuditEvent"]["interaction"]] == ["read"]
