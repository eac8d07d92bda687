"""DICOM UIDs that orders and reports carry: IPC-3, ZDS-1, and OBX of several habits.

IHE RAD-TF 2 4.4 (ZDS), HL7 2.5.1 ch. 4.5.6 (IPC), IHE RAD-128 (113014 in OBX).
"""

import re
from collections.abc import Iterable, Iterator

from hl7.facts import Carrier, Uids
from hl7.faults import Fault, at, warning
from hl7.message import Segment, Value

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)+", re.ASCII)
_LONGEST = 64

_CODES = {"113014": "study", "110180": "study", "121018": "study", "112002": "series"}
_WORDS = {
    "study instance uid": "study",
    "dicom study": "study",
    "series instance uid": "series",
    "sop instance uid": "instance",
    "sr instance uid": "instance",
}
_STRONG = ("IPC-3", "ZDS-1")


def level_of(obx: Segment) -> str:
    """Whether OBX-3 says that this is the UID of a study, series or instance; "" if neither."""
    question = obx.field(3)
    code, text, system = (question.text(number).strip() for number in (1, 2, 3))
    if code in _CODES and system in {"DCM", ""}:
        return _CODES[code]
    return _WORDS.get(text.lower(), "") or _WORDS.get(code.lower(), "")


def read_uids(segments: Iterable[Segment]) -> tuple[Uids, tuple[Fault, ...]]:
    """Collect the UIDs of one order or report; a value that is no UID is left out with a warning."""
    carriers: list[Carrier] = []
    faults: list[Fault] = []
    for segment in segments:
        for level, field in _carried(segment):
            found = [_uid(value) for value in segment.repetitions(field)]
            name = f"{segment.name}-{field}"
            carriers += [Carrier(level, uid, name) for uid in found if uid]
            if not all(found):
                faults.append(warning(at(segment, field), "this is no DICOM UID"))
    return _weigh(carriers), tuple(faults)


def _carried(segment: Segment) -> Iterator[tuple[str, int]]:
    if segment.name == "IPC":
        yield "study", 3
    elif segment.name == "ZDS":
        yield "study", 1
    elif segment.name == "OBX" and (level := level_of(segment)):
        yield level, 5


def _uid(value: Value) -> str:
    """The UID of ST, RP (component 1) or HD (component 1 or 2)."""
    candidates = (value.text(number).strip() for number in (1, 2))
    fitting = (uid for uid in candidates if _UID.fullmatch(uid) and len(uid) <= _LONGEST)
    return next(fitting, "")


def _weigh(carriers: list[Carrier]) -> Uids:
    """IPC and ZDS win over OBX, and IPC over ZDS; what contradicts the winner is a conflict."""

    def uids(level: str, *fields: str) -> tuple[str, ...]:
        chosen = (c.uid for c in carriers if c.level == level and c.field in fields)
        return tuple(dict.fromkeys(chosen))

    ranked = [uids("study", field) for field in (*_STRONG, "OBX-5")]
    studies = next((found for found in ranked if found), ())
    conflicts = dict.fromkeys(uid for found in ranked for uid in found if uid not in studies)
    return Uids(
        studies=studies,
        conflicts=tuple(conflicts),
        series=uids("series", "OBX-5"),
        instances=uids("instance", "OBX-5"),
        carriers=tuple(carriers),
    )
