"""Organization (R4) from an organisation whose number somebody issued (XON; mapping 2.2)."""

from typing import Any

from fhir.hl7_context import Context
from fhir.hl7_people import resource
from hl7.types import Organisation


def build(told: Organisation, context: Context, *, id: str) -> dict[str, Any] | None:
    """The Organization; None for one that no issued number names."""
    name = {"name": told.name} if told.name else {}
    return resource("Organization", told.number, name, context, id)
