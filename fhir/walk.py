"""The walk through a resource along the R4 tables: members, cardinality, values, codes, references.

It also judges what holds for each element (ele-1, ext-1), each resource (dom-2 to dom-5) and each
reference to a contained resource (ref-1), and asks `fhir.invariants` about all other rules.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from fhir import invariants, primitives
from fhir.definitions import Element, Structure, resource_types, structures

Json = dict[str, Any]
_LITERAL = re.compile(
    r"(https?://\S+/)?(?P<type>[A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]{1,64})?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: an R4 issue-type, where (FHIRPath), and what was expected."""

    code: str
    expression: str
    message: str
    severity: Literal["error", "warning"] = "error"


@dataclass(slots=True)
class Walk:
    """Walks one resource and gathers its problems; `_local` are the ids that #references may use."""

    problems: list[Problem] = field(default_factory=list)
    _local: frozenset[str] = frozenset()

    def resource(self, resource: Json, path: str) -> None:
        """Judge a resource that stands by itself; one whose type has no table is passed over."""
        contained = _contained(resource)
        self._local = frozenset(str(one.get("id")) for one in contained.values())
        self._contents(contained, resource, path)
        if structure := structures().get(str(resource["resourceType"])):
            self._members(resource, structure, path)

    def _tell(self, code: str, path: str, message: str) -> None:
        self.problems.append(Problem(code, path, message))

    def _contents(self, contained: dict[int, Json], resource: Json, path: str) -> None:
        """dom-2 to dom-5, and ids that references can tell apart."""
        used, seen = set(_strings(resource)), {""}
        for index, one in contained.items():
            place = f"{path}.contained[{index}]"
            name, meta = str(one.get("id", "")), one.get("meta")
            if name in seen:
                self._tell("invariant", place, "a contained resource has an id of its own")
            elif f"#{name}" not in used and "#" not in _strings(one):
                self._tell("invariant", place, "nothing refers to the contained resource (dom-3)")
            if "contained" in one:
                self._tell("invariant", place, "a contained resource contains none (dom-2)")
            if isinstance(meta, dict) and meta.keys() & {"versionId", "lastUpdated", "security"}:
                message = "a contained resource has no version and no label (dom-4, dom-5)"
                self._tell("invariant", f"{place}.meta", message)
            seen.add(name)

    def _members(self, value: Json, structure: Structure, path: str) -> None:
        """The members of one object against its structure."""
        present: dict[str, str] = {}
        for name in dict.fromkeys(key.removeprefix("_") for key in value):
            element = structure.elements.get(name)
            if element:
                self._member(value, element, present, path)
            elif name != "resourceType" or structure.name not in resource_types():
                self._tell("structure", path, f"{structure.name} has no such member")
        for name in sorted(structure.required - present.keys()):
            self._tell("required", f"{path}.{name}", "the element is required")
        for rule in structure.rules:
            self._rule(rule, value, path)
        if structure.name == "Reference":
            self._local_reference(value, path)
        if structure.name == "Extension" and ("extension" in value) == _has_value(value):
            self._tell("invariant", path, "an extension has a value or extensions (ext-1)")

    def _member(self, value: Json, element: Element, present: dict[str, str], path: str) -> None:
        """One member and its companion, single or repeating; `present` notes it for its owner."""
        path = f"{path}.{element.choice or element.name}"
        if present.setdefault(element.choice or element.name, element.name) != element.name:
            self._tell("structure", path, "only one form of a choice may be given")
        given, companion = value.get(element.name, _ABSENT), value.get(f"_{element.name}", _ABSENT)
        primitive = element.type in primitives.CHECKS
        if companion is not _ABSENT and not primitive:
            self._tell("structure", path, "only primitive elements have a companion")
        if not element.many:
            self._single(element, given, companion if primitive else _ABSENT, path)
            return
        for name, part in (("value", given), ("companion", companion)):
            if part is not _ABSENT and not (isinstance(part, list) and part):
                self._tell("structure", path, f"the {name} is a list with at least one member")
                return
        self._list(element, given, companion if primitive else _ABSENT, path)

    def _single(self, element: Element, given: Any, companion: Any, path: str) -> None:
        if given is None and companion is not _ABSENT:
            self._tell("structure", path, "null stands only in lists")
        elif given is not _ABSENT:
            self._value(element, given, path)
        if companion is not _ABSENT:
            self._companion(companion, path)

    def _list(self, element: Element, given: Any, companion: Any, path: str) -> None:
        values = [_ABSENT] * len(companion) if given is _ABSENT else given
        companions = [None] * len(values) if companion is _ABSENT else companion
        if len(values) != len(companions):
            self._tell("structure", path, "values and companions differ in number")
            return
        for index, (one, beside) in enumerate(zip(values, companions, strict=True)):
            place = f"{path}[{index}]"
            if one is None and beside is None:
                self._tell("structure", place, "null stands only where a companion tells more")
            if one is not None and one is not _ABSENT:
                self._value(element, one, place)
            if beside is not None:
                self._companion(beside, place)

    def _companion(self, companion: Any, path: str) -> None:
        if not isinstance(companion, dict) or not companion:
            self._tell("structure", path, "a companion is an object with id or extension")
            return
        self._members(companion, structures()["Element"], path)

    def _value(self, element: Element, value: Any, path: str) -> None:
        """One value of an element: primitive, resource or structure."""
        if element.type in primitives.CHECKS:
            self._primitive(element, value, path)
        elif not isinstance(value, dict) or not value:
            self._tell("structure", path, "expected an object with at least one member")
        elif element.type == "Resource":
            self._inner(element, value, path)
        else:
            self._members(value, structures()[element.type], path)
            self._coded(element, value, path)
            if element.type == "Reference":
                self._target(element, value, path)
            for rule in () if "." in element.type else element.rules:
                self._rule(rule, value, path)

    def _primitive(self, element: Element, value: Any, path: str) -> None:
        if wrong := primitives.fault(element.type, value):
            self._tell("value", path, wrong)
        elif element.codes and value not in element.codes:
            self._tell("code-invalid", path, "the code is not in the required value set")
        else:
            for rule in element.rules:
                self._rule(rule, value, path)

    def _inner(self, element: Element, value: Json, path: str) -> None:
        """A resource within another: contained, or with a life of its own as in a Bundle."""
        name = str(value.get("resourceType"))
        if name not in resource_types():
            self._tell("structure", path, "expected a resource of a type that R4 knows")
        elif element.name != "contained":
            inner = Walk()
            inner.resource(value, path)
            self.problems += inner.problems
        elif structure := structures().get(name):
            self._members(value, structure, path)
        elif _hollow(value):
            self._tell("structure", path, "a member is null or empty")

    def _coded(self, element: Element, value: Json, path: str) -> None:
        """A required binding of a Coding or CodeableConcept: one of its codings is in the set."""
        if not element.codes:
            return
        codings = value.get("coding") if element.type == "CodeableConcept" else [value]
        listed = codings if isinstance(codings, list) else []
        codes = {str(one.get("code")) for one in listed if isinstance(one, dict)}
        if not codes & element.codes:
            self._tell("code-invalid", path, "no code is in the required value set")

    def _target(self, element: Element, value: Json, path: str) -> None:
        """The type of a literal reference, or the type it claims, against the allowed targets."""
        literal = value.get("reference")
        match = _LITERAL.fullmatch(literal) if isinstance(literal, str) else None
        kinds = [match["type"]] if match else []
        if match and match[1] is None and match["type"] not in resource_types():
            self._tell("value", f"{path}.reference", "the reference names no resource type of R4")
            return
        kinds.append(str(value.get("type")))
        if element.targets and resource_types() & set(kinds) - element.targets:
            allowed = ", ".join(sorted(element.targets))
            self._tell("value", path, f"expected a reference to {allowed}")

    def _local_reference(self, value: Json, path: str) -> None:
        literal = value.get("reference", "")
        local = isinstance(literal, str) and literal.startswith("#") and literal != "#"
        if local and literal[1:] not in self._local:
            message = "the reference leads to no contained resource (ref-1)"
            self._tell("invariant", f"{path}.reference", message)

    def _rule(self, key: str, value: Any, path: str) -> None:
        if why := invariants.broken(key, value):
            self._tell("invariant", path, f"{why} ({key})")


_ABSENT: Any = object()


def _contained(resource: Json) -> dict[int, Json]:
    """The contained resources by their place in the list."""
    listed = resource.get("contained")
    members = enumerate(listed) if isinstance(listed, list) else ()
    return {index: one for index, one in members if isinstance(one, dict)}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _strings(member)


def _hollow(value: Any) -> bool:
    """Whether something inside is empty, or null other than as a place in a list (R4 2.6.2)."""
    if isinstance(value, dict):
        return not value or any(one is None or _hollow(one) for one in value.values())
    if isinstance(value, list):
        return not value or any(_hollow(one) for one in value)
    return bool(value == "")


def _has_value(extension: Json) -> bool:
    return invariants.has(extension, "value[x]")
