"""Practitioner (R4) from a professional whose number somebody issued (XCN, CNN; mapping 2.2).

Whoever is known by name alone gets no resource: resources made from names multiply.
"""

from typing import Any

from fhir.hl7_context import Context
from fhir.hl7_people import human_name, resource
from hl7.types import Person


def build(person: Person, context: Context, *, id: str) -> dict[str, Any] | None:
    """The Practitioner of a person; None for one whom no issued number names."""
    name = {"name": [human_name(person.name)]} if person.name else {}
    return resource("Practitioner", person.number, name, context, id)
