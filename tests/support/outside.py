"""Outside opinions on the FHIR that we build."""

from typing import Any

import fhirkit


def complaints(resource: dict[str, Any]) -> list[str]:
    """What fhirkit, an independent reader of R4, has against a resource."""
    return [str(issue) for issue in fhirkit.validate(resource)]
