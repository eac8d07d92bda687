"""Decoding: stored values equal pydicom's, pictures are dcmtk's, and what cannot be is refused."""

import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from dicom import files
from dicom.decode import decode
from dicom.errors import DicomError, TooLarge, Undecodable
from dicom.pictures import Frame, Window
from dicom.render import native, shown
from tests.support.dicom_frames import frame_of
from tests.support.dicom_objects import image, part10
from tests.support.dicom_samples import (
    SAMPLES,
    bundled,
    bundled_paths,
    needs_samples,
    shared_paths,
)

pytestmark = pytest.mark.filterwarnings("ignore")

Array = npt.NDArray[Any]
# The fixture holds a broken codestream; no decoder reads it.
BROKEN = frozenset({"JPEG2000-embedded-sequence-delimiter.dcm"})


def pydicom_values(path: Path, frames: int) -> Array | None:
    """The first frame by pydicom, None where it cannot decode (retired and 12-bit JPEG)."""
    try:
        values: Array = pydicom.dcmread(path).pixel_array
    except (AttributeError, NotImplementedError, RuntimeError, ValueError):
        return None
    return values[0] if frames > 1 else values


def compare(path: Path) -> bool:
    """Whether both decode the file, and then alike."""
    data = path.read_bytes()
    try:
        header = files.read(data)
        frame = frame_of(data)
    except (DicomError, struct.error):
        return False
    ours, _ = decode(frame)
    theirs = pydicom_values(path, header.facts.pixels.frames)
    if theirs is None:
        return False
    assert ours.shape == theirs.shape
    # Colour of lossy JPEG is computed in floats by one and in integers by the other.
    most = 1 if frame.photometric.startswith("YBR") else 0
    assert np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max() <= most
    return True


@pytest.mark.parametrize("path", bundled_paths(), ids=lambda path: path.name)
def test_bundled_frames_are_decoded_as_by_pydicom(path: Path) -> None:
    if path.name not in BROKEN:
        compare(path)


@needs_samples
def test_shared_frames_are_decoded_as_by_pydicom() -> None:
    paths = [path for path in shared_paths() if path.name not in BROKEN]
    known = [path for path in paths if path.name != "unknown-transfer-syntax.dcm"]
    assert sum(compare(path) for path in known) > 250


def dcmtk_picture(data: bytes, tmp_path: Path, *arguments: str) -> Array:
    """The picture that dcmtk makes of the first frame; JPEG-LS has a tool of its own."""
    path, out = tmp_path / "in.dcm", tmp_path / "out.pnm"
    path.write_bytes(data)
    for name in ("dcmj2pnm", "dcml2pnm"):
        tool = Path("/usr/bin", name)
        if not tool.exists():
            pytest.skip(f"{tool} is missing: run `make peers`")
        command = [str(tool), "-q", *arguments, "--write-raw-pnm", str(path), str(out)]
        if subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0:
            return np.asarray(Image.open(out))
    pytest.fail("dcmtk cannot render the file")


def differs_from_dcmtk(data: bytes, tmp_path: Path) -> int:
    """The largest difference in grey levels, overlays left off."""
    frame = frame_of(data)
    ours = shown(frame).astype(int)
    arguments = ["+Wi", "1"] if frame.window else ["+Wl", "1"] if frame.voi else ["+Wm"]
    theirs = dcmtk_picture(data, tmp_path, "-O", *arguments[: 2 * (ours.ndim == 2)]).astype(int)
    assert ours.shape == theirs.shape
    return int(np.abs(ours - theirs).max())


@pytest.mark.peers
@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_RLE.dcm",
        "JPGExtended.dcm",
        "JPEG-lossy.dcm",
        "image_dfl.dcm",
        "examples_palette.dcm",
        "SC_rgb_small_odd.dcm",
        "rtdose.dcm",
        "liver_1frame.dcm",
    ],
)
def test_bundled_pictures_are_within_a_grey_level_of_dcmtks(name: str, tmp_path: Path) -> None:
    assert differs_from_dcmtk(bundled(name), tmp_path) <= 1


# What dcmtk 3.6.7 does not show, and why. JPEG 2000 and HTJ2K it cannot decode: they are compared
# with pydicom's decoder above.
DCMTK_HAS_NO = ("1.2.840.10008.1.2.4.9", "1.2.840.10008.1.2.4.20")
DCMTK_CANNOT = {
    "declared-explicit-is-implicit.dcm": "it believes the declared syntax",
    "trailing-garbage.dcm": "it reads what follows the data set as an element",
    "explicit_VR-UN.dcm": "it does not look into attributes of unknown kind",
    "parametric_map_float.dcm": "it knows no pixels but those of whole numbers",
    "mf.dcm": "it looks for no window in functional groups",
    "gdcm-US-ALOKA-16_big.dcm": "it finds its segmented palette empty",
    "rtdose_expb.dcm": "it swaps pairs of bytes in pixels of four: compared with its twin below",
}


