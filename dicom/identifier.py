"""Identifiers of queries and retrievals: read from their bytes, and written (PS3.4 C.4)."""

from collections.abc import Mapping
from typing import Any

from dicom import encode, tags
from dicom.archive import Model, Question
from dicom.command import CANNOT_UNDERSTAND, DOES_NOT_MATCH_SOP_CLASS
from dicom.dataset import DataSet, Element, Source
from dicom.errors import DicomError, Refused
from dicom.part10 import DEFLATED, deflate, encoding_of, inflate
from dicom.vr import BINARY
from dicom.walk import Limits, walk

LONGEST = 1 << 20
_LEVEL = 0x00080052
_NUMERIC = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT", *BINARY})
_LIMITS = Limits(depth=16, elements=4096, inflated=LONGEST)


def read(data: bytes, transfer_syntax: str, model: Model) -> Question:
    """What is asked. Raises Refused for what cannot be read, or has no level of the model."""
    try:
        data_set = _parse(data, transfer_syntax)
    except DicomError as error:
        raise Refused(CANNOT_UNDERSTAND, f"the identifier cannot be read: {error}") from error
    level = data_set.text(_LEVEL).upper()
    if level not in model.levels:
        known = ", ".join(model.levels)
        raise Refused(DOES_NOT_MATCH_SOP_CLASS, f"(0008,0052) must be one of {known}")
    keys = {
        f"{tag:08X}": _key(data_set, tag, element)
        for tag, element in data_set.elements.items()
        if tag & 0xFFFF and tag not in (_LEVEL, tags.SpecificCharacterSet)
    }
    return Question(level, keys)


def _parse(data: bytes, transfer_syntax: str) -> DataSet:
    if transfer_syntax == DEFLATED:
        data = bytes(inflate(memoryview(data), _LIMITS.inflated)[0])
    source = Source(memoryview(data), "latin-1", [])
    return walk(source, 0, encoding_of(transfer_syntax), _LIMITS)


def _key(data_set: DataSet, tag: int, element: Element) -> str:
    """The text of a key; of sequences and numbers only the presence counts."""
    if element.items is not None or element.vr in _NUMERIC:
        return ""
    return data_set.decoded(data_set.raw(tag), element.vr).strip()


def write(model: Mapping[str, Any], transfer_syntax: str) -> bytes:
    """The identifier of an answer, from DICOM JSON."""
    data = encode.data_set(model, encoding_of(transfer_syntax))
    return deflate(data) if transfer_syntax == DEFLATED else data
