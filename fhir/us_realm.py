"""Race and ethnicity (PID-10, PID-22) as US Core tells them: for organisations of the US realm."""

from collections.abc import Iterable
from typing import Any

from fhir.codes import coded
from hl7.types import Concept

Json = dict[str, Any]
REALM = "us"
_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
RACE, ETHNICITY = f"{_CORE}/us-core-race", f"{_CORE}/us-core-ethnicity"
_CDC = "urn:oid:2.16.840.1.113883.6.238"
# The categories of the OMB; the standard's table 0005 has the same codes.
_RACES = {
    "1002-5": "American Indian or Alaska Native",
    "2028-9": "Asian",
    "2054-5": "Black or African American",
    "2076-8": "Native Hawaiian or Other Pacific Islander",
    "2106-3": "White",
}
_ETHNICITIES = {"2135-2": "Hispanic or Latino", "2186-5": "Not Hispanic or Latino"}
_TABLE_0189 = {"H": "2135-2", "N": "2186-5"}


def extensions(races: Iterable[Concept], groups: Iterable[Concept]) -> list[Json]:
    """The extensions that the fields become; a code of no category counts as its text."""
    found = (_told(RACE, races, _RACES), _told(ETHNICITY, groups, _ETHNICITIES))
    return [one for one in found if one]


def _told(url: str, concepts: Iterable[Concept], categories: dict[str, str]) -> Json | None:
    parts: list[Json] = []
    words: list[str] = []
    for told in concepts:
        codes = [_TABLE_0189.get(one.code.upper(), one.code) for one in told.codings]
        code = next((one for one in codes if one in categories), "")
        if code:
            category = coded(_CDC, code, categories[code])
            parts.append({"url": "ombCategory", "valueCoding": category})
        if word := categories.get(code) or told.text:
            words.append(word)
    if not words:
        return None
    text = {"url": "text", "valueString": ", ".join(dict.fromkeys(words))}
    return {"url": url, "extension": [*parts, text]}
