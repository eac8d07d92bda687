"""One frame's bytes to numbers. Whatever takes a decoder runs in the children of the decode pool.

imagecodecs and simplejpeg do the work; where they fail, pydicom's decoders have a try.
"""

import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import simplejpeg
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dicom.codestream import Size, size_of
from dicom.errors import TooLarge, Undecodable
from dicom.pictures import Frame

Array = npt.NDArray[Any]

# 100 million samples: a whole-slide or mammography frame is far below, a bomb far above.
MOST_SAMPLES = 100_000_000

_NATIVE = frozenset(
    {
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.1.98",
    }
)
_JPEG = "1.2.840.10008.1.2.4."
_RLE = "1.2.840.10008.1.2.5"
_DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
_VIDEO = "1.2.840.10008.1.2.4.10"
_FULL_TO_RGB = np.array(
    [[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]], dtype=np.float32
)


def decode(frame: Frame) -> tuple[Array, str]:
    """Stored values by row and column (and sample), and what they are: their photometric.

    Colour other than palettes comes out as RGB. Raises TooLarge and Undecodable.
    """
    _check(frame)
    if frame.transfer_syntax in _NATIVE:
        return _coloured(_native(frame, frame.data), frame)
    size = size_of(frame.data)
    if size is not None:
        _check_size(frame, size)
    array, is_rgb = _compressed(frame, size)
    if array.shape[:2] != (frame.rows, frame.columns):
        raise Undecodable("the frame has another size than stated")
    array = _settled(array, frame)
    return (array, "RGB") if is_rgb else _coloured(array, frame)


def _check(frame: Frame) -> None:
    """Refuse what is impossible or too large before anything is allocated."""
    if not (frame.rows and frame.columns):
        raise Undecodable("a frame without rows or columns")
    if frame.samples not in (1, 3, 4) or frame.bits_allocated not in (1, 8, 16, 32, 64):
        raise Undecodable("a pixel format that is not supported")
    if frame.rows * frame.columns * frame.samples > MOST_SAMPLES:
        raise TooLarge("the frame has too many pixels", expected=f"at most {MOST_SAMPLES}")


def _check_size(frame: Frame, size: Size) -> None:
    if size.rows * size.columns * size.samples > MOST_SAMPLES:
        raise TooLarge("the codestream has too many pixels", expected=f"at most {MOST_SAMPLES}")
    if (size.rows, size.columns) != (frame.rows, frame.columns):
        raise Undecodable("the codestream has another size than the frame")
    if size.samples != frame.samples:
        raise Undecodable("the codestream has another number of samples than the frame")