@needs_samples
@pytest.mark.peers
def test_every_shared_picture_is_within_a_grey_level_of_dcmtks(tmp_path: Path) -> None:
    """The first frame of each file that can be decoded, but for those that dcmtk cannot show."""
    found: dict[str, int] = {}
    for path in shared_paths():
        data = path.read_bytes()
        if path.name in DCMTK_CANNOT or path.name in BROKEN or not shows(data):
            continue
        if not files.read(data).facts.transfer_syntax.startswith(DCMTK_HAS_NO):
            found[str(path)] = differs_from_dcmtk(data, tmp_path)
    assert {name: most for name, most in found.items() if most > 1} == {}
    assert len(found) > 240


def shows(data: bytes) -> bool:
    """Whether we make a picture of it."""
    try:
        return shown(frame_of(data)).size > 0
    except (DicomError, struct.error):
        return False


def test_a_dose_is_the_same_picture_in_either_order_of_bytes() -> None:
    little, big = (shown(frame_of(bundled(f"rtdose{kind}.dcm"))) for kind in ("", "_expb"))
    assert little.max() > 200
    assert (little == big).all()


@needs_samples
def test_one_image_in_fifteen_syntaxes_looks_the_same() -> None:
    folder = Path(SAMPLES, "dicom/transfer-syntax/ct-mister-20-syntaxes")
    window = Window(40, 400)
    first = shown(
        frame_of((folder / "ct-LittleEndianExplicit-1.2.840.10008.1.2.1.dcm").read_bytes()), window
    )
    lossy = ("JPEGProcess1-", "JPEGProcess2", "JPEGProcess6", "JPEGProcess10", "JPEG2000-", "Lossy")
    for path in sorted(folder.iterdir()):
        difference = np.abs(shown(frame_of(path.read_bytes()), window).astype(int) - first)
        if any(part in path.name for part in lossy):
            assert difference.mean() < 8, path.name
        else:
            assert difference.max() == 0, path.name


# ---------------------------------------------------------------- what is refused


def changed(change: Callable[[Dataset], None]) -> Frame:
    data_set = image(4, 4, 1, bytes(16))
    change(data_set)
    return frame_of(part10(data_set))


def test_impossible_pixel_formats_are_refused() -> None:
    frame = changed(lambda data_set: None)
    for broken in (
        replace(frame, rows=0),
        replace(frame, samples=2),
        replace(frame, bits_allocated=24),
        replace(frame, data=b"\0"),
    ):
        with pytest.raises(Undecodable):
            shown(broken)


def test_a_frame_beyond_any_camera_is_refused_before_it_is_decoded() -> None:
    frame = replace(changed(lambda data_set: None), rows=65535, columns=65535)
    with pytest.raises(TooLarge):
        shown(frame)


def test_a_codestream_of_another_size_is_refused() -> None:
    frame = frame_of(bundled("JPGExtended.dcm"))
    assert shown(frame).shape == (1024, 256)
    with pytest.raises(Undecodable, match="another size"):
        shown(replace(frame, rows=256))
    sof = frame.data.index(b"\xff\xc1")
    bomb = frame.data[: sof + 5] + b"\xff\xff\xff\xff" + frame.data[sof + 9 :]
    with pytest.raises(TooLarge):
        shown(replace(frame, data=bomb))


def test_damaged_codestreams_are_refused() -> None:
    for name in (
        "MR_small_RLE.dcm",
        "JPEG2000.dcm",
        "JPEG-lossy.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ):
        frame = frame_of(bundled(name))
        for data in (b"", b"\xff\xd8", frame.data[:100]):
            with pytest.raises((Undecodable, TooLarge)):
                decode(replace(frame, data=data))


def test_video_is_not_decoded() -> None:
    data_set = image(4, 4, 1, b"")
    data_set["PixelData"].is_undefined_length = True
    data_set.PixelData = encapsulate([b"\0\0\1\xb3" * 4])
    with pytest.raises(Undecodable, match="video"):
        decode(frame_of(part10(data_set, "1.2.840.10008.1.2.4.102")))


def test_an_object_without_an_image_has_no_frame_to_show() -> None:
    with pytest.raises((Undecodable, struct.error)):
        frame_of(bundled("test-SR.dcm"))


def test_native_bytes_of_a_compressed_frame_equal_those_of_the_original() -> None:
    original = native(frame_of(bundled("MR_small.dcm")))
    for name in ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"):
        assert native(frame_of(bundled(name))) == original
    assert original.photometric == "MONOCHROME2"
