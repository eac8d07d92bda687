"""The characters that structure a message, and its escape sequences (HL7 2.5.1 ch. 2.5.4, 2.7)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from hl7.errors import NotHL7

MOST_LINES = 20
MOST_SPACES = 80

_FORMAT = re.compile(r"\.(br|sp|ce|sk|in|ti|fi|nf)\s*([+-]?\d*)\s*", re.IGNORECASE)
_CHARSET_SWITCH = re.compile(r"C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?")
_HEXADECIMAL = re.compile(r"X(?:[0-9A-Fa-f]{2})+")
# The bytes of \X..\ wait as lone surrogates, which no codec yields, until all of them are together:
# one character may be spread over several sequences.
_STAND_IN = 0xDC00
_STAND_INS = re.compile("[\udc00-\udcff]+")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2. A delimiter that MSH-2 leaves out is "" and separates nothing."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        """MSH-2 as it was sent."""
        rest = self.escape + self.subcomponent + self.truncation
        return self.component + self.repetition + rest

    def escaped(self, text: str) -> str:
        """Text of our own as a leaf: no character of it is taken for a delimiter."""
        names = {
            self.field: "F",
            self.component: "S",
            self.subcomponent: "T",
            self.repetition: "R",
            self.escape: "E",
        }
        mark = self.escape
        return "".join(
            (f"{mark}{names[letter]}{mark}" if mark else " ") if letter in names else letter
            for letter in text
        )


@lru_cache(maxsize=64)
def read_delimiters(opening: bytes) -> Delimiters:
    """Read MSH-1 and MSH-2 from the first bytes of an MSH, FHS or BHS segment.

    MSH-2 is authoritative in every version, its fifth character (2.7) included.
    """
    separator = opening[3:4]
    if not separator or not _usable(separator):
        raise NotHL7("MSH-1 is no usable field separator", where="MSH-1", expected="|")
    encoding = opening[4:].split(separator, 1)[0]
    characters = separator + encoding
    distinct = len(set(characters)) == len(characters)
    if not 1 <= len(encoding) <= 5 or not distinct or not _usable(encoding):
        raise NotHL7("MSH-2 holds no usable delimiters", where="MSH-2", expected="^~\\&")
    missing = [""] * (5 - len(encoding))
    return Delimiters(separator.decode("ascii"), *encoding.decode("ascii"), *missing)


def _usable(characters: bytes) -> bool:
    """Whether every one is printable ASCII and neither letter, digit nor space."""
    return all(33 <= code <= 126 and not chr(code).isalnum() for code in characters)


@dataclass(frozen=True, slots=True)
class Grammar:
    """How the text of one message is taken apart: its delimiters and its character set."""

    delimiters: Delimiters
    codec: str

    @property
    def separators(self) -> tuple[str, str]:
        """What separates components, and within them subcomponents."""
        return self.delimiters.component, self.delimiters.subcomponent

    def unescape(self, text: str) -> str:
        """Replace the escape sequences of one leaf by what they stand for.

        Formatting becomes line breaks and spaces, highlighting and character set switches vanish;
        what is unknown or has no end stays as it was written.
        """
        escape = self.delimiters.escape
        if not escape or escape not in text:
            return text
        pieces = text.split(escape)
        parts = [pieces[0]]
        position = 1
        while position < len(pieces):
            closed = position + 1 < len(pieces)
            meaning = self._meaning(pieces[position]) if closed else None
            if meaning is None:
                parts.append(escape + pieces[position])
                position += 1
            else:
                parts += (meaning, pieces[position + 1])
                position += 2
        return clean(_STAND_INS.sub(self._decode, "".join(parts)))

    def _meaning(self, sequence: str) -> str | None:
        """What stands for one sequence, None if it is unknown."""
        delimiters = self.delimiters
        if len(sequence) == 1:
            table = {
                "F": delimiters.field,
                "S": delimiters.component,
                "T": delimiters.subcomponent,
                "R": delimiters.repetition,
                "E": delimiters.escape,
                "P": delimiters.truncation or "#",
                "H": "",
                "N": "",
            }
            return table.get(sequence)
        if found := _FORMAT.fullmatch(sequence):
            return _formatting(found[1].lower(), found[2])
        if _HEXADECIMAL.fullmatch(sequence):
            return "".join(chr(_STAND_IN + byte) for byte in bytes.fromhex(sequence[1:]))
        return "" if _CHARSET_SWITCH.fullmatch(sequence) else None

    def _decode(self, run: re.Match[str]) -> str:
        return bytes(ord(stand_in) - _STAND_IN for stand_in in run[0]).decode(self.codec, "replace")


def _formatting(command: str, number: str) -> str:
    """The formatting commands of FT (ch. 2.7.6); indents and fill modes have no plain text."""
    count = max(int(number or "1"), 1) if number not in {"+", "-"} else 1
    if command in {"br", "ce"}:
        return "\n"
    if command == "sp":
        return "\n" * min(count, MOST_LINES)
    return " " * min(count, MOST_SPACES) if command == "sk" else ""


# A vertical tab or form feed in pasted text is a line break; other control characters are noise.
_BREAKS = {0x0B: "\n", 0x0C: "\n"}
_DROPPED = dict.fromkeys([*range(9), *range(14, 32), 127])
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def clean(text: str) -> str:
    """Text with every line break as a line feed and without other control characters."""
    if not _CONTROL.search(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_BREAKS | _DROPPED)