def _native(frame: Frame, data: bytes) -> Array:
    """Native bytes (PS3.5 8.1) as stored values."""
    shape = (frame.rows, frame.columns)
    if frame.keyword != "PixelData":
        kind = "<f4" if frame.keyword == "FloatPixelData" else "<f8"
        return _cut(np.frombuffer(data, kind), shape)
    if frame.bits_allocated == 1:
        return _cut(np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little"), shape)
    values = np.frombuffer(data, f"<u{frame.bits_allocated // 8}")
    if frame.samples == 1:
        return _settled(_cut(values, shape), frame)
    if frame.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        return _settled(_widened(values, shape), frame)
    if frame.planar:
        planes = _cut(values, (frame.samples, *shape))
        return _settled(planes.transpose(1, 2, 0), frame)
    return _settled(_cut(values, (*shape, frame.samples)), frame)


def _cut(values: Array, shape: tuple[int, ...]) -> Array:
    """Values in their shape, padding left off."""
    count = int(np.prod(shape))
    if values.size < count:
        raise Undecodable("the frame is shorter than its attributes say")
    return values[:count].reshape(shape)


def _widened(values: Array, shape: tuple[int, int]) -> Array:
    """Y1 Y2 Cb Cr for two pixels as Y Cb Cr for each (PS3.3 C.7.6.3.1.2)."""
    rows, columns = shape
    pairs = _cut(values, (rows * columns // 2, 4))
    wide = np.empty((pairs.shape[0], 2, 3), values.dtype)
    wide[:, :, 0] = pairs[:, :2]
    wide[:, :, 1:] = pairs[:, np.newaxis, 2:]
    return _cut(wide.reshape(-1), (rows, columns, 3))


def _settled(array: Array, frame: Frame) -> Array:
    """Only the stored bits, and negative numbers where the frame has them (PS3.5 8.1.1)."""
    if array.dtype.kind == "f" or frame.bits_stored == 1:
        return array
    width = array.dtype.itemsize * 8
    unsigned = array.view(f"u{width // 8}")
    shift = frame.high_bit + 1 - frame.bits_stored
    if frame.transfer_syntax in _NATIVE and 0 < shift < width:
        unsigned = unsigned >> shift
    spare = width - min(frame.bits_stored, width)
    if frame.signed:
        return (unsigned << spare).view(f"i{width // 8}") >> spare
    return (unsigned << spare) >> spare if spare else unsigned


def _coloured(array: Array, frame: Frame) -> tuple[Array, str]:
    """YBR as RGB (PS3.3 C.7.6.3.1.2); all else as it is."""
    if array.ndim == 2:
        return array, frame.photometric
    if not frame.photometric.startswith("YBR_FULL") or array.shape[2] != 3:
        return array[:, :, :3], "RGB"
    most = float(2**frame.bits_stored - 1)
    values = array.astype(np.float32)
    values[:, :, 1:] -= (most + 1) / 2
    rgb = np.clip(np.rint(values @ _FULL_TO_RGB.T), 0, most)
    return rgb.astype(array.dtype), "RGB"


def _compressed(frame: Frame, size: Size | None) -> tuple[Array, bool]:
    """Decoded values, and whether colour has become RGB on the way."""
    if frame.transfer_syntax.startswith(_VIDEO):
        raise Undecodable("video is not decoded")
    try:
        return _by_imagecodecs(frame, size)
    except MemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, zlib.error, Undecodable) as first:
        return _by_pydicom(frame, first)


def _by_imagecodecs(frame: Frame, size: Size | None) -> tuple[Array, bool]:
    syntax = frame.transfer_syntax
    if syntax == _RLE:
        return _rle(frame), False
    if syntax == _DEFLATED_FRAME:
        most = frame.rows * frame.columns * frame.samples * 8
        return _native(frame, zlib.decompressobj(-15).decompress(frame.data, most)), False
    decoder = _DECODERS.get(syntax.removeprefix(_JPEG))
    if decoder is None:
        raise Undecodable("no decoder for the transfer syntax")
    array, is_rgb = decoder(frame, size)
    return np.ascontiguousarray(array), is_rgb


def _rle(frame: Frame) -> Array:
    """RLE Lossless: one PackBits segment for each byte of each sample (PS3.5 annex G)."""
    count = int.from_bytes(frame.data[:4], "little")
    width = frame.bits_allocated // 8
    if count != frame.samples * width:
        raise Undecodable("RLE segments do not match the pixel format")
    ends = [int.from_bytes(frame.data[at : at + 4], "little") for at in range(4, 4 + 4 * count, 4)]
    ends.append(len(frame.data))
    pixels = frame.rows * frame.columns
    planes = np.empty((frame.samples, width, pixels), np.uint8)
    for number in range(count):
        segment = frame.data[ends[number] : ends[number + 1]]
        plane = np.frombuffer(imagecodecs.packbits_decode(segment), np.uint8)
        # Segments hold the most significant byte first.
        planes[number // width, width - 1 - number % width] = _cut(plane, (pixels,))
    values = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(f"<u{width}")
    shape = (frame.rows, frame.columns)
    return values.reshape(shape if frame.samples == 1 else (*shape, frame.samples))


def _jpeg(frame: Frame, size: Size | None) -> tuple[Array, bool]:
    """Lossy JPEG of 8 or 12 bits."""
    if size is not None and size.bits == 8 and frame.samples == 1:
        grey = simplejpeg.decode_jpeg(frame.data, "GRAY", strict=False)
        return grey[:, :, 0], False
    if frame.samples == 1:
        return imagecodecs.jpeg8_decode(frame.data), False
    is_rgb = size.rgb if size is not None and size.rgb is not None else frame.photometric == "RGB"
    if size is not None and size.bits == 8 and not is_rgb:
        return simplejpeg.decode_jpeg(frame.data, "RGB", strict=False), True
    space = "RGB" if is_rgb else "YCBCR"
    return imagecodecs.jpeg8_decode(frame.data, colorspace=space, outcolorspace="RGB"), True


def _lossless_jpeg(frame: Frame, size: Size | None) -> tuple[Array, bool]:
    if frame.samples == 1:
        return imagecodecs.ljpeg_decode(frame.data), False
    return imagecodecs.jpegsof3_decode(frame.data), False


def _jpeg_ls(frame: Frame, size: Size | None) -> tuple[Array, bool]:
    return imagecodecs.jpegls_decode(frame.data), False


def _jpeg_2000(frame: Frame, size: Size | None) -> tuple[Array, bool]:
    """JPEG 2000: its own colour transforms (ICT, RCT) are undone by the decoder."""
    return imagecodecs.jpeg2k_decode(frame.data), frame.photometric in ("YBR_ICT", "YBR_RCT")


def _high_throughput(frame: Frame, size: Size | None) -> tuple[Array, bool]:
    return imagecodecs.htj2k_decode(frame.data), frame.photometric in ("YBR_ICT", "YBR_RCT")


def _jpeg_xl(frame: Frame, size: Size | None) -> tuple[Array, bool]:
    return imagecodecs.jpegxl_decode(frame.data), True


_Decoder = Callable[[Frame, Size | None], tuple[Array, bool]]
# By what follows 1.2.840.10008.1.2.4. in the transfer syntax.
_DECODERS: dict[str, _Decoder] = {
    **dict.fromkeys(("50", "51", "53", "55"), _jpeg),
    **dict.fromkeys(("57", "70"), _lossless_jpeg),
    **dict.fromkeys(("80", "81"), _jpeg_ls),
    **dict.fromkeys(("90", "91", "92", "93"), _jpeg_2000),
    **dict.fromkeys(("201", "202", "203"), _high_throughput),
    **dict.fromkeys(("110", "111", "112"), _jpeg_xl),
}


def can_decode(transfer_syntax: str) -> bool:
    """Whether frames of a transfer syntax can be had decoded, and so as pictures."""
    plain = {*_NATIVE, _RLE, _DEFLATED_FRAME}
    return transfer_syntax in plain or transfer_syntax.removeprefix(_JPEG) in _DECODERS


def _by_pydicom(frame: Frame, first: Exception) -> tuple[Array, bool]:
    """pydicom's plugins in their own order."""
    options: Any = {
        "transfer_syntax_uid": UID(frame.transfer_syntax),
        "rows": frame.rows,
        "columns": frame.columns,
        "samples_per_pixel": frame.samples,
        "number_of_frames": 1,
        "photometric_interpretation": frame.photometric,
        "pixel_representation": int(frame.signed),
        "planar_configuration": int(frame.planar),
        "bits_allocated": frame.bits_allocated,
        "bits_stored": frame.bits_stored,
        "pixel_keyword": frame.keyword,
    }
    try:
        decoder = get_decoder(options["transfer_syntax_uid"])
        array, shown = decoder.as_array(encapsulate([frame.data]), raw=True, index=0, **options)
    except (NotImplementedError, RuntimeError, ValueError, TypeError, AttributeError):
        raise Undecodable("the frame cannot be decoded") from first
    return np.ascontiguousarray(array), shown["photometric_interpretation"] == "RGB"
