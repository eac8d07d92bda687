"""Resources cut to what a client asked for: `_summary` and `_elements` (R4 3.1.1.5.8 and .9)."""

from collections.abc import Callable, Iterable
from typing import Any

from fhir.definitions import Element, structures

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
ALWAYS = frozenset({"resourceType", "id", "meta"})

Json = dict[str, Any]
Keep = Callable[[Element], bool]


def shape(resource: Json, *, summary: str = "", elements: Iterable[str] = ()) -> Json:
    """The resource, or its part that `_summary` or `_elements` names, tagged SUBSETTED.

    Members that R4 requires, or whose value changes the meaning of others, always stay.
    """
    names = frozenset(elements)
    keep: dict[str, Keep] = {
        "true": lambda element: element.summary or element.required,
        "text": lambda element: element.required or element.name == "text",
        "data": lambda element: element.name != "text",
    }
    if summary in keep:
        return _tagged(_cut(resource, resource["resourceType"], keep[summary], summary == "true"))
    if names:
        return _tagged(_cut(resource, resource["resourceType"], _named(names), deep=False))
    return resource


def _named(names: frozenset[str]) -> Keep:
    return lambda element: (
        element.required or element.modifier or bool(names & {element.name, element.choice})
    )


def _cut(members: Json, structure: str, keep: Keep, deep: bool) -> Json:
    """The members to keep; `deep` also cuts inside inline structures, never inside data types."""
    known = structures()[structure].elements
    kept: Json = {}
    for name, value in members.items():
        element = known.get(name.removeprefix("_"))
        if name in ALWAYS or (element and keep(element)):
            inline = deep and element is not None and "." in element.type
            kept[name] = _cut_each(value, element.type, keep) if inline and element else value
    return kept


def _cut_each(value: Any, structure: str, keep: Keep) -> Any:
    if isinstance(value, list):
        return [_cut(one, structure, keep, deep=True) for one in value]
    return _cut(value, structure, keep, deep=True)


def _tagged(resource: Json) -> Json:
    meta = resource.get("meta", {})
    tags = [tag for tag in meta.get("tag", []) if tag.get("code") != SUBSETTED["code"]]
    return resource | {"meta": {**meta, "tag": [*tags, SUBSETTED]}}
