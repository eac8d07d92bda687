"""Person names: DICOM PN (PS3.5 6.2.1) to HumanName, one for each way of writing the person."""

from typing import Any

from fhir.text import clean

REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"

Json = dict[str, Any]


def human_names(person_name: str) -> list[Json]:
    """The names of a PN value: alphabetic, ideographic (IDE) and phonetic (SYL) as they occur."""
    groups = person_name.split("=")[:3]
    names = [_human_name(*pair) for pair in zip(groups, ("", "IDE", "SYL"), strict=False)]
    found = [name for name in names if name]
    if len(found) > 1 and "extension" not in found[0]:
        found[0] = {"extension": _representation("ABC")} | found[0]
    return found


def display_name(person_name: str) -> str:
    """A person's name as a line of text; the first way of writing it that is not empty."""
    names = human_names(person_name)
    return str(names[0]["text"]) if names else ""


def _human_name(group: str, representation: str) -> Json:
    parts = [clean(part) for part in group.split("^")][:5]
    family, given, middle, prefix, suffix = parts + [""] * (5 - len(parts))
    if not any(parts):
        return {}
    order = (prefix, given, middle, family, suffix)
    if representation:
        order = (prefix, family, given, middle, suffix)
    body: Json = {"extension": _representation(representation)} if representation else {}
    body["text"] = " ".join(part for part in order if part)
    lists = {"given": [given, middle], "prefix": [prefix], "suffix": [suffix]}
    body |= {"family": family} if family else {}
    return body | {key: kept for key, value in lists.items() if (kept := [v for v in value if v])}


def _representation(code: str) -> list[Json]:
    return [{"url": REPRESENTATION, "valueCode": code}]
