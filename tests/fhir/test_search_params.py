"""Every search parameter that we declare is one of R4, of the kind that R4 says (conformance A15)."""

import pytest

from fhir.definitions import search_parameters
from fhir.search_params import COMMON, TABLE

# R4 parameters that are answered by no server of this kind: full text, lists and named queries.
NOT_ANSWERED = {"_text", "_content", "_query"}


@pytest.mark.parametrize("resource_type", TABLE)
def test_all_parameters_of_a_type_are_served_as_r4_defines_them(resource_type: str) -> None:
    own = {code: row for code, row in TABLE[resource_type].items() if not code.startswith("_")}
    expected = search_parameters(resource_type)
    assert {code: param.kind for code, param in own.items()} == {
        code: row.kind for code, row in expected.items()
    }
    for code, param in own.items():
        assert sorted(param.targets) == sorted(expected[code].targets)


def test_the_common_parameters_are_served_for_every_type() -> None:
    expected = {**search_parameters("Resource"), **search_parameters("DomainResource")}
    assert {param.code: param.kind for param in COMMON} == {
        code: row.kind for code, row in expected.items() if code not in NOT_ANSWERED
    }
    assert all(param.code in params for params in TABLE.values() for param in COMMON)


def test_instances_are_looked_up_in_the_instance_table_and_not_indexed_twice() -> None:
    answers = {code: param.answer for code, param in TABLE["ImagingStudy"].items()}
    assert answers["instance"] == answers["dicom-class"] == "instance"
    assert answers["series"] == "series"
