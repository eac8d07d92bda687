"""Merges and renamings as Patients tell them: links, and numbers of old (R4 patient; mapping 2.8).

Which records are merged is decided elsewhere, and so is what moves with them.
"""

from typing import Any

from fhir.unique import unique

Json = dict[str, Any]


def absorbing(survivor: Json, retired: Json) -> Json:
    """The survivor of a merge (A40): it replaces the other and keeps its numbers as old ones."""
    link = {"other": {"reference": f"Patient/{retired['id']}"}, "type": "replaces"}
    own = {_key(one) for one in survivor.get("identifier", [])}
    added = [_old(one) for one in retired.get("identifier", []) if _key(one) not in own]
    return survivor | {
        "identifier": [*survivor.get("identifier", []), *added],
        "link": unique([*survivor.get("link", []), link]),
    }


def retired(patient: Json, survivor: str) -> Json:
    """The other side of a merge: inactive, and replaced by the survivor ("Patient/x")."""
    link = {"other": {"reference": survivor}, "type": "replaced-by"}
    others = [one for one in patient.get("link", []) if one.get("type") != "replaced-by"]
    return patient | {"active": False, "link": unique([*others, link])}


def renumbered(patient: Json, old: Json) -> Json:
    """A Patient of whom one number (an Identifier) is no longer in use (A47)."""
    gone = _key(old)
    numbers = [_old(one) if _key(one) == gone else one for one in patient.get("identifier", [])]
    return patient | {"identifier": numbers}


def _key(identifier: Json) -> tuple[str, str]:
    return identifier.get("system", ""), identifier.get("value", "")


def _old(identifier: Json) -> Json:
    return {"use": "old", **{key: value for key, value in identifier.items() if key != "use"}}
