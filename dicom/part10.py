"""The DICOM file format around a data set: preamble, file meta, encoding, deflate (PS3.10 7)."""

import struct
import zlib
from dataclasses import dataclass

from pydicom._dicom_dict import DicomDictionary

from dicom.dataset import Source
from dicom.errors import TooLarge, Unreadable
from dicom.pdu import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from dicom.vr import LONG, SHORT, UNDEFINED
from dicom.walk import Encoding

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
# JPIP referenced deflate compresses the whole data set, too (PS3.5 A.7).
_DEFLATED = frozenset({DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})

_ELEMENT = struct.Struct("<HH2sH").unpack_from
_TAG_LENGTH = struct.Struct("<HHL").unpack_from
_LENGTH = struct.Struct("<L").unpack_from
_SHORT_HEADER = struct.Struct("<HH2sH").pack
_LONG_HEADER = struct.Struct("<HH2s2xL").pack
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_READ = 1 << 16
_GROW = 1 << 20
# Deflate can shrink blanks a thousandfold; no picture worth that is bigger than this.
_FREE_INFLATION = 16 << 20
_MOST_RATIO = 200


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What preamble and file meta say; empty where they are missing. `offset` is the data set's."""

    offset: int = 0
    transfer_syntax: str = ""
    sop_class: str = ""
    sop_instance: str = ""
    preamble_clean: bool = True


def read_meta(source: Source) -> FileMeta:
    """Preamble and group 0002 (PS3.10 7.1), both of which the field sometimes leaves out."""
    view = source.view
    if view[128:132].tobytes() == b"DICM":
        preamble, start = view[:128].tobytes(), 132
    else:
        preamble, start = b"", 0
        source.warn("no preamble: not a DICOM file but perhaps a bare data set")
    values, offset = _meta_elements(source, start)
    return FileMeta(
        offset,
        _uid(values.get(0x0010, b"")),
        _uid(values.get(0x0002, b"")),
        _uid(values.get(0x0003, b"")),
        not preamble.strip(b"\0") or preamble.startswith(_TIFF),
    )


def _meta_elements(source: Source, start: int) -> tuple[dict[int, bytes], int]:
    """Short values of group 0002 by element number, and where the data set starts."""
    view, offset = source.view, start
    values: dict[int, bytes] = {}
    stop = -1
    while offset != stop and offset + 8 <= len(view):
        group, number, code, length = _ELEMENT(view, offset)
        if group != 0x0002:
            break
        value, length = _meta_value(view, offset, code, length)
        offset = value + length
        if offset > len(view):
            raise Unreadable("cut short in the file meta", where=f"(0002,{number:04X})")
        if length <= 1024:
            values[number] = view[value:offset].tobytes()
        if number == 0 and length == 4:
            stop = offset + _LENGTH(view, value)[0]
    if values and offset != stop:
        source.warn("file meta group length (0002,0000) is missing or wrong")
    return values, offset


def _meta_value(view: memoryview, offset: int, code: bytes, length: int) -> tuple[int, int]:
    """Where a file meta value starts and how long it is; some writers leave out its VR."""
    if code in SHORT:
        return offset + 8, length
    if code in LONG and offset + 12 <= len(view):
        return offset + 12, int(_LENGTH(view, offset + 8)[0])
    return offset + 8, int(_LENGTH(view, offset + 4)[0])


def _uid(raw: bytes) -> str:
    return raw.decode("latin-1").strip("\0 ")


def file_meta(sop_class: str, sop_instance: str, transfer_syntax: str, calling_ae: str) -> bytes:
    """Preamble, DICM and group 0002 for a data set that came without them (PS3.10 7.1)."""
    body = b"".join(
        (
            _LONG_HEADER(2, 0x0001, b"OB", 2) + b"\0\1",
            _short(0x0002, b"UI", sop_class),
            _short(0x0003, b"UI", sop_instance),
            _short(0x0010, b"UI", transfer_syntax),
            _short(0x0012, b"UI", IMPLEMENTATION_UID),
            _short(0x0013, b"SH", IMPLEMENTATION_NAME),
            _short(0x0016, b"AE", calling_ae) if calling_ae else b"",
        )
    )
    length = _SHORT_HEADER(2, 0x0000, b"UL", 4) + struct.pack("<L", len(body))
    return bytes(128) + b"DICM" + length + body


