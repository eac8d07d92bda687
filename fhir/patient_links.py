"""Merges and renamings as Patients tell them: links, and numbers of old (R4 patient; mapping 2.8).

Which records are merged is decided elsewhere, and so is what moves with them. A Patient is written
from what is its own and what the others lend it, so that a merge that is undone leaves no trace.
"""

from collections.abc import Container, Iterable, Sequence
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str]
_BARE = frozenset({"resourceType", "id", "meta", "identifier", "active", "link"})


def says_nothing(patient: Json) -> bool:
    """Whether a Patient has numbers and links, and nobody has told of the person."""
    return patient.keys() <= _BARE


def key_of(identifier: Json) -> Key:
    """System and value, by which numbers are the same."""
    return identifier.get("system", ""), identifier.get("value", "")


def filled(patient: Json, told: Json) -> Json:
    """A Patient that said nothing, with what is told of the person; its numbers and links stay."""
    numbers = with_numbers(told, patient.get("identifier", [])).get("identifier", [])
    kept = {name: patient[name] for name in ("active", "link") if name in patient}
    return told | kept | ({"identifier": numbers} if numbers else {})


def with_numbers(patient: Json, numbers: Iterable[Json]) -> Json:
    """A Patient with further numbers behind its own; it keeps its own telling of each."""
    own = patient.get("identifier", [])
    known = {key_of(one) for one in own}
    added = {key_of(one): one for one in numbers if key_of(one) not in known}
    every = [*own, *(added[key] for key in sorted(added))]
    return patient | ({"identifier": every} if every else {})


def surviving(patient: Json, parts: Sequence[Json], lent: Container[Key]) -> Json:
    """The survivor of merges (A40): it replaces the others and shows their numbers as old ones.

    `lent` are the numbers that earlier merges lent it: those of them that are not its own go.
    """
    own = own_numbers(patient, lent)
    body = {name: value for name, value in patient.items() if name not in ("identifier", "link")}
    if own:
        body["identifier"] = own
    body = with_numbers(body, (_old(one) for part in parts for one in part.get("identifier", [])))
    others = [one for one in patient.get("link", []) if one.get("type") != "replaces"]
    links = [*(_link(part["id"], "replaces") for part in parts), *others]
    return body | ({"link": links} if links else {})


def own_numbers(patient: Json, lent: Container[Key]) -> list[Json]:
    """The numbers of a Patient but for those that a merge lent it."""
    numbers: list[Json] = patient.get("identifier", [])
    return [one for one in numbers if one.get("use") != "old" or key_of(one) not in lent]


def retired(patient: Json, survivor: str) -> Json:
    """The other side of a merge: inactive, and replaced by the survivor (an id)."""
    others = [one for one in patient.get("link", []) if one.get("type") != "replaced-by"]
    return patient | {"active": False, "link": [*others, _link(survivor, "replaced-by")]}


def revived(patient: Json, active: bool | None) -> Json:
    """A Patient that is not retired any more, active as it was before (None: it did not say)."""
    links = [one for one in patient.get("link", []) if one.get("type") != "replaced-by"]
    body = {name: value for name, value in patient.items() if name not in ("active", "link")}
    if active is not None:
        body["active"] = active
    return body | ({"link": links} if links else {})


def linked(patient: Json, other: str, *, linked: bool) -> Json:
    """A Patient that is told to be the same person as another, or is not any more (A24, A37)."""
    link = _link(other, "seealso")
    rest = [one for one in patient.get("link", []) if one != link]
    body = {name: value for name, value in patient.items() if name != "link"}
    links = [*rest, link] if linked else rest
    return body | ({"link": links} if links else {})


def in_use(patient: Json) -> Json:
    """A Patient of whom somebody tells again: active, unless another has replaced it."""
    replaced = any(one.get("type") == "replaced-by" for one in patient.get("link", []))
    return patient if replaced else patient | {"active": True}


def renumbered(patient: Json, old: Container[Key]) -> Json:
    """A Patient some of whose numbers are no longer in use (A47)."""
    numbers = [_old(one) if key_of(one) in old else one for one in patient.get("identifier", [])]
    return patient | {"identifier": numbers}


def belonging(body: Json, patient: str) -> Json:
    """A resource as one of another patient: its subject, or whom its document is about."""
    found = {}
    for name in ("subject", "patient", "securityContext"):
        owner = body.get(name, {}).get("reference", "")
        if owner.startswith("Patient/") and owner != f"Patient/{patient}":
            rest = {key: value for key, value in body[name].items() if key != "identifier"}
            found[name] = rest | {"reference": f"Patient/{patient}"}
    return body | found


def _link(other: str, kind: str) -> Json:
    return {"other": {"reference": f"Patient/{other}"}, "type": kind}


def _old(identifier: Json) -> Json:
    return {"use": "old", **{key: value for key, value in identifier.items() if key != "use"}}
