"""Sizes that a codestream states, read before anything is decoded."""

import struct
from dataclasses import dataclass

_J2K = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
# Start of frame markers: all but DHT, JPG and DAC among C0 to CF, and F7 for JPEG-LS.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_BARE = frozenset({0x01, 0xFF, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Size:
    """What a codestream says of itself. `rgb` is None where it does not tell its colours."""

    rows: int
    columns: int
    samples: int
    bits: int
    rgb: bool | None = None


def size_of(data: bytes) -> Size | None:
    """The size in a JPEG, JPEG-LS or JPEG 2000 codestream, None if it is none of them."""
    if data.startswith(_J2K):
        return _jpeg2000(data)
    return _jpeg(data) if data.startswith(b"\xff\xd8") else None


def _jpeg2000(data: bytes) -> Size | None:
    """The SIZ marker (ISO 15444-1 A.5.1)."""
    at = data.find(b"\xff\x51", 0, 4096)
    if at < 0 or at + 42 > len(data):
        return None
    right, bottom, left, top = struct.unpack_from(">4L", data, at + 6)
    samples, bits = struct.unpack_from(">HB", data, at + 38)
    return Size(bottom - top, right - left, samples, (bits & 0x7F) + 1)


def _jpeg(data: bytes) -> Size | None:
    """The frame header (ISO 10918-1 B.2.2), and an Adobe segment if one comes before it."""
    at, rgb = 2, None
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if marker in _FRAMES:
            return _frame(body, rgb)
        if marker == 0xE0 and body.startswith(b"JFIF\0"):
            rgb = False
        if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            rgb = body[11] == 0
        at += 2 + length
    return None


def _frame(body: bytes, rgb: bool | None) -> Size | None:
    if len(body) < 6:
        return None
    bits, rows, columns, samples = struct.unpack_from(">BHHB", body)
    if body[6::3][:3] == b"RGB":
        rgb = True
    return Size(rows, columns, samples, bits, rgb)
