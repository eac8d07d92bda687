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
from functools import lru_cache
from json.encoder import encode_basestring as quote
from typing import Any, NamedTuple

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from dicom.dataset import PIXEL_TAGS, SPECIFIC_CHARACTER_SET, DataSet, Element
from dicom.frames import ReadRange, swap
from dicom.vr import BINARY, SHORT, settled_vr

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
_DECIMALS = frozenset({"DS", "IS"})
_BINARY_VALUES = frozenset({"AT", *_NUMBERS})
# Texts that are the same in every encoding while they are ASCII, and how long a short one is.
_PLAIN = frozenset(SHORT.values()) - _BINARY_VALUES
_SHORT = 64
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
        if element.length > _SHORT or element.length <= 0 or element.vr not in _PLAIN:
            value = _attribute(data_set, tag, element, f"{prefix}{tag:08X}", bulk)
            attributes.append(f'"{tag:08X}":{value}')
        else:
            attributes.append(_short(data_set, tag, element))
        ordered = ordered and tag > last
        last = tag
    if not ordered:
        attributes.sort()
    return "{" + ",".join(attributes) + "}"


def _short(data_set: DataSet, tag: int, element: Element) -> str:
    """A short text or number with its name. Those of ASCII alone are looked up."""
    raw = data_set.value(element)
    if raw.isascii() and b"\x1b" not in raw and tag != SPECIFIC_CHARACTER_SET:
        found, finding = _ascii(tag, element.vr, raw)
    else:
        found, finding = _valued(data_set, tag, raw, element.vr), ""
        found = f'"{tag:08X}":{found}'
    if finding:
        data_set.source.warn(finding)
    return found


@lru_cache(maxsize=8192)  # instances repeat most of what their series says
def _ascii(tag: int, vr: str, raw: bytes) -> tuple[str, str]:
    """The attribute of an ASCII text, its name before it, and what is odd about it."""
    found, finding = _of_text(vr, raw.decode("ascii").rstrip("\0 "))
    return f'"{tag:08X}":{found}', finding


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
    return _valued(data_set, tag, data_set.value(element), vr)


def _valued(data_set: DataSet, tag: int, raw: bytes, vr: str) -> str:
    """An attribute object of text, numbers or bytes."""
    finding = ""
    if vr in BINARY:
        word = WORDS.get(vr, 1) if data_set.big else 1
        inline = b64encode(swap(raw, word)).decode("ascii")
        return f'{{"vr":"{vr}","InlineBinary":"{inline}"}}'
    if tag == SPECIFIC_CHARACTER_SET:
        # The model is UTF-8, whatever the object was (PS3.18 F.2, CP-2518).
        return _object("CS", ['"ISO_IR 192"'] if raw.strip(b"\0 ") else [])
    if vr in _BINARY_VALUES:
        found, finding = _of_binary(vr, raw, ">" if data_set.big else "<")
    else:
        text = raw.decode("latin-1") if vr in _DECIMALS else data_set.decoded(raw, vr)
        found, finding = _of_text(vr, text)
    if finding:
        data_set.source.warn(finding)
    return found


def _of_text(vr: str, text: str) -> tuple[str, str]:
    """The attribute object of a text, and what is odd about it ("" when nothing)."""
    values = _TEXTS.get(vr, _multiple)(text)
    odd = vr in _DECIMALS and any(value.startswith('"') for value in values)
    return _object(vr, values), "a number (VR DS or IS) is not a number" if odd else ""


def _of_binary(vr: str, raw: bytes, order: str) -> tuple[str, str]:
    """The attribute object of binary numbers or tags, and what is odd about it."""
    if vr == "AT":
        return _object(vr, _tags(raw, order)), ""
    odd = len(raw) % _NUMBERS[vr][1]
    finding = "a binary value is not a whole number of its words" if odd else ""
    return _object(vr, _binary_numbers(raw, vr, order)), finding


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


def _multiple(text: str) -> list[str]:
    """Values of a multi-valued text VR."""
    if "\\" not in text:
        return [quote(text)] if text else []
    parts = [part.rstrip("\0 ") for part in text.split("\\")]
    return [quote(part) if part else "null" for part in parts]


def _single(text: str) -> list[str]:
    """A VR in which a backslash is text."""
    return [quote(text)] if text else []


def _names(text: str) -> list[str]:
    """Person names by component group (F.2.2), groups without content left out."""
    names = []
    for name in text.split("\\"):
        groups = zip(_GROUPS, name.rstrip("\0 ").split("="), strict=False)
        parts = [f'"{group}":{quote(part)}' for group, part in groups if part]
        names.append("{" + ",".join(parts) + "}" if parts else "null")
    return names


def _decimals(text: str) -> list[str]:
    """DS and IS as numbers in their own spelling; what is no number stays text (F.2.3)."""
    return [_number(part.strip("\0 ")) for part in text.split("\\")]


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


def _binary_numbers(raw: bytes, vr: str, order: str) -> list[str]:
    """Binary numbers; NaN and infinities, which JSON lacks, become text."""
    code, width = _NUMBERS[vr]
    values = struct.unpack_from(f"{order}{len(raw) // width}{code}", raw)
    if code in "fd":
        return [repr(value) if math.isfinite(value) else _unreal(value) for value in values]
    return [str(value) for value in values]


def _unreal(value: float) -> str:
    if math.isnan(value):
        return '"NaN"'
    return '"Infinity"' if value > 0 else '"-Infinity"'


def _tags(raw: bytes, order: str) -> list[str]:
    """Attribute tags as eight hexadecimal digits."""
    count = len(raw) // 4
    halves = struct.unpack_from(f"{order}{count * 2}H", raw)
    pairs = zip(halves[::2], halves[1::2], strict=True)
    return [f'"{group:04X}{number:04X}"' for group, number in pairs]


_TEXTS: dict[str, Callable[[str], list[str]]] = {
    "DS": _decimals,
    "IS": _decimals,
    "PN": _names,
    **dict.fromkeys(("LT", "ST", "UR", "UT"), _single),
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


def spelt(model: str) -> dict[str, str]:
    """The attributes of a text of ours by tag, each as it is spelt there."""
    decode = json.JSONDecoder().raw_decode
    found, at = dict[str, str](), 1
    while model[at] != "}":
        tag, at = decode(model, at)
        start = at + 1
        _, at = decode(model, start)
        found[tag] = model[start:at]
        at += model[at] == ","
    return found


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
