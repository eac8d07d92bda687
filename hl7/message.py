"""A message as bytes, and light views into it: segments, fields, repetitions, components.

Nothing is lost: `split` puts every byte in exactly one piece. Text is decoded and unescaped leaf
by leaf when it is asked for, after the raw delimiters have done their work (HL7 2.5.1 ch. 2.5).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

from hl7.charset import Charset, detect
from hl7.delimiters import Delimiters, Grammar, clean, read_delimiters
from hl7.errors import NotHL7

NULL = '""'  # a field with this content is to be deleted, an empty one was not sent

_OPENING = re.compile(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf|[\x00\x0b\x1c \t])*(MSH)")
_TRAILING = b"\x00\x0b\x1a\x1c\r\n"
_WIDE = re.compile(rb"\A(?:\xff\xfe|\xfe\xff|M\0S\0H\0|\0M\0S\0H)")
# Segments whose first field is the separator itself.
_SELF_SEPARATED = frozenset({"MSH", "FHS", "BHS"})


@dataclass(frozen=True, slots=True)
class Pieces:
    """All bytes of a message: what came before MSH, its segments, what came after the last one.

    A segment holds its terminator and any continuation lines.
    """

    lead: bytes
    segments: tuple[bytes, ...]
    trail: bytes


def split(raw: bytes) -> Pieces:
    """Cut bytes into segments; lead, segments and trail joined are the bytes again.

    Segments end with CR, LF or both. A line that does not begin with a segment's name and the
    field separator continues the line before it.
    """
    opening = _OPENING.search(raw)
    if opening is None:
        return Pieces(raw, (), b"")
    start, end = opening.start(1), _content_end(raw)
    name = _segment_name(raw[start + 3 : start + 4])
    segments: list[list[bytes]] = []
    for line in raw[start:end].splitlines(keepends=True):
        if name.match(line) or not segments:
            segments.append([line])
        else:
            segments[-1].append(line)
    return Pieces(raw[:start], tuple(b"".join(lines) for lines in segments), raw[end:])


def _content_end(raw: bytes) -> int:
    """Where the last segment ends, its terminator included."""
    end = len(raw.rstrip(_TRAILING))
    rest = raw[end : end + 2]
    if rest == b"\r\n":
        return end + 2
    return end + 1 if rest[:1] in (b"\r", b"\n") else end


@lru_cache(maxsize=64)
def _segment_name(separator: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"[A-Z][A-Z0-9]{2}" + re.escape(separator))


class Value:
    """A field, repetition, component or subcomponent as it was sent, still escaped."""

    __slots__ = ("_grammar", "_parts", "_separators", "raw")

    def __init__(self, raw: str, grammar: Grammar, separators: tuple[str, ...] = ()) -> None:
        self.raw = raw
        self._grammar = grammar
        self._separators = separators
        self._parts: list[str] | None = None

    def __bool__(self) -> bool:
        """Whether anything but a null was sent."""
        return bool(self.raw) and self.raw != NULL

    def parts(self) -> list[str]:
        """All components of a repetition, or all subcomponents of a component, still escaped."""
        if self._parts is None:
            self._parts = _parts(self.raw, self._separators[:1])
        return self._parts

    def part(self, number: int) -> "Value":
        """The component (of a component: the subcomponent) with this number, from 1 on."""
        raw = self._raw_part(number)
        return Value(raw, self._grammar, self._separators[1:]) if raw else NOTHING

    def _raw_part(self, number: int) -> str:
        parts = self.parts()
        return parts[number - 1] if number <= len(parts) else ""

    def text(self, number: int = 1, inner: int = 1) -> str:
        """The text of one leaf; where no part is named, that is the first of the first."""
        if self.raw.isalnum():  # no delimiter in it, as in most fields
            return self.raw if number == inner == 1 else ""
        raw = self._raw_part(number) if self.raw else ""
        if not raw:
            return ""
        parts = _parts(raw, self._separators[1:2])
        leaf = parts[inner - 1] if inner <= len(parts) else ""
        return "" if leaf == NULL else self._grammar.unescape(leaf)

    def whole(self) -> str:
        """All of it as text: for report lines, whose ^ and & are often just characters."""
        return "" if self.raw == NULL else self._grammar.unescape(self.raw)


NOTHING = Value("", Grammar(Delimiters(), "ascii"))


def _parts(raw: str, separator: tuple[str, ...]) -> list[str]:
    return raw.split(separator[0]) if separator and separator[0] else [raw]


class Segment:
    """One segment of a message. `position` counts the segments of the same name from 1."""

    __slots__ = ("_fields", "grammar", "name", "position", "raw")

    def __init__(self, raw: bytes, position: int, grammar: Grammar) -> None:
        self.raw = raw
        self.name = raw[:3].decode("ascii", "replace")
        self.position = position
        self.grammar = grammar
        self._fields: list[str] | None = None

    def __bool__(self) -> bool:
        """Whether the segment was sent: the one that stands for an absent segment is false."""
        return bool(self.raw)

    @property
    def fields(self) -> list[str]:
        """The name and then the fields, still escaped, so that fields[3] is field 3."""
        if self._fields is None:
            grammar = self.grammar
            text = self.raw.rstrip(b"\r\n").decode(grammar.codec, "replace")
            fields = clean(text).split(grammar.delimiters.field)
            if self.name in _SELF_SEPARATED:
                fields.insert(1, grammar.delimiters.field)
            self._fields = fields
        return self._fields

    def raw_field(self, number: int) -> str:
        """One field with all its repetitions, still escaped."""
        fields = self.fields
        return fields[number] if number < len(fields) else ""

    def is_null(self, number: int) -> bool:
        """Whether the sender asks to delete what this field holds (ch. 2.5.3)."""
        return self.raw_field(number) == NULL

    def repetitions(self, number: int) -> list[Value]:
        """The repetitions of a field that say anything."""
        raw = self.raw_field(number)
        if not raw or raw == NULL:
            return []
        separator = self.grammar.delimiters.repetition
        values = raw.split(separator) if separator else [raw]
        return [self._value(value) for value in values if value and value != NULL]

    def field(self, number: int) -> Value:
        """The first repetition of a field."""
        raw = self.raw_field(number)
        if not raw:
            return NOTHING
        separator = self.grammar.delimiters.repetition
        return self._value(raw.split(separator, 1)[0] if separator else raw)

    def lines(self, number: int) -> list[str]:
        """A field of text: each repetition is a line, an empty one a blank line (ch. 7.4.2.5)."""
        raw = self.raw_field(number)
        separator = self.grammar.delimiters.repetition
        values = raw.split(separator) if separator else [raw]
        return [Value(value, self.grammar).whole() for value in values]

    def unsplit(self, number: int) -> Value:
        """A field whose delimiters are content, with all that looks like repetitions."""
        return Value(self.raw_field(number), self.grammar)

    def text(self, number: int, component: int = 1, inner: int = 1) -> str:
        """The text of one leaf of the first repetition: text(3, 4, 2) is field 3, 4th component."""
        raw = self.raw_field(number)
        if raw.isalnum():
            return raw if component == inner == 1 else ""
        return self.field(number).text(component, inner) if raw else ""

    def _value(self, raw: str) -> Value:
        return Value(raw, self.grammar, self.grammar.separators)


class Message:
    """A message in its pieces. Every reader starts here."""

    def __init__(self, raw: bytes, pieces: Pieces, delimiters: Delimiters, fallback: str) -> None:
        self.raw = raw
        self.pieces = pieces
        self.delimiters = delimiters
        self._fallback = fallback

    @cached_property
    def charset(self) -> Charset:
        """How the text is decoded, and what is wrong with the character set of MSH-18."""
        msh = self.pieces.segments[0].split(self.delimiters.field.encode("ascii"))
        msh_18 = msh[17].strip() if len(msh) > 17 else b""
        repetition = self.delimiters.repetition or "~"
        declared = msh_18.decode("ascii", "replace").split(repetition)
        return detect(self.raw, tuple(declared), self._fallback)

    @cached_property
    def grammar(self) -> Grammar:
        """Delimiters and codec, for those who read text."""
        return Grammar(self.delimiters, self.charset.codec)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All segments in the order of the message, unknown ones and Z segments too."""
        grammar = self.grammar
        counts: dict[bytes, int] = {}
        segments = []
        for raw in self.pieces.segments:
            name = raw[:3]
            counts[name] = counts.get(name, 0) + 1
            segments.append(Segment(raw, counts[name], grammar))
        return tuple(segments)

    def all(self, *names: str) -> Iterator[Segment]:
        """The segments with one of these names."""
        return (segment for segment in self.segments if segment.name in names)

    def first(self, name: str) -> Segment:
        """The first segment with this name, or an empty one (which is false)."""
        return next(self.all(name), self.absent())

    def absent(self) -> Segment:
        """A segment that was not sent: all its fields are empty."""
        return Segment(b"", 0, self.grammar)

    def fingerprint(self) -> str:
        """A hash of the content: equal for a message that is sent again with a new id and time.

        Terminators, MSH-7 and MSH-10 do not count.
        """
        separator = self.delimiters.field.encode("ascii")
        head, *rest = (segment.rstrip(b"\r\n") for segment in self.pieces.segments)
        fields = head.split(separator)
        for index in (6, 9):  # MSH-1 is the separator itself
            if index < len(fields):
                fields[index] = b""
        return sha256(b"\r".join([separator.join(fields), *rest])).hexdigest()


def parse(raw: bytes, fallback: str = "") -> Message:
    """Read a message; `fallback` is the character set (table 0211) of a feed that declares none."""
    pieces = split(raw)
    if not pieces.segments:
        expected = "MSH in an ASCII-compatible encoding" if _WIDE.match(raw) else "MSH"
        raise NotHL7("no MSH segment was found", where="MSH", expected=expected)
    return Message(raw, pieces, read_delimiters(pieces.segments[0]), fallback)
