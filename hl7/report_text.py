"""The parts of a report: which section an OBX belongs to (HL7 2.5.1 ch. 7.2.4, LOINC, PS3.20)."""

import re

from hl7.message import Segment
from hl7.report_facts import ADDENDUM, IMPRESSION
from hl7.types import Concept

# Suffixes of OBX-3 (ch. 7.2.4), and FND as it is seen in the field.
_SUFFIXES = {
    "IMP": IMPRESSION,
    "REC": "recommendation",
    "GDT": "description",
    "MDT": "description",
    "ANT": "anatomy",
    "ADT": ADDENDUM,
    "FND": "findings",
}
_LOINC = {
    "19005-8": IMPRESSION,
    "59776-5": "findings",
    "18782-3": "findings",
    "55111-9": "procedure",
    "18834-2": "comparison",
    "11329-0": "history",
    "55115-0": "order",
    "18785-6": "indication",
    "59768-2": "indication",
    "18783-0": "recommendation",
    "55107-7": ADDENDUM,
}
_WORDS = (
    (IMPRESSION, r"(?:diagnostic )?impressions?|conclusions?"),
    (ADDENDUM, r"addend(?:um|a)(?: note)?"),
    ("recommendation", r"(?:study )?recommendations?"),
    ("findings", r"(?:procedure )?findings?"),
    ("procedure", r"technique|procedure(?: description)?"),
    ("comparison", r"comparisons?"),
    ("history", r"(?:clinical |relevant )?history"),
    ("indication", r"(?:procedure |clinical )?indications?"),
)
_TITLES = {
    IMPRESSION: "Impression",
    ADDENDUM: "Addendum",
    "recommendation": "Recommendation",
    "findings": "Findings",
    "procedure": "Procedure",
    "comparison": "Comparison",
    "history": "History",
    "indication": "Indication",
    "order": "Order",
    "anatomy": "Anatomic site",
    "description": "",
    "": "",
}
_PATTERNS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _WORDS)
_SCALE = re.compile(
    r"\b(?:BI|LUNG|LI|PI|TI|CAD|O|C|NI|VI)[ -]?RADS\b|\bL(?:UNG)?RADS\b", re.IGNORECASE
)


def part_of(question: Concept) -> str:
    """The part of the report that OBX-3 names; "" for its body or anything else."""
    if found := _SUFFIXES.get(question.suffix.upper()):
        return found
    for coding in question.codings:
        if found := _LOINC.get(coding.code) or _SUFFIXES.get(coding.code.upper()):
            return found
    for name in (question.text, question.code):
        for kind, pattern in _PATTERNS:
            if pattern.fullmatch(name.strip().rstrip(":")):
                return kind
    return ""


def title_of(question: Concept, kind: str) -> str:
    """The heading of a section: the sender's words, else the name of the part."""
    return question.text.strip().rstrip(":") or _TITLES[kind]


def is_scale(question: Concept) -> bool:
    """Whether OBX-3 asks for the category of a known reporting scale, such as BI-RADS."""
    names = (name for coding in question.codings for name in (coding.text, coding.code))
    return any(_SCALE.search(name) for name in names)


def in_order(observations: list[Segment]) -> list[Segment]:
    """OBX as they came, but those of one OBX-3 sorted by OBX-4 where all of these are numbers."""
    places: dict[str, list[int]] = {}
    for place, obx in enumerate(observations):
        places.setdefault(obx.raw_field(3), []).append(place)
    ordered = list(observations)
    for same in places.values():
        keys = [observations[place].text(4).strip() for place in same]
        if all(key.isdecimal() and key.isascii() for key in keys):
            numbered = sorted(zip(map(int, keys), same, strict=True))
            for place, (_, source) in zip(same, numbered, strict=True):
                ordered[place] = observations[source]
    return ordered
