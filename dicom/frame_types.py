"""Which media type carries frames of which transfer syntax (PS3.18 8.7.3.3, PS3.5 A.4)."""

from collections.abc import Iterator

from dicom.media_types import MULTIPART, Offer
from dicom.part10 import EXPLICIT_LITTLE

OCTETS = "application/octet-stream"
_UNCOMPRESSED = frozenset(
    {
        "1.2.840.10008.1.2",
        EXPLICIT_LITTLE,
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.1.98",
        "1.2.840.10008.1.2.1.99",
    }
)
_TYPES = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
}
_JPEG = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(50, 71))
_MPEG2 = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in ("100", "100.1", "101", "101.1"))
_MPEG4 = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(102, 109))


def is_native(transfer_syntax: str) -> bool:
    """Whether frames of this transfer syntax are plain samples."""
    return transfer_syntax in _UNCOMPRESSED


def frame_type(transfer_syntax: str) -> str:
    """The media type of one stored frame; octets where the standard names none."""
    if transfer_syntax in _JPEG:
        return "image/jpeg"
    if transfer_syntax in _MPEG2:
        return "video/mpeg"
    if transfer_syntax in _MPEG4 or transfer_syntax.startswith("1.2.840.10008.1.2.4.10"):
        return "video/mp4"
    return _TYPES.get(transfer_syntax, OCTETS)


def offers(transfer_syntax: str, single: bool) -> Iterator[Offer]:
    """How frames can be had: as they are stored, else decoded; one of them also on its own.

    Octets labelled with a compressed transfer syntax are what viewers ask for with
    `type="application/octet-stream"; transfer-syntax=*`.
    """
    contents = [(OCTETS, EXPLICIT_LITTLE)]
    if not is_native(transfer_syntax):
        kinds = dict.fromkeys((frame_type(transfer_syntax), OCTETS))
        contents = [(kind, transfer_syntax) for kind in kinds] + contents
    for kind, syntax in contents:
        yield Offer(MULTIPART, kind, syntax)
    if single:
        for kind, syntax in contents:
            yield Offer(kind, transfer_syntax=syntax)
