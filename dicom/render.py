"""Stored values to a picture of 8 bits: the greyscale and colour pipelines of PS3.3 C.11 and N.2.

Runs in the children of the decode pool, but for pictures that `is_light`.
"""

import math
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from dicom.decode import decode
from dicom.errors import Undecodable
from dicom.frame_types import is_native
from dicom.pictures import JPEG, PNG, Decoded, Frame, Lut, Options, Picture, Window

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

# Integers of up to so many bits go through a table of every stored value.
_TABLE_BITS = 16
# A pixel this much higher than wide, or wider than high, is made square.
_SQUARE = 0.01
_PNG_LEVEL = 1
# Samples that are looked up and encoded within a few milliseconds.
_LIGHT = 2 << 20


def is_light(frame: Frame, options: Options) -> bool:
    """Whether a picture is a look-up for each of few samples: nothing that a child has to contain.

    No decoder, no table that the object brings, no encoder but libjpeg-turbo, no growing.
    """
    plain = is_native(frame.transfer_syntax) and frame.keyword == "PixelData"
    grey = frame.samples == 1 and frame.bits_allocated in (8, 16)
    tables = frame.modality or frame.voi or frame.palette
    width, height = options.viewport or (frame.columns, frame.rows)
    keeps = options.viewport is not None or abs(frame.aspect - 1) <= _SQUARE
    small = max(frame.rows * frame.columns, width * height) <= _LIGHT
    return plain and grey and not tables and keeps and small and options.media_type == JPEG


def render(frame: Frame, options: Options) -> Picture:
    """The picture of one frame. Raises TooLarge and Undecodable."""
    pixels = _fit(shown(frame, options.window), frame.aspect, options)
    return Picture(_encode(pixels, options), options.media_type)


def native(frame: Frame) -> Decoded:
    """The frame as explicit VR little endian would hold it, for clients that decode nothing."""
    array, photometric = decode(frame)
    if frame.bits_allocated == 1:
        return Decoded(np.packbits(array, bitorder="little").tobytes(), photometric)
    if array.dtype.kind == "f":
        return Decoded(array.tobytes(), photometric)
    kind = f"<{'i' if frame.signed else 'u'}{frame.bits_allocated // 8}"
    return Decoded(array.astype(kind, copy=False).tobytes(), photometric)


def shown(frame: Frame, window: Window | None = None) -> Bytes:
    """Rows and columns of grey, or of red, green and blue, as they are to be seen."""
    array, photometric = decode(frame)
    if array.ndim == 3:
        return _eight_bits(array, frame.bits_stored)
    if photometric == "PALETTE COLOR" and frame.palette is not None:
        return _painted(array, frame.palette)
    return _grey(array, frame, window)


def _eight_bits(array: Array, bits: int) -> Bytes:
    return (
        array.astype(np.uint8, copy=False) if bits <= 8 else (array >> (bits - 8)).astype(np.uint8)
    )


def _painted(array: Array, palette: tuple[Lut, Lut, Lut]) -> Bytes:
    """Palette colour (PS3.3 C.7.6.3.1.5): values outside the palette take its ends."""
    first = palette[0].first
    places = np.clip(array.astype(np.int32) - first, 0, palette[0].entries - 1)
    channels = [np.take(_entries8(table), places, mode="clip") for table in palette]
    return np.stack(channels, axis=-1)


def _entries(table: Lut) -> Array:
    """Entries as numbers. Some writers put 8-bit entries into 16-bit words."""
    if len(table.data) >= 2 * table.entries:
        return np.frombuffer(table.data, "<u2")[: table.entries]
    return np.frombuffer(table.data, np.uint8)[: table.entries]


def _entries8(table: Lut) -> Bytes:
    entries = _entries(table)
    if entries.size == 0:
        raise Undecodable("a palette without entries")
    deep = entries.dtype.itemsize == 2 and (table.bits > 8 or int(entries.max()) > 255)
    return (entries >> 8 if deep else entries).astype(np.uint8)


def _grey(array: Array, frame: Frame, asked: Window | None) -> Bytes:
    """Modality, VOI and inversion, by table where the stored values are few enough."""
    if array.dtype.kind == "f" or frame.bits_stored > _TABLE_BITS:
        return _grey_values(array, array, frame, asked)
    low = -(1 << (frame.bits_stored - 1)) if frame.signed else 0
    every = np.arange(low, low + (1 << frame.bits_stored), dtype=np.int32)
    table = _grey_values(every, array, frame, asked)
    if low:
        # Negative stored values are found from the end of the table.
        table = np.roll(table, low)
        array = array.view(f"u{array.dtype.itemsize}") & ((1 << frame.bits_stored) - 1)
    return np.take(table, array)


def _grey_values(values: Array, array: Array, frame: Frame, asked: Window | None) -> Bytes:
    """Grey of stored `values`; `array` are those of the frame, to find a window where none is."""
    modality = _modality(values, frame)
    window = asked or frame.window
    if asked is None and frame.voi is not None and frame.window is None:
        grey = _looked_up(modality, frame.voi)
    elif window is not None:
        grey = _windowed(modality, window)
    else:
        grey = _spread(modality, _modality(_extent(array, frame), frame))
    levels = np.clip(np.rint(grey * 255), 0, 255).astype(np.uint8)
    return 255 - levels if frame.inverse else levels


