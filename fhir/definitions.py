"""The R4 definitions that the gate, the search and the summaries go by, read once from the table.

`definitions.json` beside this file is made by `fhir.generate` and never edited by hand.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

INLINE = frozenset({"BackboneElement", "Element"})


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON member that a type may have.

    `type` is a data type, or the path of an inline structure ("Patient.contact"). `choice` is the
    name of the choice it is one form of ("deceased" for deceasedBoolean). `codes` are those of a
    required binding, `targets` the types a reference may name; empty means any.
    """

    name: str
    type: str
    choice: str = ""
    required: bool = False
    many: bool = False
    codes: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    rules: tuple[str, ...] = ()
    summary: bool = False
    modifier: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """A resource type, a data type or an inline structure: its members by JSON name.

    `required` are the names that must be there, a choice by its own name.
    """

    name: str
    elements: Mapping[str, Element]
    rules: tuple[str, ...]
    required: frozenset[str]


@cache
def structures() -> Mapping[str, Structure]:
    """Every structure of the table by name; inline ones by path."""
    rows: dict[str, dict[str, Any]] = _table()["elements"]
    members: dict[str, dict[str, Element]] = {}
    for path, row in rows.items():
        owner, _, name = path.rpartition(".")
        if owner:
            members.setdefault(owner, {}).update({one.name: one for one in _forms(path, name, row)})
    return {
        name: Structure(
            name,
            elements,
            rules=tuple(rows.get(name, {}).get("rules", ())),
            required=frozenset(e.choice or e.name for e in elements.values() if e.required),
        )
        for name, elements in members.items()
    }


@cache
def resource_types() -> frozenset[str]:
    """The names of all R4 resource types, served or not."""
    return frozenset(_table()["resources"])


@dataclass(frozen=True, slots=True)
class Defined:
    """A search parameter as R4 defines it; no targets means any resource, or no reference."""

    kind: str
    url: str
    targets: tuple[str, ...]


@cache
def search_parameters(resource_type: str) -> Mapping[str, Defined]:
    """What R4 defines for a type, or for Resource and DomainResource, by code."""
    rows = _table()["search"].get(resource_type, {})
    return {
        code: Defined(kind, f"http://hl7.org/fhir/SearchParameter/{name}", tuple(targets))
        for code, (kind, name, *targets) in rows.items()
    }


@cache
def patient_compartment() -> Mapping[str, tuple[str, ...]]:
    """The parameters through which each type belongs to a patient (R4 compartment Patient)."""
    return {name: tuple(codes) for name, codes in _table()["compartment"].items()}


@cache
def _table() -> dict[str, Any]:
    text = Path(__file__).with_name("definitions.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _forms(path: str, name: str, row: dict[str, Any]) -> Iterator[Element]:
    """The JSON members of one line of the table: a choice has one for each of its types."""
    choice = name.removesuffix("[x]") if name.endswith("[x]") else ""
    for kind in row.get("types", ()):
        yield Element(
            name=f"{choice}{kind[0].upper()}{kind[1:]}" if choice else name,
            type=kind.removeprefix("#") if kind not in INLINE else path,
            choice=choice,
            required=bool(row.get("min")),
            many=bool(row.get("many")),
            codes=frozenset(_table()["codes"].get(row.get("codes"), ())),
            targets=frozenset(row.get("targets", ())),
            rules=tuple(row.get("rules", ())),
            summary=bool(row.get("summary")),
            modifier=bool(row.get("modifier")),
        )
