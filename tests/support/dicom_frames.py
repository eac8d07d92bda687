"""Frames made ready for rendering, from the bytes of one object."""

from dicom import files
from dicom.frames import read_frame, unpack
from dicom.pictures import Frame
from dicom.prepare import prepare
from dicom.walk import Limits


def frame_of(data: bytes, number: int = 1) -> Frame:
    """Frame `number` as the server would hand it to the pool."""
    header = files.read(data)
    blob = data
    if header.deflated:
        blob = bytes(files.inflated(data, header.dataset_offset, Limits()))
    places = {bulk.path: bulk for bulk in header.bulk}

    def read_range(offset: int, length: int) -> bytes:
        return blob[offset : offset + length]

    def read_bulk(path: str) -> bytes:
        return read_range(places[path].offset, places[path].length)

    pixels = read_frame(read_range, unpack(header.frames), number)
    return prepare(header.json, header.facts, pixels, number, read_bulk)
