"""Text of DICOM values: Specific Character Set terms to Unicode (PS3.3 C.12.1.1.2, PS3.5 6.1)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

_ASCII = "iso8859"
_STAND_ALONE = frozenset({"ISO_IR 192", "GB18030", "GBK"})
# Python's codecs for these read the escape sequences themselves.
_ESCAPING = frozenset({"iso2022_jp", "iso2022_jp_2"})
# Latin sets in which two bytes of UTF-8 make letters that nobody writes side by side.
_LATIN = frozenset({"latin_1", "iso8859_2", "iso8859_3", "iso8859_4", "iso_ir_148"})
_PIECE = re.compile(b"^[^\x1b]+|\x1b[^\x1b]*", re.DOTALL)
# These end the effect of an escape sequence (PS3.5 6.1.2.5.3), the second set in person names.
_RESET = re.compile(rb"[\\\r\n\t\f]")
_RESET_NAME = re.compile(rb"[\\^=\r\n\t\f]")
_MISSPELT = re.compile(r"^ISO[-_ ]IR[-_ ]?(\d+)$")
_C1 = re.compile("[\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class Charset:
    """Python encodings of one Specific Character Set; `unknown` when a term is in no table."""

    encodings: tuple[str, ...]
    declared: bool
    fallback: str
    unknown: bool = False


@lru_cache(maxsize=256)
def charset_of(terms: str, fallback: str) -> Charset:
    """The character set that the backslash separated terms of (0008,0005) declare."""
    names = [_spelt(term.strip()) for term in terms.split("\\")]
    if not any(names):
        return Charset((_ASCII,), False, fallback)
    if len(names) > 1 and names[0] in _STAND_ALONE:
        names = names[:1]
    encodings = [python_encoding.get(name, "") for name in names if name not in _STAND_ALONE]
    if len(names) == 1 and names[0] in _STAND_ALONE:
        encodings = [python_encoding[names[0]]]
    known = tuple(encoding for encoding in encodings if encoding)
    if not known:
        return Charset((_ASCII,), False, fallback, unknown=True)
    return Charset(known, True, fallback, unknown=len(known) < len(encodings))


def _spelt(term: str) -> str:
    """A defined term as the standard spells it: ISO-IR 100 and ISO IR 100 are seen in the field."""
    if term in python_encoding:
        return term
    found = _MISSPELT.match(term.upper())
    return f"ISO_IR {found[1]}" if found else term


def decode(raw: bytes, charset: Charset, vr: str) -> tuple[str, str]:
    """Text of a value that is not plain ASCII, and what was odd about it ("" when nothing)."""
    if b"\x1b" in raw:
        return _decode_escaped(raw, charset, _RESET_NAME if vr == "PN" else _RESET)
    if not charset.declared:
        return _decode_undeclared(raw, charset.fallback)
    encoding = charset.encodings[0]
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace"), "text does not fit its declared character set"
    if encoding in _LATIN:
        return _doubt_latin(raw, text, encoding)
    return text, ""


def _decode_undeclared(raw: bytes, fallback: str) -> tuple[str, str]:
    """No character set was declared: UTF-8 if it can be, else the sender's known habit."""
    try:
        return raw.decode("utf-8"), "undeclared character set, read as UTF-8"
    except UnicodeDecodeError:
        text = raw.decode(fallback, "replace")
        return text, "undeclared character set, read as the configured fallback"


def _doubt_latin(raw: bytes, text: str, encoding: str) -> tuple[str, str]:
    """Senders declare Latin-1 out of habit and write UTF-8 or Windows-1252."""
    try:
        return raw.decode("utf-8"), "declared a Latin character set, but the text is UTF-8"
    except UnicodeDecodeError:
        pass
    if encoding == "latin_1" and _C1.search(text):
        return raw.decode("cp1252", "replace"), "declared Latin-1, but the text is Windows-1252"
    return text, ""


def _decode_escaped(raw: bytes, charset: Charset, reset: re.Pattern[bytes]) -> tuple[str, str]:
    """Text with ISO 2022 escape sequences (PS3.5 6.1.2.4), piece by piece."""
    finding = "" if charset.declared else "escape sequences without a declared character set"
    parts = []
    for piece in _PIECE.findall(raw):
        encoding, rest = _escape(piece)
        if encoding in _ESCAPING:
            part = piece.decode(encoding, "replace")
        elif piece.startswith(b"\x1b"):
            stop = reset.search(rest)
            at = stop.start() if stop else len(rest)
            part = rest[:at].decode(encoding, "replace")
            part += rest[at:].decode(charset.encodings[0], "replace")
        else:
            part = piece.decode(charset.encodings[0], "replace")
        if "\ufffd" in part:
            finding = finding or "text does not fit its declared character set"
        parts.append(part)
    return "".join(parts), finding


def _escape(piece: bytes) -> tuple[str, bytes]:
    """Which encoding an escape sequence calls for, and the bytes after it."""
    for size in (4, 3):
        encoding = CODES_TO_ENCODINGS.get(piece[:size])
        if encoding is not None:
            return encoding, piece[size:]
    return _ASCII, piece[1:]
