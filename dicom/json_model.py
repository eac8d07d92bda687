"""DICOM JSON (PS3.18 annex F): written from the tag walk, and cut into QIDO-RS answers.

Bulk values become `{"BulkDataURI": "bulkdata/<path>"}`, relative to the instance. <path> is the
tag in eight hexadecimal digits; inside sequences it is preceded by the tag of each sequence and
the number of the item from 1, such as `00540016/1/00181078`. `Bulk` says where each one lies.
"""

import json
import math
import re
import struct
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator
from json.encoder import encode_basestring as quote
from typing import Any, NamedTuple

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from dicom.dataset import PIXEL_TAGS, SPECIFIC_CHARACTER_SET, DataSet, Element
from dicom.frames import ReadRange, swap
from dicom.vr import BINARY, settled_vr

# Longest binary, and longest text or list of numbers, that is written into the JSON itself.
INLINE_BINARY = 4096
INLINE_TEXT = 65536
# From this length on a DICOM JSON text is decoded only as far as it is wanted.
_LONG = 16384

_NUMBERS = {
    "FD": ("d", 8),
    "FL": ("f", 4),
    "SL": ("l", 4),
    "SS": ("h", 2),
    "SV": ("q", 8),
    "UL": ("L", 4),
    "US": ("H", 2),
    "UV": ("Q", 8),
}
# Width in bytes of the words that big endian files write the other way round.
WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8} | {vr: n for vr, (_, n) in _NUMBERS.items()}
_TEXTS = frozenset({"LT", "ST", "UR", "UT"})
_BULK_TEXTS = frozenset({"DS", "IS", "LT", "ST", "UC", "UT"})
# A DS or IS value that is a JSON number as it stands, and one that is a number all the same.
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,15})(?:\.\d{1,20})?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][+-]?\d{1,4})?", re.ASCII)
# Groups of commands, file meta and padding.
_OUTSIDE = frozenset({0x0000, 0x0002, 0xFFFC})
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


class Bulk(NamedTuple):
    """A value that the JSON leaves out: its path, VR, and place (length -1: encapsulated).

    The place counts from the start of the blob, for deflated objects from the start of the
    inflated data set.
    """

    path: str
    vr: str
    offset: int
    length: int


def write(data_set: DataSet) -> tuple[str, tuple[Bulk, ...]]:
    """The DICOM JSON of a data set without group 0002, and the bulk values it leaves out."""
    bulk: list[Bulk] = []
    return _model(data_set, "", bulk), tuple(bulk)


def _model(data_set: DataSet, prefix: str, bulk: list[Bulk]) -> str:
    """One data set or item. Group lengths, commands and padding are no part of the model."""
    last, ordered, attributes = 0, True, []
    for tag, element in data_set.elements.items():
        if tag & 0xFFFF == 0 or tag >> 16 in _OUTSIDE:
            continue
        name = f"{tag:08X}"
        value = _attribute(data_set, tag, element, prefix + name, bulk)
        attributes.append(f'"{name}":{value}')
        ordered = ordered and tag > last
        last = tag
    if not ordered:
        attributes.sort()
    return "{" + ",".join(attributes) + "}"


def _attribute(data_set: DataSet, tag: int, element: Element, path: str, bulk: list[Bulk]) -> str:
    """One attribute object (PS3.18 F.2.2): vr alone when it is empty (F.2.5)."""
    vr = settled_vr(tag, element.vr, data_set)
    if element.items is not None:
        items = enumerate(element.items, 1)
        values = [_model(item, f"{path}/{number}/", bulk) for number, item in items]
        return _object("SQ", values)
    if element.length == 0:
        return f'{{"vr":"{vr}"}}'
    if _is_bulk(tag, vr, element):
        bulk.append(Bulk(path, vr, element.offset, element.length))
        return f'{{"vr":"{vr}","BulkDataURI":"bulkdata/{path}"}}'
    raw = data_set.value(element)
    if vr in BINARY:
        word = WORDS.get(vr, 1) if data_set.big else 1
        inline = b64encode(swap(raw, word)).decode("ascii")
        return f'{{"vr":"{vr}","InlineBinary":"{inline}"}}'
    if tag == SPECIFIC_CHARACTER_SET:
        # The model is UTF-8, whatever the object was (PS3.18 F.2, CP-2518).
        return _object("CS", ['"ISO_IR 192"'] if raw.strip(b"\0 ") else [])
    return _object(vr, _VALUES.get(vr, _plain)(data_set, raw, vr))


def _object(vr: str, values: list[str]) -> str:
    """An attribute object; empty values among others are null, on their own they are left out."""
    if not values or values == ["null"] * len(values):
        return f'{{"vr":"{vr}"}}'
    return f'{{"vr":"{vr}","Value":[{",".join(values)}]}}'


def _is_bulk(tag: int, vr: str, element: Element) -> bool:
    """Pixels always, other values when they are long and F.2.6 lets them be bulk data."""
    if element.fragments is not None or tag in PIXEL_TAGS:
        return True
    if element.length <= INLINE_BINARY:
        return False
    return vr in BINARY or (element.length > INLINE_TEXT and (vr in _BULK_TEXTS or vr in _NUMBERS))


