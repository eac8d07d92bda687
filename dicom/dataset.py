"""A data set as the tag walk leaves it: where each value lies in the bytes, and how to read it."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Optional

from dicom.charset import Charset, charset_of, decode

SPECIFIC_CHARACTER_SET = 0x00080005
PIXEL_DATA = 0x7FE00010
FLOAT_PIXEL_DATA = 0x7FE00008
DOUBLE_PIXEL_DATA = 0x7FE00009
PIXEL_TAGS = frozenset({PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA})

# FHIR strings hold no control characters but TAB, LF and CR (R4 datatypes, string).
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INTEGERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q"}
_BY_LENGTH = {1: "B", 2: "H", 4: "L", 8: "Q"}


class Fragment(NamedTuple):
    """One item of encapsulated pixel data (PS3.5 A.4): where its bytes lie."""

    offset: int
    length: int


class Element(NamedTuple):
    """Where one value lies. `length` is -1 when it is undefined.

    `items` holds the data sets of a sequence, `fragments` those of encapsulated pixel data; the
    first fragment is the Basic Offset Table.
    """

    vr: str
    offset: int
    length: int
    items: "list[DataSet] | None" = None
    fragments: list[Fragment] | None = None


@dataclass(slots=True)
class Source:
    """The bytes being read, the character set to assume where none is declared, and findings."""

    view: memoryview
    fallback: str
    warnings: list[str]

    def warn(self, finding: str) -> None:
        """Note a finding once."""
        if finding not in self.warnings:
            self.warnings.append(finding)


class DataSet:
    """The elements of one data set or sequence item, by tag. Values are read on demand."""

    __slots__ = ("_charset", "big", "elements", "parent", "source")

    def __init__(
        self, source: Source, parent: Optional["DataSet"] = None, big: bool = False
    ) -> None:
        self.source = source
        self.parent = parent
        self.big = big
        self.elements: dict[int, Element] = {}
        self._charset: Charset | None = None

    def __contains__(self, tag: int) -> bool:
        return tag in self.elements

    @property
    def charset(self) -> Charset:
        """The character set of this item: its own or the enclosing one (PS3.3 C.12.1.1.2)."""
        if self._charset is None:
            self._charset = self._find_charset()
        return self._charset

    def _find_charset(self) -> Charset:
        element = self.elements.get(SPECIFIC_CHARACTER_SET)
        if element is None and self.parent is not None:
            return self.parent.charset
        terms = "" if element is None else self.value(element).decode("latin-1")
        return charset_of(terms.strip("\0 "), self.source.fallback)

    def value(self, element: Element) -> bytes:
        """The bytes of one value as they lie in the file."""
        return self.source.view[element.offset : element.offset + element.length].tobytes()

    def raw(self, tag: int) -> bytes:
        """The bytes of a value, b"" when it is absent, empty, a sequence or encapsulated."""
        element = self.elements.get(tag)
        if element is None or element.length <= 0 or element.items is not None:
            return b""
        return self.value(element)

    def decoded(self, raw: bytes, vr: str) -> str:
        """Text in this item's character set, without trailing padding (PS3.5 6.2)."""
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii").rstrip("\0 ")
        text, finding = decode(raw.rstrip(b"\0 "), self.charset, vr)
        if finding:
            self.source.warn(finding)
        return text

    def texts(self, tag: int) -> tuple[str, ...]:
        """Every value of a text element, stripped; empty ones stay in place as ""."""
        raw = self.raw(tag)
        if not raw:
            return ()
        return tuple(_clean(part) for part in self.decoded(raw, self.elements[tag].vr).split("\\"))

    def text(self, tag: int) -> str:
        """The first value of a text element, "" when there is none."""
        element = self.elements.get(tag)
        if element is None or element.length <= 0 or element.items is not None:
            return ""
        return _first(self.decoded(self.value(element), element.vr))

    def whole(self, tag: int) -> str:
        """A long text (LT, ST, UT, UR): one value in which a backslash is a backslash."""
        raw = self.raw(tag)
        return _clean(self.decoded(raw, self.elements[tag].vr)) if raw else ""

    def integer(self, tag: int) -> int:
        """The first value of a whole-number element, 0 when it is absent or beyond 32 bits."""
        raw = self.raw(tag)
        if not raw:
            return 0
        vr = self.elements[tag].vr
        value = _integer(raw) if vr in ("IS", "DS") else self._binary_integer(raw, vr)
        return value if -(1 << 31) <= value < 1 << 32 else 0

    def _binary_integer(self, raw: bytes, vr: str) -> int:
        code = _INTEGERS.get(vr) or _BY_LENGTH.get(len(raw), "H")
        size = struct.calcsize("<" + code)
        if len(raw) < size:
            return 0
        value: int = struct.unpack((">" if self.big else "<") + code, raw[:size])[0]
        return value

    def items(self, tag: int) -> list["DataSet"]:
        """The items of a sequence, none when it is absent or not a sequence."""
        element = self.elements.get(tag)
        return (element.items or []) if element is not None else []

    def first(self, tag: int) -> Optional["DataSet"]:
        """The first item of a sequence."""
        items = self.items(tag)
        return items[0] if items else None

    def up(self) -> Iterator["DataSet"]:
        """This data set and those around it, innermost first."""
        found: DataSet | None = self
        while found is not None:
            yield found
            found = found.parent


@lru_cache(maxsize=4096)  # the instances of a series repeat most of them
def _first(text: str) -> str:
    """The first of the values in a text."""
    return _clean(text.split("\\", 1)[0])


def _clean(text: str) -> str:
    """Without surrounding blanks and without characters that no FHIR string may hold."""
    return (text if text.isprintable() else _CONTROL.sub("", text)).strip()


def _integer(raw: bytes) -> int:
    """A whole number out of IS or DS text; vendors write 1.0 for 1."""
    text = raw.split(b"\\", 1)[0].strip(b"\0 ")
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return 0
