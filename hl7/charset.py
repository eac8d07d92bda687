"""Character sets: MSH-18 and the feed's habit to a codec, and what is wrong with the choice.

HL7 2.5.1 ch. 2.15.9.18, table 0211. What cannot be true is told as a finding; a strict feed makes
a fault of it.
"""

import re
from dataclasses import dataclass

# Table 0211 and its common spellings, without spaces, hyphens and underscores, in capitals.
_CODECS = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "8859/1": "iso8859_1",
    "8859/2": "iso8859_2",
    "8859/3": "iso8859_3",
    "8859/4": "iso8859_4",
    "8859/5": "iso8859_5",
    "8859/6": "iso8859_6",
    "8859/7": "iso8859_7",
    "8859/8": "iso8859_8",
    "8859/9": "iso8859_9",
    "8859/15": "iso8859_15",
    "ISOIR100": "iso8859_1",
    "ISOIR101": "iso8859_2",
    "LATIN1": "iso8859_1",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    "ANSI": "cp1252",
    "WINDOWS1251": "cp1251",
    "WINDOWS1250": "cp1250",
    "UNICODE": "utf_8",
    "UNICODEUTF8": "utf_8",
    "UTF8": "utf_8",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "KSX1001": "cp949",
    "EUCKR": "cp949",
    "BIG5": "big5",
    "ISOIR14": "iso2022_jp_ext",
    "ISOIR87": "iso2022_jp_ext",
    "ISOIR159": "iso2022_jp_ext",
    "JISX0201": "iso2022_jp_ext",
    "JISX0208": "iso2022_jp_ext",
    "JISX0212": "iso2022_jp_ext",
    "SHIFTJIS": "cp932",
}
_JAPANESE = "iso2022_jp_ext"
_SINGLE_BYTE = re.compile(r"ascii|iso8859_\d+|cp125\d")
_C1 = re.compile(rb"[\x80-\x9f]")
_ESCAPE = b"\x1b"


@dataclass(frozen=True, slots=True)
class Charset:
    """The codec that reads a message. `finding` says why it is not the declared one, or is a guess.

    `wrong` is true where the declaration is unknown (`unknown`) or contradicts the bytes.
    """

    codec: str
    finding: str = ""
    wrong: bool = False
    unknown: bool = False


def codec_of(name: str) -> str:
    """The codec for a term of table 0211 or one of its usual spellings, "" if there is none."""
    key = re.sub(r"[ _-]", "", name.strip().upper())
    if found := _CODECS.get(key):
        return found
    # ISO-8859-1, ISO8859/1 and 8859-1 alike.
    numbered = re.fullmatch(r"(?:ISO)?[/]?8859/?(\d{1,2})", key)
    return _CODECS.get(f"8859/{numbered[1]}", "") if numbered else ""


def detect(raw: bytes, declared: tuple[str, ...], fallback: str = "") -> Charset:
    """Choose the codec for a message from MSH-18, the feed's character set and the bytes."""
    terms = [term for term in declared if term.strip()]
    if not terms:
        return _undeclared(raw, codec_of(fallback))
    codec = codec_of(declared[0]) or ("ascii" if not declared[0].strip() else "")
    if _ESCAPE in raw and any(codec_of(term) == _JAPANESE for term in terms):
        codec = _JAPANESE
    if not codec:
        guess = _undeclared(raw, codec_of(fallback)).codec
        finding = "MSH-18 names no character set that is read here"
        return Charset(guess, finding, wrong=True, unknown=True)
    return _declared(raw, codec, codec_of(fallback))


def _declared(raw: bytes, codec: str, fallback: str) -> Charset:
    if raw.isascii() and codec != _JAPANESE:
        return Charset(codec)
    if not _decodes(raw, codec):
        guess = _undeclared(raw, fallback).codec
        return Charset(guess, "the text does not fit the character set of MSH-18", wrong=True)
    if _SINGLE_BYTE.fullmatch(codec) and _decodes(raw, "utf_8"):
        return Charset("utf_8", "MSH-18 says a single-byte set, the text is UTF-8", wrong=True)
    if codec == "iso8859_1" and _C1.search(raw):
        return Charset("cp1252", "MSH-18 says Latin-1, the text is Windows-1252")
    return Charset(codec)


def _undeclared(raw: bytes, fallback: str) -> Charset:
    """Nothing was declared: UTF-8 if it can be, then the feed's character set, then cp1252."""
    if fallback == _JAPANESE and _ESCAPE in raw:
        return Charset(fallback)
    if raw.isascii():
        return Charset("utf_8")
    if _decodes(raw, "utf_8"):
        return Charset("utf_8", "no character set was declared: read as UTF-8")
    if fallback and _decodes(raw, fallback):
        return Charset(fallback, "no character set was declared: read as the feed's")
    return Charset("cp1252", "no character set was declared: read as Windows-1252")


def _decodes(raw: bytes, codec: str) -> bool:
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
