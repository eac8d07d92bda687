"""Opinions on the FHIR that we build: our own gate's and an outsider's."""

from typing import Any

import fhirkit

from fhir.gate import problems


def complaints(resource: dict[str, Any]) -> list[str]:
    """What our gate, and fhirkit, an independent reader of R4, have against a resource."""
    own = [f"{one.expression}: {one.message}" for one in problems(resource)]
    return own + [str(issue) for issue in fhirkit.validate(resource)]
