"""An uncompressed data set written in the other little endian syntax, implicit or explicit (PS3.5 7).

Values stay byte for byte as they are; only what stands before them changes. What is long is not
copied: where it lies is told, so that objects of any size pass in little memory.
"""

import struct
from collections.abc import Iterator

from dicom.dataset import DataSet, Element, Source
from dicom.part10 import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicom.vr import LONG, UNDEFINED, settled_vr
from dicom.walk import Encoding, Limits, walk

# From this length on a value is told by its place.
_LONG = 65536
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

Part = bytes | tuple[int, int]


def other(transfer_syntax: str) -> str:
    """The syntax that an object can be converted to without a decoder, "" if there is none."""
    pairs = {IMPLICIT_LITTLE: EXPLICIT_LITTLE, EXPLICIT_LITTLE: IMPLICIT_LITTLE}
    return pairs.get(transfer_syntax, "")


def parts(view: memoryview, offset: int, encoding: Encoding, explicit: bool) -> Iterator[Part]:
    """The data set that starts at `offset`, rewritten: bytes, or offset and length of a long value.

    Raises Unreadable before the first part if it cannot be walked.
    """
    data_set = walk(Source(view, "latin-1", []), offset, encoding, Limits())
    return _joined(_elements(data_set, explicit))


def _joined(found: Iterator[Part]) -> Iterator[Part]:
    """Short parts gathered, so that not every element is a chunk of its own."""
    gathered = bytearray()
    for part in found:
        if isinstance(part, bytes):
            gathered += part
        if isinstance(part, tuple) or len(gathered) >= _LONG:
            yield bytes(gathered)
            gathered.clear()
        if isinstance(part, tuple):
            yield part
    yield bytes(gathered)


def _elements(data_set: DataSet, explicit: bool) -> Iterator[Part]:
    """Group lengths (gggg,0000) would be wrong and are retired: they are left out."""
    for tag in sorted(data_set.elements):
        if tag & 0xFFFF:
            yield from _element(data_set, tag, data_set.elements[tag], explicit)


def _element(data_set: DataSet, tag: int, element: Element, explicit: bool) -> Iterator[Part]:
    if element.items is not None:
        yield _head(tag, "SQ", UNDEFINED, explicit)
        for item in element.items:
            yield _delimiter(_ITEM, UNDEFINED)
            yield from _elements(item, explicit)
            yield _delimiter(_ITEM_END)
        yield _delimiter(_SEQUENCE_END)
        return
    length = max(element.length, 0)
    odd = length % 2  # an object that was cut short
    yield _head(tag, settled_vr(tag, element.vr, data_set), length + odd, explicit)
    if length >= _LONG:
        yield element.offset, length
    else:
        yield data_set.value(element)
    yield bytes(odd)


def _head(tag: int, vr: str, length: int, explicit: bool) -> bytes:
    """Tag, VR and length. What is too long for its VR becomes UN (PS3.5 6.2.2)."""
    name = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return name + struct.pack("<L", length)
    if vr.encode() not in LONG and length > 0xFFFF:
        vr = "UN"
    if vr.encode() in LONG:
        return name + vr.encode() + struct.pack("<2xL", length)
    return name + vr.encode() + struct.pack("<H", length)


def _delimiter(tag: int, length: int = 0) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, length)
