"""What one frame needs to be shown, what may be asked of its picture, and the picture."""

import math
import re
from dataclasses import dataclass

from dicom.errors import Malformed, TooLarge

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
MEDIA_TYPES = (JPEG, PNG, WEBP)

_MOST_VIEWPORT = 8192
_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_NUMBER = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(?:[eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """VOI window (PS3.3 C.11.2.1.2): function is LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True, slots=True)
class Lut:
    """A look-up table (PS3.3 C.11.1, C.7.6.3.1.5): its entries from stored value `first` on.

    `data` is little endian, one byte an entry if it is as long as `entries`, else two.
    """

    entries: int
    first: int
    bits: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One stored frame with the attributes that decoding and showing it take.

    `data` is a codestream, or native bytes in little endian order as `read_frame` gives them.
    `aspect` is how high a pixel is against its width.
    """

    data: bytes
    transfer_syntax: str
    keyword: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool
    photometric: str
    rescale: tuple[float, float] = (1.0, 0.0)
    modality: Lut | None = None
    window: Window | None = None
    voi: Lut | None = None
    palette: tuple[Lut, Lut, Lut] | None = None
    inverse: bool = False
    padding: tuple[int, int] | None = None
    aspect: float = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a picture is to be made (PS3.18 8.3.5.1).

    `viewport` is the box in pixels that it must fill as far as its shape allows; `region` is the
    part of the frame to show: left, top, width, height, negative to flip it.
    """

    media_type: str = JPEG
    window: Window | None = None
    viewport: tuple[int, int] | None = None
    region: tuple[float, float, float, float] | None = None
    quality: int = 90


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture of 8 bits a sample."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame without compression: explicit VR little endian, samples of a pixel side by side."""

    data: bytes
    photometric: str


THUMBNAIL = Options(viewport=(128, 128), quality=80)


def options_of(
    media_type: str = JPEG, window: str = "", viewport: str = "", quality: str = ""
) -> Options:
    """Options by the query parameters of a rendered request (PS3.18 8.3.5.1). Raises Malformed."""
    box, region = _viewport(viewport) if viewport else (None, None)
    return Options(
        media_type,
        _window(window) if window else None,
        box,
        region,
        _quality(quality) if quality else 90,
    )


def _window(text: str) -> Window:
    """window=center,width,function (PS3.18 8.3.5.1.4)."""
    parts = text.split(",")
    function = _FUNCTIONS.get(parts[2].lower()) if len(parts) == 3 else "LINEAR"
    if len(parts) not in (2, 3) or function is None:
        raise Malformed("a window that cannot be read", expected="center,width,function")
    center, width = _number(parts[0]), _number(parts[1])
    if width <= 0 or (function == "LINEAR" and width < 1):
        raise Malformed("a window without width", expected="a width of 1 or more")
    return Window(center, width, function)


def _viewport(text: str) -> tuple[tuple[int, int], tuple[float, float, float, float] | None]:
    """viewport=vw,vh or viewport=vw,vh,sx,sy,sw,sh (PS3.18 8.3.5.1.3)."""
    parts = [_number(part) if part else math.nan for part in text.split(",")]
    if len(parts) not in (2, 6) or math.isnan(parts[0]) or math.isnan(parts[1]):
        raise Malformed("a viewport that cannot be read", expected="vw,vh or vw,vh,sx,sy,sw,sh")
    width, height = int(parts[0]), int(parts[1])
    if width < 1 or height < 1:
        raise Malformed("a viewport without area", expected="a width and height of 1 or more")
    if max(width, height) > _MOST_VIEWPORT:
        raise TooLarge("the viewport is too large", expected=f"at most {_MOST_VIEWPORT}")
    if len(parts) == 2:
        return (width, height), None
    return (width, height), (parts[2], parts[3], parts[4], parts[5])


def _quality(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII) or not 1 <= int(text) <= 100:
        raise Malformed("a quality that cannot be read", expected="1 to 100")
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()):
        raise Malformed("a number that cannot be read", expected="a decimal number")
    return float(text)
