"""The tag walk: one pass over DICOM bytes that says where every value lies, and copies none.

Explicit and implicit VR, both byte orders, nested sequences and encapsulated pixel data
(PS3.5 chapter 7 and annex A). What is wrong but harmless becomes a warning; what makes the rest
unreliable raises Unreadable.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from dicom.dataset import FLOAT_PIXEL_DATA, PIXEL_TAGS, DataSet, Element, Fragment, Source
from dicom.errors import TooLarge, Unreadable
from dicom.vr import LONG, SHORT, UNDEFINED, known_vr

_EXPLICIT = (struct.Struct("<HH2sH").unpack_from, struct.Struct(">HH2sH").unpack_from)
_IMPLICIT = (struct.Struct("<HHL").unpack_from, struct.Struct(">HHL").unpack_from)
_LENGTH = (struct.Struct("<L").unpack_from, struct.Struct(">L").unpack_from)

# Element(...) without the cost of its constructor, which would be a third of the walk.
_new = tuple.__new__

_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_ENCAPSULATED = frozenset({"OB", "OW", "OB or OW", "OF", "OD", "OL", "OV"})


class Encoding(NamedTuple):
    """How elements are written: with their VR or without, and in which byte order."""

    explicit: bool
    big: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that no honest object reaches. `inflated` is in bytes."""

    depth: int = 64
    elements: int = 500_000
    inflated: int = 256 << 20


@dataclass(slots=True)
class _Level:
    """The data set being filled: where it must end, how deep it lies, how it is written."""

    into: DataSet
    end: int
    depth: int
    explicit: bool
    last: int = -1


def walk(source: Source, offset: int, encoding: Encoding, limits: Limits) -> DataSet:
    """Read the data set that starts at `offset` and runs to the end of the source's bytes."""
    return _Walker(source, limits).root(offset, encoding)


