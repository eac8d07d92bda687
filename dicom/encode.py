"""A data set written from DICOM JSON (PS3.18 annex F), for identifiers and answers."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

from dicom.vr import LONG
from dicom.walk import Encoding

Model = Mapping[str, Any]

_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_ITEM = 0xFFFEE000
_LONGEST_SHORT = 0xFFFE


def data_set(model: Model, encoding: Encoding) -> bytes:
    """The elements of a model by their tags. Its texts are UTF-8: let (0008,0005) say so.

    Bulk data that stands elsewhere is left empty.
    """
    order = ">" if encoding.big else "<"
    return b"".join(
        _element(int(tag, 16), str(model[tag].get("vr", "UN")), model[tag], encoding, order)
        for tag in sorted(model)
    )


def _element(tag: int, vr: str, attribute: Model, encoding: Encoding, order: str) -> bytes:
    values = attribute.get("Value", [])
    if vr == "SQ":
        value = b"".join(_item(one, encoding, order) for one in values)
    else:
        value = _value(vr, values, attribute, order)
    value += (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(value) % 2)
    name = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if not encoding.explicit:
        return name + struct.pack(f"{order}L", len(value)) + value
    if vr.encode() in LONG:
        return name + vr.encode() + struct.pack(f"{order}2xL", len(value)) + value
    value = value[:_LONGEST_SHORT]
    return name + vr.encode() + struct.pack(f"{order}H", len(value)) + value


def _item(model: Model, encoding: Encoding, order: str) -> bytes:
    content = data_set(model, encoding)
    return struct.pack(f"{order}HHL", _ITEM >> 16, _ITEM & 0xFFFF, len(content)) + content


def _value(vr: str, values: list[Any], attribute: Model, order: str) -> bytes:
    if "InlineBinary" in attribute:
        return base64.b64decode(attribute["InlineBinary"])
    if vr in _NUMBERS:
        number = float if vr in ("FL", "FD") else int
        return b"".join(struct.pack(order + _NUMBERS[vr], number(one)) for one in values)
    if vr == "AT":
        tags = (int(one, 16) for one in values)
        return b"".join(struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) for tag in tags)
    return "\\".join(_text(one) for one in values).encode()


def _text(value: Any) -> str:
    """One value as it is written; a person name is joined from its groups (PS3.5 6.2.1)."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "=".join(value.get(group, "") for group in _GROUPS).rstrip("=")
    return str(value)
