"""The gate for every resource that is written: all that is wrong with it by R4, at once.

Three judges: the walk through the R4 tables (`fhir.walk`), what holds for a resource as a whole
(contained resources and the references to them), and, if neither objects, the R4B classes: they
know the types that may be contained but have no table here.
"""

from collections.abc import Iterator
from typing import Any

from fhir.definitions import resource_types, structures
from fhir.r4 import refusals
from fhir.walk import Problem, Walk

Json = dict[str, Any]

__all__ = ["Problem", "problems"]


def problems(resource: Json) -> list[Problem]:
    """Everything that R4 has against a resource, with FHIRPaths; empty for a good one.

    Messages never repeat a value, because it may be a patient's.
    """
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or kind not in resource_types() or kind not in structures():
        return [Problem("structure", "resourceType", "expected a resource type that is served")]
    try:
        walk = Walk()
        walk.resource(resource, kind)
        return list(dict.fromkeys(walk.problems)) or list(_second_opinion(resource, kind))
    except RecursionError:
        return [Problem("too-costly", kind, "the resource is nested too deeply")]


def _second_opinion(resource: Json, kind: str) -> Iterator[Problem]:
    """What only the R4B classes object to; members that R4B dropped since R4 do not count."""
    for path, why in refusals(resource):
        if why != "extra_forbidden":
            expression = kind + "".join(_step(step) for step in path)
            yield Problem("structure", expression, "does not fit the definition of this element")


def _step(step: str | int) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step.removeprefix('_')}"