def _short(number: int, vr: bytes, text: str) -> bytes:
    """One file meta element, padded to even length: UIDs with NUL, text with a blank."""
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT_HEADER(2, number, vr, len(value)) + value


def is_deflated(transfer_syntax: str) -> bool:
    """Whether the data set itself is compressed, so that offsets count in the inflated bytes."""
    return transfer_syntax in _DEFLATED


def encoding_of(transfer_syntax: str) -> Encoding:
    """How a transfer syntax writes elements; all but two are explicit little endian (PS3.5 A)."""
    if transfer_syntax == IMPLICIT_LITTLE:
        return Encoding(explicit=False)
    return Encoding(explicit=True, big=transfer_syntax == EXPLICIT_BIG)


def syntax_of(encoding: Encoding) -> str:
    """The uncompressed transfer syntax of an encoding."""
    if not encoding.explicit:
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if encoding.big else EXPLICIT_LITTLE


def seen_encoding(view: memoryview, offset: int) -> Encoding | None:
    """What the first element looks like, None when it could be anything."""
    if offset + 8 > len(view):
        return None
    head = view[offset : offset + 8].tobytes()
    little, large = int.from_bytes(head[:2], "little"), int.from_bytes(head[:2], "big")
    code, length = head[4:6], int.from_bytes(head[4:8], "little")
    fits = length == UNDEFINED or offset + 8 + length <= len(view)
    if code in SHORT or code in LONG:
        return Encoding(explicit=True, big=large < little and large < 0x100)
    return Encoding(explicit=False) if fits and little <= 0x7FE0 and not code.isupper() else None


def is_plausible_start(view: memoryview, offset: int) -> bool:
    """Whether a data set may start here although no file meta announces one."""
    encoding = seen_encoding(view, offset)
    if encoding is None:
        return False
    head = view[offset : offset + 8].tobytes()
    order: str = ">HH" if encoding.big else "<HH"
    group, number = struct.unpack(order, head[:4])
    length = int.from_bytes(head[4:8], "little")
    known = (group << 16 | number) in DicomDictionary or number == 0
    return known and 0x08 <= group <= 0x20 and (encoding.explicit or length <= 0x10000)


def deflate(data: bytes) -> bytes:
    """A data set compressed as a whole (PS3.5 A.5), of even length."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = stream.compress(data) + stream.flush()
    return packed + bytes(len(packed) % 2)


def inflate(data: memoryview, limit: int) -> tuple[bytearray, bool]:
    """The data set of a deflated object (PS3.5 A.5) and whether its stream was complete.

    Stops with TooLarge at `limit` bytes, or where it grows as only a bomb does.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = bytearray()
    at, pending = 0, b""
    try:
        while not stream.eof and (pending or at < len(data)):
            chunk = pending or data[at : at + _READ].tobytes()
            at += 0 if pending else len(chunk)
            inflated += stream.decompress(chunk, _GROW)
            pending = stream.unconsumed_tail
            _check_growth(len(inflated), at - len(pending), limit)
    except zlib.error as error:
        raise Unreadable("the deflated data set is damaged", where=f"byte {at}") from error
    return inflated, stream.eof


def _check_growth(inflated: int, consumed: int, limit: int) -> None:
    if inflated > limit:
        raise TooLarge("the deflated data set is too large", expected=f"at most {limit} bytes")
    if inflated > _FREE_INFLATION and inflated > _MOST_RATIO * max(consumed, 1):
        raise TooLarge("the deflated data set grows like a decompression bomb")
