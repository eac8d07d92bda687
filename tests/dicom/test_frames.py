"""The frame index gives every frame that pydicom gives, byte for byte."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.errors import InvalidDicomError

from dicom import files
from dicom.errors import DicomError, Undecodable
from dicom.frames import FrameIndex, missing, pack, read_frame, unpack
from dicom.walk import Limits
from tests.support.dicom_objects import BIG, DEFLATED, EXPLICIT, SYNTAXES, image, part10
from tests.support.dicom_samples import bundled, bundled_paths, needs_samples, shared_paths

pytestmark = pytest.mark.filterwarnings("ignore")

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
MPEG4 = "1.2.840.10008.1.2.4.102"


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def opened(data: bytes) -> tuple[Callable[[int, int], bytes], FrameIndex, files.Header]:
    header = files.read(data)
    if header.deflated:
        data = bytes(files.inflated(data, header.dataset_offset, Limits()))
    return reader(data), unpack(header.frames), header


def all_frames(data: bytes) -> list[bytes]:
    read, index, _ = opened(data)
    return [read_frame(read, index, number) for number in range(1, index.count + 1)]


def pydicom_frames(path: Path) -> list[bytes] | None:
    """The frames by pydicom, None when it cannot tell or the object has none."""
    data_set = pydicom.dcmread(path)
    if "PixelData" not in data_set or "Rows" not in data_set:
        return None
    count = int(data_set.get("NumberOfFrames") or 1)
    if data_set["PixelData"].is_undefined_length:
        table = data_set.get("ExtendedOffsetTable")
        lengths = data_set.get("ExtendedOffsetTableLengths")
        extended = (table, lengths) if table else None
        return list(
            generate_frames(data_set.PixelData, number_of_frames=count, extended_offsets=extended)
        )
    bits = data_set.BitsAllocated
    if bits == 1 or data_set.file_meta.TransferSyntaxUID == BIG:
        return None
    samples = (
        2 if data_set.PhotometricInterpretation == "YBR_FULL_422" else data_set.SamplesPerPixel
    )
    size = data_set.Rows * data_set.Columns * samples * bits // 8
    return [data_set.PixelData[at * size : (at + 1) * size] for at in range(count)]


def compare(path: Path) -> None:
    data = path.read_bytes()
    try:
        header = files.read(data)
        theirs = pydicom_frames(path)
    except (DicomError, InvalidDicomError, EOFError, AttributeError, ValueError):
        return
    if theirs is None or not header.frames or missing(unpack(header.frames)):
        return
    assert all_frames(data) == theirs, path.name


@pytest.mark.parametrize("path", bundled_paths(), ids=lambda path: path.name)
def test_frames_of_bundled_files_equal_pydicoms(path: Path) -> None:
    compare(path)


@needs_samples
def test_frames_of_shared_files_equal_pydicoms() -> None:
    for path in shared_paths():
        compare(path)


PICTURES = [b"\xff\xd8\xff" + bytes([n]) * (20 + 2 * n) + b"\xff\xd9" for n in range(5)]


def encapsulated(body: bytes, frames: int, syntax: str = JPEG_BASELINE) -> bytes:
    """An object whose pixel data is these encapsulated bytes."""
    data_set = image(2, 2, frames, b"")
    data_set["PixelData"].is_undefined_length = True
    data_set.PixelData = body
    return part10(data_set, syntax)


def padded(frame: bytes) -> bytes:
    return frame + b"\0" * (len(frame) % 2)


@pytest.mark.parametrize("with_table", [True, False])
@pytest.mark.parametrize("fragments", [1, 3])
def test_frames_of_many_fragments_are_found_with_and_without_offsets(
    with_table: bool, fragments: int
) -> None:
    body = encapsulate(PICTURES, fragments_per_frame=fragments, has_bot=with_table)
    assert all_frames(encapsulated(body, 5)) == [padded(picture) for picture in PICTURES]


def test_an_offset_table_that_is_wrong_is_not_believed() -> None:
    body = bytearray(encapsulate(PICTURES, fragments_per_frame=2, has_bot=True))
    struct.pack_into("<L", body, 8 + 4, 3)
    assert all_frames(encapsulated(bytes(body), 5)) == [padded(picture) for picture in PICTURES]


def test_an_extended_offset_table_is_followed() -> None:
    pixels, table, lengths = encapsulate_extended(PICTURES)
    data_set = image(2, 2, 5, b"")
    data_set["PixelData"].is_undefined_length = True
    data_set.PixelData = pixels
    data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths = table, lengths
    assert all_frames(part10(data_set, JPEG_BASELINE)) == [padded(p) for p in PICTURES]


def test_fragments_that_do_not_show_where_frames_start_are_split_at_the_ends() -> None:
    """Fragments whose first marker is unusual, but which end with an end of image."""
    pictures = [b"\xff\xd8" + bytes([n + 1]) * 6 + b"\xff\xd9" for n in range(3)]
    body = encapsulate(pictures, fragments_per_frame=2, has_bot=False)
    assert all_frames(encapsulated(body, 3)) == pictures


def test_a_single_frame_takes_all_fragments() -> None:
    body = encapsulate([b"\1" * 40], fragments_per_frame=4, has_bot=False)
    assert all_frames(encapsulated(body, 1)) == [b"\1" * 40]


def test_frames_that_are_not_there_are_missing_and_the_others_served() -> None:
    body = encapsulate(PICTURES, has_bot=False)
    data = encapsulated(body, 5)
    cut = data[: data.index(PICTURES[3]) + 4]
    read, index, header = opened(cut)
    assert missing(index) == 2
    assert "the pixel data holds fewer frames than stated" in header.warnings
    assert read_frame(read, index, 3) == padded(PICTURES[2])
    for number in (4, 5):
        with pytest.raises(Undecodable, match="missing"):
            read_frame(read, index, number)


def test_a_lie_about_the_number_of_frames_costs_nothing() -> None:
    data_set = image(4, 4, 2_000_000_000, bytes(16))
    read, index, header = opened(part10(data_set))
    assert len(header.frames) < 100
    assert missing(index) == 1_999_999_999
    assert read_frame(read, index, 1) == bytes(16)
    with pytest.raises(Undecodable):
        read_frame(read, index, 2)


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_frame_outside_the_object_is_refused(number: int) -> None:
    read, index, _ = opened(bundled("CT_small.dcm"))
    with pytest.raises(Undecodable, match="no such frame"):
        read_frame(read, index, number)


@pytest.mark.parametrize("rows", [3, 5, 8])
def test_frames_of_one_bit_start_where_the_last_one_ended(rows: int) -> None:
    """PS3.5 8.1.1: bits are packed without a gap between frames."""
    rng = np.random.default_rng(7)
    frames = rng.integers(0, 2, (4, rows, 5), dtype=np.uint8)
    packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
    data_set = image(rows, 5, 4, packed + b"\0" * (len(packed) % 2), bits=1)
    for frame, got in zip(frames, all_frames(part10(data_set)), strict=True):
        assert got == np.packbits(frame.ravel(), bitorder="little").tobytes()


@pytest.mark.parametrize(("bits", "vr"), [(8, "OB"), (8, "OW"), (16, "OW"), (32, "OW")])
def test_big_endian_frames_come_out_little_endian(bits: int, vr: str) -> None:
    frames = [bytes(range(n, n + 9 * bits // 8)) for n in (0, 50, 100)]
    little = b"".join(frames) + b"\0" * (len(b"".join(frames)) % 2)
    word = 2 if bits == 8 and vr == "OW" else bits // 8
    big = b"".join(little[at : at + word][::-1] for at in range(0, len(little), word))
    data_set = image(3, 3, 3, big, bits)
    data_set["PixelData"].VR = vr
    assert all_frames(part10(data_set, BIG)) == frames


@pytest.mark.parametrize("bits", [0, 12, 24, 4096, 65535])
def test_absurd_pixel_formats_are_kept_all_the_same(bits: int) -> None:
    data_set = image(3, 3, 3, bytes(54), 16)
    data_set.BitsAllocated = bits
    assert files.read(part10(data_set, BIG)).facts.pixels.bits_allocated == bits


def test_frames_of_deflated_objects_lie_in_the_inflated_data_set() -> None:
    data_set = image(3, 4, 2, bytes(range(24)))
    assert all_frames(part10(data_set, DEFLATED)) == [bytes(range(12)), bytes(range(12, 24))]


def test_a_video_is_one_stream() -> None:
    body = encapsulate([b"\1" * 40, b"\2" * 40], has_bot=False)
    read, index, _ = opened(encapsulated(body, 300, MPEG4))
    assert read_frame(read, index, 1) == b"\1" * 40 + b"\2" * 40


def test_no_more_than_the_frame_is_read() -> None:
    data = part10(image(16, 16, 100, bytes(25600)))
    reads: list[tuple[int, int]] = []

    def read(offset: int, length: int) -> bytes:
        reads.append((offset, length))
        return data[offset : offset + length]

    header = files.read(data)
    read_frame(read, unpack(header.frames), 50)
    assert reads == [(header.facts.pixels.offset + 49 * 256, 256)]


def test_an_index_survives_its_column() -> None:
    for index in (
        FrameIndex(3, 1000, 5000, 999, 2),
        FrameIndex(2, 1 << 40, 9000, bounds=(0, 4500, 9000)),
        FrameIndex(5, 0, 0),
    ):
        assert unpack(pack(index)) == index
    with pytest.raises(ValueError, match="frame index"):
        unpack(b"nonsense" * 5)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_objects_without_pixels_have_no_frames(syntax: str) -> None:
    data_set = image(2, 2, 1, b"")
    del data_set.PixelData
    header = files.read(part10(data_set, syntax))
    assert header.frames == b""
    assert header.facts.pixels.frames == 0
    assert header.warnings == ("an image without pixel data",)


def test_the_native_syntax_needs_no_fragments() -> None:
    assert len(all_frames(part10(image(2, 2, 3, bytes(12)), EXPLICIT))) == 3
