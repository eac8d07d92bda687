"""Whether other bytes are the same object, written by another encoder.

A sender that takes an object apart and writes it anew may choose other lengths of sequences, drop
padding or group lengths: DICOM JSON (PS3.18 annex F) knows none of these. So two objects are the
same when their JSON is, and the values that it leaves out are.
"""

import hashlib
from collections.abc import Iterator
from functools import partial

from dicom import files, frames
from dicom.errors import DicomError, Undecodable
from dicom.files import Bulk, Header
from dicom.frames import ReadRange
from server.flows.sites import House

_STEP = 1 << 20


def same_object(house: House, blob: str, other: str) -> bool:
    """Compare two stored objects of one transfer syntax. What cannot be compared is not the same."""
    try:
        return _content(house, blob) == _content(house, other)
    except DicomError:
        return False


def _content(house: House, blob: str) -> tuple[str, str]:
    """The JSON of an object, and the digest of the values that it leaves out."""
    with house.blobs.map(blob) as view:
        header = files.read(view)
    if header.deflated:
        raise Undecodable("a deflated object is not compared")
    digest = hashlib.sha256()
    for place in header.bulk:
        for part in _parts(partial(house.blobs.read, blob), header, place):
            digest.update(len(part).to_bytes(8, "little") + part)
    return header.json, digest.hexdigest()


def _parts(read: ReadRange, header: Header, place: Bulk) -> Iterator[bytes]:
    """A value in pieces that do not depend on how it was written: compressed ones frame by frame."""
    if place.length >= 0:
        for at in range(0, place.length, _STEP):
            yield read(place.offset + at, min(_STEP, place.length - at))
        return
    if not header.frames:
        raise Undecodable("compressed data without frames is not compared")
    index = frames.unpack(header.frames)
    for number in range(1, index.count + 1):
        yield frames.read_frame(read, index, number)