def _plain(data_set: DataSet, raw: bytes, vr: str) -> list[str]:
    """Values of a multi-valued text VR."""
    text = data_set.decoded(raw, vr)
    if "\\" not in text:
        return [quote(text)] if text else []
    parts = [part.rstrip("\0 ") for part in text.split("\\")]
    return [quote(part) if part else "null" for part in parts]


def _single(data_set: DataSet, raw: bytes, vr: str) -> list[str]:
    """A VR in which a backslash is text."""
    text = data_set.decoded(raw, vr)
    return [quote(text)] if text else []


def _names(data_set: DataSet, raw: bytes, vr: str) -> list[str]:
    """Person names by component group (F.2.2), groups without content left out."""
    names = []
    for text in data_set.decoded(raw, vr).split("\\"):
        groups = zip(_GROUPS, text.rstrip("\0 ").split("="), strict=False)
        parts = [f'"{group}":{quote(part)}' for group, part in groups if part]
        names.append("{" + ",".join(parts) + "}" if parts else "null")
    return names


def _decimals(data_set: DataSet, raw: bytes, vr: str) -> list[str]:
    """DS and IS as numbers in their own spelling; what is no number stays text (F.2.3)."""
    values = [_number(part.strip("\0 ")) for part in raw.decode("latin-1").split("\\")]
    if any(value.startswith('"') for value in values):
        data_set.source.warn("a number (VR DS or IS) is not a number")
    return values


def _number(text: str) -> str:
    """A JSON number out of DICOM text, the text in quotes if JSON cannot hold it."""
    if _JSON_NUMBER.fullmatch(text):
        return text
    if not text:
        return "null"
    try:
        number = float(text) if _DECIMAL.fullmatch(text) else math.nan
    except ValueError:
        return quote(text)
    if not math.isfinite(number):
        return quote(text)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _binary_numbers(data_set: DataSet, raw: bytes, vr: str) -> list[str]:
    """Binary numbers; NaN and infinities, which JSON lacks, become text."""
    code, width = _NUMBERS[vr]
    count = len(raw) // width
    if count * width != len(raw):
        data_set.source.warn("a binary value is not a whole number of its words")
    order = ">" if data_set.big else "<"
    values = struct.unpack_from(f"{order}{count}{code}", raw)
    if code in "fd":
        return [repr(value) if math.isfinite(value) else _unreal(value) for value in values]
    return [str(value) for value in values]


def _unreal(value: float) -> str:
    if math.isnan(value):
        return '"NaN"'
    return '"Infinity"' if value > 0 else '"-Infinity"'


def _tags(data_set: DataSet, raw: bytes, vr: str) -> list[str]:
    """Attribute tags as eight hexadecimal digits."""
    count = len(raw) // 4
    halves = struct.unpack_from(f"{'>' if data_set.big else '<'}{count * 2}H", raw)
    pairs = zip(halves[::2], halves[1::2], strict=True)
    return [f'"{group:04X}{number:04X}"' for group, number in pairs]


_VALUES: dict[str, Callable[[DataSet, bytes, str], list[str]]] = {
    "AT": _tags,
    "DS": _decimals,
    "IS": _decimals,
    "PN": _names,
    **dict.fromkeys(_NUMBERS, _binary_numbers),
    **dict.fromkeys(_TEXTS, _single),
}


def read_bulk(read_range: ReadRange, bulk: Bulk, big: bool) -> bytes:
    """A bulk value that is not encapsulated, in little endian order; `big` as the object is."""
    raw = read_range(bulk.offset, bulk.length)
    return swap(raw, WORDS.get(bulk.vr, 1) if big else 1)


def subset(model: str | dict[str, Any], tags: Collection[str]) -> dict[str, Any]:
    """The named attributes of a DICOM JSON object, in tag order, for a QIDO-RS answer."""
    if isinstance(model, str) and len(model) > _LONG:
        attributes = _up_to(max(tags, default=""), model)
        return {tag: value for tag, value in attributes if tag in tags}
    whole: dict[str, Any] = json.loads(model) if isinstance(model, str) else model
    return {tag: whole[tag] for tag in sorted(tags) if tag in whole}


def _up_to(last: str, model: str) -> Iterator[tuple[str, Any]]:
    """The attributes of a text of ours, decoded one by one: the long ones mostly stand behind."""
    decode = json.JSONDecoder().raw_decode
    at = 1
    while model[at] != "}":
        tag, at = decode(model, at)
        if tag > last:
            return
        value, at = decode(model, at + 1)
        yield tag, value
        at += model[at] == ","


def tag_of(name: str) -> str | None:
    """Eight hexadecimal digits for a keyword or a tag as QIDO-RS spells them, None if neither."""
    if len(name) == 8:
        try:
            return f"{int(name, 16):08X}"
        except ValueError:
            pass
    tag = tag_for_keyword(name)
    return None if tag is None else f"{tag:08X}"


def keyword_of(tag: str) -> str:
    """The keyword of a tag in eight hexadecimal digits, "" if it has none."""
    return keyword_for_tag(int(tag, 16))


def attribute(vr: str, values: Iterable[Any] = ()) -> dict[str, Any]:
    """An attribute object with these values, without the absent ones."""
    present = [value for value in values if value not in (None, "")]
    return {"vr": vr, "Value": present} if present else {"vr": vr}