class _Walker:
    def __init__(self, source: Source, limits: Limits) -> None:
        self._source = source
        self._view = source.view
        self._limits = limits
        self._count = 0

    def root(self, offset: int, encoding: Encoding) -> DataSet:
        into = DataSet(self._source, big=encoding.big)
        level = _Level(into, len(self._view), 0, encoding.explicit)
        offset = self._elements(level, offset)
        if offset < level.end:
            self._tail(into, encoding, offset)
        return into

    def _tail(self, into: DataSet, encoding: Encoding, offset: int) -> None:
        """What follows the pixel data: signatures and padding belong there, all else is junk."""
        tail = DataSet(self._source, big=encoding.big)
        level = _Level(tail, len(self._view), 0, encoding.explicit, FLOAT_PIXEL_DATA)
        try:
            after = self._elements(level, offset)
        except Unreadable:
            after = offset
        if after < level.end or min(tail.elements, default=level.last) < level.last:
            self._source.warn("bytes after the pixel data are not part of it and were not read")
            return
        into.elements.update(tail.elements)

    def _elements(self, level: _Level, offset: int) -> int:
        """Fill one data set; where it ended. At the top it ends after the pixel data."""
        read = self._explicit if level.explicit else self._implicit
        offset = read(level, offset)
        self._count += len(level.into.elements) + 1
        if self._count > self._limits.elements:
            raise TooLarge(f"more than {self._limits.elements} elements")
        return offset

    def _explicit(self, level: _Level, offset: int) -> int:
        view, end, elements, last = self._view, level.end, level.into.elements, level.last
        unpack = _EXPLICIT[level.into.big]
        room = self._limits.elements - self._count
        while offset + 8 <= end:
            group, number, code, length = unpack(view, offset)
            tag = group << 16 | number
            if tag <= last or len(elements) > room:
                self._irregular(tag, len(elements))
            last = tag
            vr = SHORT.get(code)
            if vr is None:
                if group == 0xFFFE and self._ends(level, tag, offset):
                    return offset + 8 if tag == _ITEM_END else offset
                offset = self._rare(level, tag, code, offset)
                if tag in PIXEL_TAGS and level.depth == 0:
                    return offset
                continue
            offset += 8
            if offset + length > end:
                self._beyond(tag, offset)
            elements[tag] = _new(Element, (vr, offset, length, None, None))
            offset += length
        return self._leftover(level, offset)

    def _implicit(self, level: _Level, offset: int) -> int:
        view, end, elements, last = self._view, level.end, level.into.elements, level.last
        unpack = _IMPLICIT[level.into.big]
        room = self._limits.elements - self._count
        while offset + 8 <= end:
            group, number, length = unpack(view, offset)
            tag = group << 16 | number
            if tag <= last or len(elements) > room:
                self._irregular(tag, len(elements))
            last = tag
            if group == 0xFFFE and self._ends(level, tag, offset):
                return offset + 8 if tag == _ITEM_END else offset
            vr = known_vr(tag, level.into)
            offset += 8
            if vr == "SQ" or offset + length > end:
                offset = self._store(level, tag, vr, offset, length)
            else:
                elements[tag] = _new(Element, (vr, offset, length, None, None))
                offset += length
            if tag >= FLOAT_PIXEL_DATA and tag in PIXEL_TAGS and level.depth == 0:
                return offset
        return self._leftover(level, offset)

    def _irregular(self, tag: int, filled: int) -> None:
        """A tag out of ascending order (PS3.5 7.1), or simply too many of them."""
        self._count += 1
        if self._count + filled > self._limits.elements:
            raise TooLarge(f"more than {self._limits.elements} elements")
        if tag >> 16 not in (0xFFFE, 0):
            self._source.warn("elements are not in ascending order")

    def _ends(self, level: _Level, tag: int, offset: int) -> bool:
        """Whether a delimiter (FFFE,xxxx) ends this data set; elsewhere it is Unreadable."""
        if level.depth > 0 and tag == _ITEM_END:
            return True
        if level.depth > 0 and tag == _SEQUENCE_END:
            self._source.warn("a sequence item lacks its delimiter")
            return True
        raise Unreadable("a delimiter where an element should be", where=f"byte {offset}")

    def _rare(self, level: _Level, tag: int, code: bytes, offset: int) -> int:
        """An explicit element with a 32-bit length, or one whose VR is not a VR."""
        big = level.into.big
        vr = LONG.get(code)
        if vr is not None:
            if offset + 12 > level.end:
                self._beyond(tag, offset)
            length = _LENGTH[big](self._view, offset + 8)[0]
            if vr == "UN":
                return self._unknown(level, tag, offset + 12, length)
            return self._store(level, tag, vr, offset + 12, length)
        if b"AA" <= code <= b"ZZ" and code.isalpha():
            self._source.warn("an element has a VR that DICOM does not know")
            length = _EXPLICIT[big](self._view, offset)[3]
            return self._store(level, tag, "UN", offset + 8, length)
        if tag == 0 and _blank(self._view, offset, level.end):
            self._source.warn("zeros after the data set")
            return level.end
        self._source.warn("implicit VR elements inside an explicit VR data set")
        length = _LENGTH[big](self._view, offset + 4)[0]
        return self._store(level, tag, known_vr(tag, level.into), offset + 8, length)

    def _unknown(self, level: _Level, tag: int, offset: int, length: int) -> int:
        """VR UN: what the dictionary knows when it is short, nested implicit VR when undefined.

        PS3.5 6.2.2 note 4 and 5: such items are always implicit little endian.
        """
        if length == UNDEFINED:
            return self._store(level, tag, "UN", offset, length)
        vr = known_vr(tag, level.into) if length < 0xFFFF else "UN"
        if vr != "SQ":
            return self._store(level, tag, vr, offset, length)
        try:
            return self._store(level, tag, "SQ", offset, length)
        except Unreadable:
            return self._store(level, tag, "UN", offset, length)

    def _store(self, level: _Level, tag: int, vr: str, offset: int, length: int) -> int:
        """Keep one element of any kind; where the next one starts."""
        if length == UNDEFINED:
            return self._store_undefined(level, tag, vr, offset)
        after = offset + length
        if after > level.end:
            if level.depth or tag not in PIXEL_TAGS:
                self._beyond(tag, offset)
            self._source.warn("the pixel data is cut short")
            level.into.elements[tag] = Element(vr, offset, level.end - offset)
            return level.end
        items = None
        if vr == "SQ":
            items, _ = self._items(level, tag, offset, after, False)
        level.into.elements[tag] = Element(vr, offset, length, items)
        return after

    def _store_undefined(self, level: _Level, tag: int, vr: str, offset: int) -> int:
        """A sequence or encapsulated pixel data that runs to its delimiter."""
        if vr in _ENCAPSULATED:
            fragments, offset_after = self._fragments(level, tag, offset)
            level.into.elements[tag] = Element(vr, offset, -1, None, fragments)
            return offset_after
        if vr not in ("SQ", "UN"):
            raise Unreadable("undefined length where none may be", where=_spelt(tag))
        items, after = self._items(level, tag, offset, level.end, True)
        level.into.elements[tag] = Element("SQ", offset, -1, items)
        return after

    def _items(
        self, level: _Level, tag: int, offset: int, end: int, delimited: bool
    ) -> tuple[list[DataSet], int]:
        """The items of a sequence that ends at `end`, or before it when it is delimited."""
        if level.depth >= self._limits.depth:
            raise Unreadable(f"nested deeper than {self._limits.depth}", where=_spelt(tag))
        items: list[DataSet] = []
        # Items of a UN element are little endian even in a big endian data set.
        big = level.into.big and self._view[offset : offset + 1].tobytes() != b"\xfe"
        unpack = _IMPLICIT[big]
        while offset + 8 <= end:
            group, number, length = unpack(self._view, offset)
            found = group << 16 | number
            offset += 8
            if found == _SEQUENCE_END:
                if delimited:
                    return items, offset
                self._source.warn("a delimiter in a sequence of stated length")
                continue
            if found != _ITEM:
                raise Unreadable("not an item where one should be", where=_spelt(tag))
            item = DataSet(level.into.source, level.into, big)
            offset = self._item(level, item, offset, end, length)
            items.append(item)
        if delimited or offset != end:
            raise Unreadable("a sequence is cut short", where=_spelt(tag))
        return items, offset

    def _item(self, level: _Level, item: DataSet, offset: int, end: int, length: int) -> int:
        """One item of stated or undefined length; where the next one starts."""
        stop = end if length == UNDEFINED else offset + length
        if stop > end:
            raise Unreadable("a sequence item is longer than its sequence", where=f"byte {offset}")
        explicit = level.explicit and _looks_explicit(self._view, offset, stop)
        after = self._elements(_Level(item, stop, level.depth + 1, explicit), offset)
        if length == UNDEFINED:
            return after
        if after != stop:
            self._source.warn("a delimiter in a sequence item of stated length")
        return stop

    def _fragments(self, level: _Level, tag: int, offset: int) -> tuple[list[Fragment], int]:
        """Fragments up to the sequence delimiter (PS3.5 A.4); what is missing is left out."""
        fragments: list[Fragment] = []
        unpack = _IMPLICIT[level.into.big]
        while offset + 8 <= level.end:
            group, number, length = unpack(self._view, offset)
            found = group << 16 | number
            if found == _SEQUENCE_END:
                return fragments, offset + 8
            if found != _ITEM or offset + 8 + length > level.end:
                break
            offset += 8
            fragments.append(Fragment(offset, length))
            offset += length
            if len(fragments) > self._limits.elements:
                raise TooLarge(f"more than {self._limits.elements} fragments")
        if level.depth or tag not in PIXEL_TAGS:
            raise Unreadable("encapsulated data is cut short", where=_spelt(tag))
        self._source.warn("the pixel data is cut short")
        return fragments, level.end

    def _leftover(self, level: _Level, offset: int) -> int:
        """The end of the bytes: fewer than eight may remain only if they are padding."""
        if not _blank(self._view, offset, level.end):
            self._beyond(0, offset)
        if offset != level.end:
            self._source.warn("zeros after the data set")
        return level.end

    def _beyond(self, tag: int, offset: int) -> NoReturn:
        raise Unreadable("cut short", where=_spelt(tag), expected=f"more bytes after {offset}")


def _looks_explicit(view: memoryview, offset: int, end: int) -> bool:
    """Whether an item starts with a VR: those of UN elements and of some writers do not."""
    if offset + 8 > end or view[offset] in (0xFE, 0xFF):
        return True
    return view[offset + 4 : offset + 6].tobytes().isupper()


def _blank(view: memoryview, start: int, end: int) -> bool:
    """Whether nothing but zeros lies there."""
    step = 1 << 16
    blocks = range(start, end, step)
    return not any(view[at : min(at + step, end)].tobytes().strip(b"\0") for at in blocks)


def _spelt(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
