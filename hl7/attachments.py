"""Documents in OBX-5 (ED): decoded, measured, and told by their first bytes (HL7 2.5.1 ch. 2A.24)."""

import re
from base64 import b64decode
from binascii import Error as Base64Error

from hl7.errors import BadText
from hl7.message import Segment

PDF = "application/pdf"
XML = "application/xml"
CDA = "text/xml"
PLAIN = "text/plain"
UNKNOWN = "application/octet-stream"

_HEAD = 4096  # bytes in which a document says what it is
_SIGNATURES = (
    (b"%PDF-", PDF),
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"<?xml", XML),
    (b"<ClinicalDocument", CDA),
    (b"<!DOCTYPE html", "text/html"),
    (b"<html", "text/html"),
)
# What senders call a type, and the bytes then have to be. Table 0191 knows no PDF.
_NAMED = {"PDF": PDF, "PNG": "image/png", "JPEG": "image/jpeg", "JPG": "image/jpeg"}
_PROLOG = re.compile(r"""\s*<\?xml[^>]*?encoding=["']([A-Za-z0-9._-]+)["']""")
_WORDS = frozenset({"TEXT", "TXT", "PLAIN", "TEXT/PLAIN", "SCANNED IMAGE"})


def decode(obx: Segment, limit: int) -> tuple[tuple[bytes, str], ...]:
    """Decode the documents of one OBX: bytes and content type of each.

    Raises BadText if there is nothing, if it does not decode, is larger than `limit`, or is not
    what it is called.
    """
    delimiters = obx.grammar.delimiters
    raw = obx.raw_field(5)
    encoding = _part(raw, 3, delimiters.component).upper()
    separator = delimiters.repetition
    # Base64 and hexadecimal hold no delimiters; in plain text a tilde is just a character.
    several = raw.split(separator) if separator and encoding in {"BASE64", "HEX"} else [raw]
    documents = (_decode_one(obx, one, encoding, limit) for one in several if one)
    found = tuple(documents)
    if not found:
        raise BadText("the attachment is empty")
    return found


def _part(raw: str, index: int, separator: str) -> str:
    parts = raw.split(separator, 4) if separator else [raw]
    return parts[index].strip() if index < len(parts) else ""


def _decode_one(obx: Segment, raw: str, encoding: str, limit: int) -> tuple[bytes, str]:
    separator = obx.grammar.delimiters.component
    parts = raw.split(separator, 4) if separator else [raw]
    if len(parts[-1]) > limit * 4 // 3 + limit // 16:  # line breaks allowed for
        raise BadText("the attachment is larger than the limit")
    content = obx.grammar.unescape(parts[-1]) if len(parts) in {1, 5} else ""
    data = _bytes(content, encoding, "".join(parts[1:3]).upper())
    if not data:
        raise BadText("the attachment is empty")
    if len(data) > limit:
        raise BadText("the attachment is larger than the limit")
    names = [name.strip().upper() for name in parts[1:3]] if len(parts) == 5 else []
    return data, _content_type(data, names)


def _bytes(content: str, encoding: str, named: str) -> bytes:
    if encoding == "BASE64":
        return _base64(content)
    if encoding == "HEX":
        try:
            return bytes.fromhex("".join(content.split()))
        except ValueError as error:
            raise BadText("the attachment is no hexadecimal") from error
    if not encoding and "PDF" in named:  # no sender writes a PDF as text
        return _base64(content)
    prolog = _PROLOG.match(content)
    try:
        return content.encode(prolog[1] if prolog else "utf-8", "xmlcharrefreplace")
    except LookupError:
        return content.encode()


def _base64(content: str) -> bytes:
    """Strictly decode, but for line breaks and padding that was left out."""
    text = "".join(content.split()).rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Base64Error, ValueError) as error:
        raise BadText("the attachment is no Base64") from error


def _content_type(data: bytes, names: list[str]) -> str:
    """What the bytes are; what they are called counts where they do not say."""
    found = _by_signature(data)
    called = next(
        (_NAMED[part] for name in names for part in name.split("/") if part in _NAMED), ""
    )
    if called and found != called:
        raise BadText(f"the attachment is called {called} and is something else")
    if found:
        return found
    return PLAIN if not set(names).isdisjoint(_WORDS) and _is_text(data) else UNKNOWN


def _by_signature(data: bytes) -> str:
    if data[128:132] == b"DICM":
        return "application/dicom"
    head = data[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, content_type in _SIGNATURES:
        if head[: len(signature)].lower() == signature.lower():
            return CDA if content_type == XML and b"<ClinicalDocument" in head else content_type
    return ""


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data
