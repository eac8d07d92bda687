"""Searching results by number, and by values that belong together (conformance row A13)."""

from tests.support.library import Library, refusal
from tests.support.records import DCM


def test_a13_results_are_found_by_number_unit_and_by_both_with_their_code(
    library: Library,
) -> None:
    ucum = "http://unitsofmeasure.org"
    body = {
        "resourceType": "Observation",
        "id": "dose",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "73569-6"}]},
        "subject": {"reference": "Patient/p1"},
        "component": [
            {
                "code": {"coding": [{"system": DCM, "code": "113813"}]},
                "valueQuantity": {"value": 415.82, "system": ucum, "code": "mGy.cm"},
            },
            {
                "code": {"coding": [{"system": DCM, "code": "113812"}]},
                "valueQuantity": {"value": 2, "system": ucum, "code": "1"},
            },
        ],
    }
    library.archive.put(body, filed_under="p1")
    for name, text, found in (
        ("component-value-quantity", f"gt400|{ucum}|mGy.cm", True),
        ("component-value-quantity", f"gt400|{ucum}|1", False),
        ("combo-value-quantity", "415.8", True),
        ("value-quantity", "415.8", False),
        ("value-quantity:missing", "true", True),
        ("component-code-value-quantity", f"{DCM}|113813$ge400||mGy.cm", True),
        ("combo-code-value-quantity", "113812$gt400", False),
    ):
        assert (library.ids("Observation", (name, text)) == ["dose"]) is found, (name, text)
    assert library.ids("Patient", ("_has:Observation:patient:combo-value-quantity", "gt400")) == [
        "p1"
    ]
    for wrong in ("combo-value-quantity=many", "combo-code-value-quantity=113812"):
        issue = refusal(library.get(f"Observation?{wrong}"), 400)
        assert issue["expression"] == [wrong.partition("=")[0]]
