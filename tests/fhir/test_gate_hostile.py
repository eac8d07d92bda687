"""What nobody meant to send does not break the gate: junk, endless nesting, unknown contents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir.definitions import structures
from fhir.gate import problems
from fhir.generate import TYPES
from tests.support.resources import patient

Json = dict[str, Any]
MEMBERS = sorted({name for one in structures().values() for name in one.elements} | {"_given"})
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "#", "x", "Patient/1", "C"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3)
    ),
    max_leaves=10,
)


@st.composite
def junk(draw: st.DrawFn, name: str, depth: int = 2) -> Json:
    """Something with members of a structure, some of them of the right shape and some not."""
    made: Json = {}
    elements = sorted(structures()[name].elements.values(), key=lambda one: one.name)
    for element in draw(st.lists(st.sampled_from(elements), max_size=4)):
        shaped = element.type in structures() and depth and draw(st.booleans())
        value = draw(junk(element.type, depth - 1)) if shaped else draw(JUNK)
        made[element.name] = [value] if element.many and draw(st.booleans()) else value
    return made


@given(st.sampled_from(TYPES), st.data())
def test_no_junk_breaks_the_gate_or_a_rule(kind: str, data: st.DataObject) -> None:
    resource = data.draw(junk(kind)) | {"resourceType": kind}
    for problem in problems(resource):
        assert problem.expression.startswith(kind)


@pytest.mark.parametrize("depth", [50, 400, 900])
def test_a_resource_that_is_nested_without_end_is_refused(depth: int) -> None:
    extension: Json = {"url": "http://x", "valueBoolean": True}
    for _ in range(depth):
        extension = {"url": "http://x", "extension": [extension]}
    resource = patient() | {"extension": [extension]}
    found = {problem.code for problem in problems(resource)}
    assert found == (set() if depth == 50 else {"too-costly"})


@pytest.mark.parametrize(
    "contained",
    [
        {"resourceType": "Condition", "id": "org", "code": {"text": "x"}},
        {"resourceType": "Condition", "id": "org", "subject": None},
        {"resourceType": "Condition", "id": "org", "contained": [{"resourceType": None}]},
    ],
)
def test_a_contained_resource_without_a_table_is_judged_by_the_classes(contained: Json) -> None:
    resource = patient()
    resource["contained"] = [contained]
    assert problems(resource)
    resource["contained"] = [
        {"resourceType": "Condition", "id": "org", "subject": {"reference": "#"}}
    ]
    resource["managingOrganization"] = {"reference": "#org"}
    assert problems(resource) == []