def _modality(values: Array, frame: Frame) -> npt.NDArray[np.float64]:
    """Modality LUT or rescale (PS3.3 C.11.1)."""
    if frame.modality is not None:
        places = values.astype(np.int64) - frame.modality.first
        entries = _entries(frame.modality)
        return np.take(entries, places, mode="clip").astype(np.float64)
    slope, intercept = frame.rescale
    return values.astype(np.float64) * slope + intercept


def _looked_up(values: npt.NDArray[np.float64], table: Lut) -> npt.NDArray[np.float64]:
    """VOI LUT (PS3.3 C.11.2), its entries as parts of the whole range."""
    entries = _entries(table)
    places = np.rint(values).astype(np.int64) - table.first
    bits = table.bits if 8 <= table.bits <= 16 else entries.dtype.itemsize * 8
    return np.take(entries, places, mode="clip").astype(np.float64) / ((1 << bits) - 1)


def _windowed(values: npt.NDArray[np.float64], window: Window) -> npt.NDArray[np.float64]:
    """Window center and width (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    if window.function == "SIGMOID":
        steepness = np.clip(-4 * (values - window.center) / window.width, -700, 700)
        return 1 / (1 + np.exp(steepness))
    if window.function == "LINEAR_EXACT":
        return np.clip((values - window.center) / window.width + 0.5, 0, 1)
    width = window.width - 1
    if width <= 0:
        return (values > window.center - 0.5).astype(np.float64)
    return np.clip((values - (window.center - 0.5)) / width + 0.5, 0, 1)


def _extent(array: Array, frame: Frame) -> Array:
    """Lowest and highest stored value of the frame, padding and what is no number left out."""
    if array.dtype.kind == "f":
        array = array[np.isfinite(array)]
    elif frame.padding is not None:
        array = array[(array < frame.padding[0]) | (array > frame.padding[1])]
    if array.size == 0:
        return np.zeros(2, array.dtype)
    return np.array([array.min(), array.max()])


def _spread(
    values: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The range between the ends as black to white."""
    low, high = float(ends.min()), float(ends.max())
    if not math.isfinite(high - low) or high == low:
        return (values >= high).astype(np.float64) if high > 0 else np.zeros(values.shape)
    return np.clip(np.nan_to_num(values - low) / (high - low), 0, 1)


def _fit(pixels: Bytes, aspect: float, options: Options) -> Bytes:
    """Region, square pixels and viewport (PS3.18 8.3.5.1.3)."""
    if options.region is not None:
        pixels = _region(pixels, options.region)
    height, width = pixels.shape[:2]
    wanted_width, wanted_height = float(width), float(height)
    if aspect > 1 + _SQUARE:
        wanted_height *= aspect
    elif aspect < 1 - _SQUARE:
        wanted_width /= aspect
    if options.viewport is not None:
        scale = min(options.viewport[0] / wanted_width, options.viewport[1] / wanted_height)
        wanted_width, wanted_height = wanted_width * scale, wanted_height * scale
    size = max(1, round(wanted_width)), max(1, round(wanted_height))
    if size == (width, height):
        return pixels
    return np.asarray(
        Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    )


def _region(pixels: Bytes, region: tuple[float, float, float, float]) -> Bytes:
    """Part of the frame, from where to how far; what is left out is the rest (NaN)."""
    rows, columns = pixels.shape[:2]
    left, width, mirrored = _side(region[0], region[2], columns)
    top, height, upside_down = _side(region[1], region[3], rows)
    part = pixels[top : top + height, left : left + width]
    if part.size == 0:
        raise Undecodable("the region lies outside the frame")
    if mirrored:
        part = part[:, ::-1]
    return np.ascontiguousarray(part[::-1] if upside_down else part)


def _side(start: float, extent: float, whole: int) -> tuple[int, int, bool]:
    """Start and length along one side, and whether a negative length asks to flip."""
    begin = 0 if math.isnan(start) else max(0, math.floor(start))
    if math.isnan(extent):
        return begin, max(0, whole - begin), False
    return begin, max(0, min(whole - begin, round(abs(extent)))), extent < 0


def _encode(pixels: Bytes, options: Options) -> bytes:
    """JPEG by libjpeg-turbo, PNG and WebP by Pillow."""
    if options.media_type == JPEG:
        grey = pixels.ndim == 2
        image = np.ascontiguousarray(pixels[:, :, np.newaxis] if grey else pixels)
        space, sampling = ("GRAY", "Gray") if grey else ("RGB", "444")
        encoded: bytes = simplejpeg.encode_jpeg(image, options.quality, space, sampling)
        return encoded
    out = BytesIO()
    if options.media_type == PNG:
        Image.fromarray(pixels).save(out, "PNG", compress_level=_PNG_LEVEL)
    else:
        Image.fromarray(pixels).save(out, "WEBP", quality=options.quality, method=2)
    return out.getvalue()
