"""What is asked of a resource that a client writes, beyond R4: whom it is about, where it refers to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir.codes import IDENTIFIER_TYPE

Json = dict[str, Any]
SUBSETTED = "SUBSETTED"
# Elements that are Attachments: their address is a url and no Reference.
_DOCUMENTS = frozenset({"presentedForm", "attachment", "photo", "valueAttachment"})
# What the server itself says of a version.
_OWN = ("versionId", "lastUpdated")


@dataclass(frozen=True, slots=True)
class Pointed:
    """A reference, or the address of a document, and where it stands (FHIRPath)."""

    expression: str
    address: str


def plain(body: Json) -> Json:
    """A body without what the server itself says of it: id, version and time."""
    rest = {key: value for key, value in body.items() if key != "id"}
    if isinstance(body.get("meta"), dict):
        kept = {key: value for key, value in body["meta"].items() if key not in _OWN}
        rest = {key: value for key, value in rest.items() if key != "meta"}
        rest |= {"meta": kept} if kept else {}
    return rest


def is_part(body: Json) -> bool:
    """Whether a body is only a part of a resource, as a search with _elements gives it."""
    tags = body.get("meta", {}).get("tag", [])
    return any(tag.get("code") == SUBSETTED for tag in tags)


def pointed(value: Any, path: str, name: str = "") -> Iterator[Pointed]:
    """Every reference within a resource, and every address of a document."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from pointed(one, f"{path}[{index}]", name)
    elif isinstance(value, dict):
        own = "url" if name in _DOCUMENTS else "reference"
        if isinstance(value.get(own), str):
            yield Pointed(f"{path}.{own}", value[own])
        for key, one in value.items():
            yield from pointed(one, f"{path}.{key}", key)


def numbers(body: Json, kind: str) -> list[tuple[str, str]]:
    """System and value of each identifier of a type of table 0203, such as ACSN."""
    return [
        (one.get("system", ""), one["value"].strip())
        for one in body.get("identifier", [])
        if one.get("value", "").strip() and _is_of(one, kind)
    ]


def _is_of(identifier: Json, kind: str) -> bool:
    codings = identifier.get("type", {}).get("coding", [])
    return any(
        one.get("code") == kind and one.get("system") in (None, IDENTIFIER_TYPE) for one in codings
    )


def changed(before: Json, after: Json) -> list[str]:
    """The elements in which two bodies of one resource differ, as FHIRPaths."""
    one, other = plain(before), plain(after)
    names = [*one, *(name for name in other if name not in one)]
    return [
        f"{before['resourceType']}.{name}" for name in names if one.get(name) != other.get(name)
    ]
