"""The generated table hangs together, and holds R4 only."""

from fhir.definitions import patient_compartment, resource_types, search_parameters, structures
from fhir.generate import TYPES
from fhir.primitives import CHECKS
from fhir.search_params import TABLE


def test_every_type_that_an_element_has_is_in_the_table() -> None:
    known = structures().keys() | CHECKS.keys() | {"Resource"}
    for structure in structures().values():
        for element in structure.elements.values():
            assert element.type in known, f"{structure.name}.{element.name}"


def test_the_types_of_the_table_are_types_of_r4() -> None:
    assert len(resource_types()) == 146
    assert set(TYPES) <= resource_types() & structures().keys()


def test_nothing_of_the_package_that_carries_the_definitions_is_left() -> None:
    assert structures()["Meta"].elements.keys() == {
        *("id", "extension", "versionId", "lastUpdated", "source", "profile", "security", "tag")
    }
    observer = structures()["AuditEvent.source"].elements["observer"]
    assert observer.targets <= resource_types()
    assert "url" not in structures()["Binary"].elements


def test_a_choice_is_one_element_for_each_of_its_types() -> None:
    forms = {
        element.name: element.type
        for element in structures()["Patient"].elements.values()
        if element.choice == "deceased"
    }
    assert forms == {"deceasedBoolean": "boolean", "deceasedDateTime": "dateTime"}


def test_the_patient_compartment_is_that_of_r4() -> None:
    compartment = patient_compartment()
    assert compartment["ImagingStudy"] == ("patient",)
    assert "Endpoint" not in compartment
    for kind in TABLE.keys() & compartment.keys():
        assert set(compartment[kind]) <= search_parameters(kind).keys()
