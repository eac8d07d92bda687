"""Writes media directories (DICOMDIR, PS3.3 annex F) from the DICOM JSON of the files on the medium.

Records are laid out one after the other, so that each knows where its neighbours begin as soon as
they are written: nothing but the directory itself is kept in memory.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dicom.part10 import EXPLICIT_LITTLE, file_meta

Model = Mapping[str, Any]

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_ITEM = 0xFFFEE000
# Where the offsets stand in a record: they are its first elements, and of fixed length.
_NEXT, _LOWER = 16, 38
_UNICODE = "ISO_IR 192"

# Attributes of each level by tag and VR, with what stands for one that is missing (PS3.3 F.5).
_PATIENT = (("00100010", "PN", ""), ("00100020", "LO", "NONE"))
_STUDY = (
    ("00080020", "DA", ""),
    ("00080030", "TM", ""),
    ("00080050", "SH", ""),
    ("00081030", "LO", ""),
    ("0020000D", "UI", ""),
    ("00200010", "SH", "NONE"),
)
_SERIES = (
    ("00080060", "CS", "OT"),
    ("0008103E", "LO", ""),
    ("0020000E", "UI", ""),
    ("00200011", "IS", "0"),
)
_NUMBER = ("00200013", "IS", "0")
_CONTENT = (("00080023", "DA", ""), ("00080033", "TM", ""))
_TITLE = ("0040A043", "SQ", "")
# The kind of record by what the SOP Class begins with, and its attributes (PS3.3 F.4).
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_KINDS = (
    (f"{_STORAGE}88.59", "KEY OBJECT DOC", (*_CONTENT, _NUMBER, _TITLE)),
    (
        f"{_STORAGE}88.",
        "SR DOCUMENT",
        (
            *_CONTENT,
            _NUMBER,
            _TITLE,
            ("0040A491", "CS", "COMPLETE"),
            ("0040A493", "CS", "UNVERIFIED"),
        ),
    ),
    (
        f"{_STORAGE}104.",
        "ENCAP DOC",
        (*_CONTENT, _NUMBER, _TITLE, ("00420010", "ST", ""), ("00420012", "LO", "")),
    ),
    (
        f"{_STORAGE}11.",
        "PRESENTATION",
        (
            _NUMBER,
            ("00700080", "CS", "NONE"),
            ("00700081", "LO", ""),
            ("00700082", "DA", ""),
            ("00700083", "TM", ""),
        ),
    ),
    (f"{_STORAGE}9.", "WAVEFORM", (*_CONTENT, _NUMBER)),
    (f"{_STORAGE}481.2", "RT DOSE", (_NUMBER,)),
    (f"{_STORAGE}481.3", "RT STRUCTURE SET", (_NUMBER,)),
    (f"{_STORAGE}481.5", "RT PLAN", (_NUMBER,)),
    ("", "IMAGE", (_NUMBER,)),
)
_CODE = (("00080100", "SH"), ("00080102", "SH"), ("00080104", "LO"))


@dataclass(frozen=True, slots=True)
class File:
    """A file on the medium: the parts of its path, what it is, and its DICOM JSON."""

    path: tuple[str, ...]
    sop_class: str
    uid: str
    transfer_syntax: str
    model: Model


@dataclass(slots=True)
class Directory:
    """A directory that files are added to in the order of patient, study and series."""

    uid: str
    _records: bytearray = field(default_factory=bytearray)
    _last: dict[int, tuple[str, int]] = field(default_factory=dict)

    def add(self, file: File) -> None:
        """Add a file, and its patient, study and series where they are new."""
        model = file.model
        levels = (("PATIENT", _PATIENT), ("STUDY", _STUDY), ("SERIES", _SERIES))
        names = (_text(model, "00100020"), _text(model, "0020000D"), _text(model, "0020000E"))
        for depth, ((kind, keys), name) in enumerate(zip(levels, names, strict=True)):
            if self._last.get(depth, ("", 0))[0] != f"={name}":
                self._append(depth, f"={name}", _record(kind, keys, model))
        kind, keys = next((k, a) for prefix, k, a in _KINDS if file.sop_class.startswith(prefix))
        self._append(len(levels), f"={file.uid}", _record(kind, keys, model, _reference(file)))

    def _append(self, depth: int, name: str, record: bytes) -> None:
        """Lay a record down, and tell its elder sibling or its parent where it is."""
        place = len(self._records)
        if depth in self._last:
            self._point(self._last[depth][1] + _NEXT, place)
        elif depth:
            self._point(self._last[depth - 1][1] + _LOWER, place)
        self._last = {known: one for known, one in self._last.items() if known < depth}
        self._last[depth] = (name, place)
        self._records += record

    def _point(self, where: int, place: int) -> None:
        struct.pack_into("<I", self._records, where, len(self._head(0, 0)) + place)

    def written(self) -> bytes:
        """The DICOMDIR."""
        last = self._last[0][1] if self._last else 0
        start = len(self._head(0, 0))
        known = (start, start + last) if self._records else (0, 0)
        return self._head(*known) + bytes(self._records)

    def _head(self, first: int, last: int) -> bytes:
        """Preamble, file meta, and what stands before the records (PS3.3 F.3.2)."""
        meta = file_meta(MEDIA_DIRECTORY, self.uid, EXPLICIT_LITTLE, "")
        return (
            meta
            + _element(0x00041130, "CS", b"")
            + _element(0x00041200, "UL", struct.pack("<I", first))
            + _element(0x00041202, "UL", struct.pack("<I", last))
            + _element(0x00041212, "US", b"\0\0")
            + struct.pack("<HH2sHI", 0x0004, 0x1220, b"SQ", 0, len(self._records))
        )


def _record(
    kind: str, keys: Iterable[tuple[str, str, str]], model: Model, reference: bytes = b""
) -> bytes:
    """A directory record: offsets first, then what it refers to, then its keys by their tags."""
    head = (
        _element(0x00041400, "UL", b"\0\0\0\0")
        + _element(0x00041410, "US", b"\xff\xff")
        + _element(0x00041420, "UL", b"\0\0\0\0")
        + _element(0x00041430, "CS", kind.encode())
    )
    body = head + reference + _element(0x00080005, "CS", _UNICODE.encode())
    for tag, vr, missing in sorted(keys):
        value = _codes(model, tag) if vr == "SQ" else (_text(model, tag) or missing).encode()
        body += _element(int(tag, 16), vr, value)
    return struct.pack("<HHI", _ITEM >> 16, _ITEM & 0xFFFF, len(body)) + body


def _reference(file: File) -> bytes:
    return (
        _element(0x00041500, "CS", "\\".join(file.path).encode())
        + _element(0x00041510, "UI", file.sop_class.encode())
        + _element(0x00041511, "UI", file.uid.encode())
        + _element(0x00041512, "UI", file.transfer_syntax.encode())
    )


def _element(tag: int, vr: str, value: bytes) -> bytes:
    """One element in explicit VR little endian (PS3.5 7.1.2), padded to an even length."""
    if len(value) % 2:
        value += b"\0" if vr == "UI" else b" "
    group, number = tag >> 16, tag & 0xFFFF
    if vr == "SQ":
        return struct.pack("<HH2sHI", group, number, b"SQ", 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value


def _text(model: Model, tag: str) -> str:
    """The value of an attribute as it is written, without what would break it into several."""
    values = model.get(tag, {}).get("Value", [])
    words = (_of_name(one) if isinstance(one, dict) else str(one) for one in values[:1] if one)
    return "".join(words).replace("\\", " ")[:1024]


def _of_name(name: Mapping[str, str]) -> str:
    groups = (name.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(groups).rstrip("=")


def _codes(model: Model, tag: str) -> bytes:
    """The one item of a code sequence; none if there is no code."""
    items: list[Model] = model.get(tag, {}).get("Value", [])
    item = items[0] if items else {}
    body = b"".join(_element(int(key, 16), vr, _text(item, key).encode()) for key, vr in _CODE)
    head = struct.pack("<HHI", _ITEM >> 16, _ITEM & 0xFFFF, len(body))
    return head + body if item else b""
