"""What a site's release table may ask of a report, a document or a study: the words that a row names.

They stand in one text, each between bars after the letter of its kind, so that SQL finds one by a
plain comparison: `|S:FINAL|K:CT|L:STBD|`. Case does not count.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from fhir.datetimes import search_range

Json = dict[str, Any]

# Where the kinds of an examination stand: categories, codes, modalities.
_KINDS = {
    "DiagnosticReport": ("category", "code"),
    "DocumentReference": ("category", "type"),
    "ImagingStudy": ("modality", "procedureCode"),
}
_OF_SERIES = "series"
STATUS, KIND, LABEL = "S", "K", "L"


def traits(body: Json) -> str:
    """The words of a body, empty for types that no row of a release table is about."""
    if body["resourceType"] not in _KINDS:
        return ""
    words = [f"{STATUS}:{body.get('status', '')}"]
    words += [f"{KIND}:{code}" for code in _kinds(body)]
    labels = body.get("meta", {}).get("security", [])
    words += [f"{LABEL}:{label['code']}" for label in labels if label.get("code")]
    return "|" + "".join(f"{folded(word)}|" for word in dict.fromkeys(words))


def folded(word: str) -> str:
    """A word as it is compared."""
    return word.upper().replace("|", " ").strip()


def issued(body: Json) -> int:
    """When a report or document says that it was issued, in microseconds UTC; 0 if it does not."""
    told = body.get("issued") or body.get("date") or ""
    return search_range(told)[0] if told and body["resourceType"] in _KINDS else 0


def _kinds(body: Json) -> Iterator[str]:
    for name in _KINDS[body["resourceType"]]:
        yield from _codes(body.get(name, []))
    for series in body.get(_OF_SERIES, []):
        yield from _codes(series.get("modality", {}))


def _codes(told: Json | list[Json]) -> Iterator[str]:
    """The codes of a coding, of a concept, or of a list of either."""
    each: Iterable[Json] = told if isinstance(told, list) else [told]
    for one in each:
        for coding in one.get("coding", [one]):
            if coding.get("code"):
                yield coding["code"]
