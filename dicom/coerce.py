"""Another patient in a header that goes out: identity is replaced, what was there is kept beside it.

The former values go into Original Attributes (0400,0561) (PS3.3 C.12.1.1.9). Only what comes before
the pixels is written anew; the rest of the object is sent as it is stored.
"""

import json
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from dicom import json_model
from dicom.charset import Charset
from dicom.dataset import DataSet, Element, Source
from dicom.facts import Issuer, PatientFacts
from dicom.query import person_name
from dicom.vr import LONG, UNDEFINED
from dicom.walk import Encoding, Limits, walk

NAME, NUMBER, ISSUER, QUALIFIERS = 0x00100010, 0x00100020, 0x00100021, 0x00100024
BIRTH_DATE, SEX = 0x00100030, 0x00100040
ORIGINAL, MODIFIED = 0x04000561, 0x04000550
_WHEN, _SYSTEM, _SOURCE, _REASON = 0x04000562, 0x04000563, 0x04000564, 0x04000565
_UNIVERSAL_ID, _UNIVERSAL_TYPE = 0x00400032, 0x00400033
# Group lengths are retired (PS3.5 7.2); those of groups that change would be wrong.
_LENGTHS = frozenset({0x00100000, 0x04000000})
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

Values = Mapping[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Coercion:
    """Whom a header is to speak of, since when (DT), and which system says so.

    What is not known of the person stays as it was.
    """

    patient: PatientFacts
    when: str
    system: str


@dataclass(frozen=True, slots=True)
class _Place:
    """One element with its header: where its bytes begin and end."""

    tag: int
    start: int
    end: int
    element: Element


def head(
    view: memoryview, offset: int, encoding: Encoding, coercion: Coercion
) -> tuple[bytes, int]:
    """The beginning of a data set as it is to be sent, and from where on it is sent as it is."""
    data_set = walk(Source(view, "latin-1", []), offset, encoding, Limits())
    places = _places(view, data_set, encoding)
    writer = _Writer(encoding, data_set.charset)
    fresh = _fresh(coercion.patient)
    gone = {*fresh, ISSUER, QUALIFIERS, ORIGINAL, *_LENGTHS}
    cut = _cut(places, gone)
    old = [place for place in places if place.tag in gone - _LENGTHS]
    new = {tag: writer.text(tag, vr, text) for tag, (vr, text) in fresh.items()}
    new |= writer.qualifiers(coercion.patient.number.issuer)
    new[ORIGINAL] = writer.original(view, old, coercion)
    kept = [place for place in places if place.start < cut and place.tag not in gone]
    parts = []
    for place in kept:
        parts += [new.pop(tag) for tag in sorted(new) if tag < place.tag]
        parts.append(view[place.start : place.end].tobytes())
    return b"".join([*parts, *(new[tag] for tag in sorted(new))]), cut


def model(text: str, coercion: Coercion) -> str:
    """The same in DICOM JSON (PS3.18 annex F)."""
    attributes = json_model.spelt(text)
    fresh = {f"{tag:08X}": value for tag, value in _fresh(coercion.patient).items()}
    issuer = coercion.patient.number.issuer
    gone = {*fresh, f"{ISSUER:08X}", f"{QUALIFIERS:08X}"}
    old = {tag: attributes.pop(tag) for tag in sorted(gone) if tag in attributes}
    for tag, (vr, value) in fresh.items():
        named = person_name(value) if vr == "PN" else value
        attributes[tag] = json.dumps(json_model.attribute(vr, [named]), ensure_ascii=False)
    if issuer.universal_id:
        attributes[f"{QUALIFIERS:08X}"] = json.dumps(_qualifiers(issuer))
    before = json.loads(attributes.get(f"{ORIGINAL:08X}", "{}")).get("Value", [])
    item = _original({tag: json.loads(value) for tag, value in old.items()}, coercion)
    attributes[f"{ORIGINAL:08X}"] = json.dumps(
        {"vr": "SQ", "Value": [*before, item]}, ensure_ascii=False
    )
    return "{" + ",".join(f'"{tag}":{attributes[tag]}' for tag in sorted(attributes)) + "}"


def _qualifiers(issuer: Issuer) -> dict[str, object]:
    item = {
        f"{_UNIVERSAL_ID:08X}": json_model.attribute("UT", [issuer.universal_id]),
        f"{_UNIVERSAL_TYPE:08X}": json_model.attribute("CS", [issuer.universal_type]),
    }
    return {"vr": "SQ", "Value": [item]}


def _original(old: dict[str, object], coercion: Coercion) -> dict[str, object]:
    return {
        f"{MODIFIED:08X}": {"vr": "SQ", "Value": [old]},
        f"{_WHEN:08X}": json_model.attribute("DT", [coercion.when]),
        f"{_SYSTEM:08X}": json_model.attribute("LO", [coercion.system]),
        f"{_SOURCE:08X}": json_model.attribute("LO"),
        f"{_REASON:08X}": json_model.attribute("CS", ["COERCE"]),
    }


def _fresh(patient: PatientFacts) -> Values:
    """The attributes that get another value; the issuer goes with its number."""
    values = {
        NAME: ("PN", patient.name),
        NUMBER: ("LO", patient.number.value),
        ISSUER: ("LO", patient.number.issuer.namespace),
        BIRTH_DATE: ("DA", patient.birth_date),
        SEX: ("CS", patient.sex),
    }
    return {tag: (vr, text) for tag, (vr, text) in values.items() if text}


def _places(view: memoryview, data_set: DataSet, encoding: Encoding) -> list[_Place]:
    """The elements in the order in which they lie. What was written twice counts once, as read."""
    order = ">HH" if encoding.big else "<HH"
    starts = sorted(
        (_start(view, tag, element, order), tag) for tag, element in data_set.elements.items()
    )
    places = []
    for number, (start, tag) in enumerate(starts):
        element = data_set.elements[tag]
        after = starts[number + 1][0] if number + 1 < len(starts) else len(view)
        end = element.offset + element.length if element.length >= 0 else after
        places.append(_Place(tag, start, end, element))
    return places


def _start(view: memoryview, tag: int, element: Element, order: str) -> int:
    """Where an element begins: its tag stands eight or twelve bytes before its value."""
    wanted = struct.pack(order, tag >> 16, tag & 0xFFFF)
    near = element.offset - 8
    return near if view[near : near + 4] == wanted else element.offset - 12


def _cut(places: list[_Place], gone: set[int]) -> int:
    """Where all that changes is over."""
    last = max((place.start for place in places if place.tag in gone), default=-1)
    behind = (p.start for p in places if p.tag > ORIGINAL and p.start > last)
    return next(behind, max((place.end for place in places), default=0))


class _Writer:
    """Writes elements as the object they go into is written."""

    def __init__(self, encoding: Encoding, charset: Charset) -> None:
        self._explicit = encoding.explicit
        self._order = ">" if encoding.big else "<"
        self._charset = charset

    def text(self, tag: int, vr: str, text: str) -> bytes:
        """A text in the character set of the object."""
        value = _encoded(text, self._charset)
        return self._element(tag, vr, value + b" " * (len(value) % 2))

    def qualifiers(self, issuer: Issuer) -> dict[int, bytes]:
        """The universal id of an issuer, if it has one (0010,0024)."""
        if not issuer.universal_id:
            return {}
        item = self.text(_UNIVERSAL_ID, "UT", issuer.universal_id)
        item += self.text(_UNIVERSAL_TYPE, "CS", issuer.universal_type)
        return {QUALIFIERS: self._sequence(QUALIFIERS, self._item(item))}

    def original(self, view: memoryview, old: list[_Place], coercion: Coercion) -> bytes:
        """Original Attributes with what was there; items that it had already stay before that."""
        before, former = b"", []
        for place in sorted(old, key=lambda place: place.tag):
            if place.tag == ORIGINAL and self._is_sequence(view, place):
                end = place.end - (8 if place.element.length < 0 else 0)
                before = view[place.element.offset : end].tobytes()
            else:
                former.append(view[place.start : place.end].tobytes())
        item = self._sequence(MODIFIED, self._item(b"".join(former)))
        item += self.text(_WHEN, "DT", coercion.when)
        item += self.text(_SYSTEM, "LO", coercion.system)
        item += self.text(_SOURCE, "LO", "")
        item += self.text(_REASON, "CS", "COERCE")
        return self._sequence(ORIGINAL, before + self._item(item))

    def _is_sequence(self, view: memoryview, place: _Place) -> bool:
        """Whether its items are written as ours are: those of VR UN are not (PS3.5 6.2.2)."""
        stated = view[place.start + 4 : place.start + 6].tobytes()
        return place.element.items is not None and (not self._explicit or stated == b"SQ")

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        name = self._tag(tag)
        if not self._explicit:
            return name + struct.pack(f"{self._order}L", len(value)) + value
        if vr.encode() in LONG:
            return name + vr.encode() + struct.pack(f"{self._order}2xL", len(value)) + value
        return name + vr.encode() + struct.pack(f"{self._order}H", len(value)) + value

    def _sequence(self, tag: int, items: bytes) -> bytes:
        """A sequence of undefined length with these items."""
        vr = b"SQ\0\0" if self._explicit else b""
        length = struct.pack(f"{self._order}L", UNDEFINED)
        return self._tag(tag) + vr + length + items + self._tag(_SEQUENCE_END) + bytes(4)

    def _item(self, content: bytes) -> bytes:
        start = self._tag(_ITEM) + struct.pack(f"{self._order}L", UNDEFINED)
        return start + content + self._tag(_ITEM_END) + bytes(4)

    def _tag(self, tag: int) -> bytes:
        return struct.pack(f"{self._order}HH", tag >> 16, tag & 0xFFFF)


def _encoded(text: str, charset: Charset) -> bytes:
    """A text in a character set that may not have all of its letters: then without their accents."""
    encoding = charset.encodings[0] if charset.declared else "ascii"
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        plain = unicodedata.normalize("NFKD", text)
        bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
        return bare.encode(encoding, "replace")
