"""Pictures: each rule of the greyscale and colour pipelines, and what may be asked for."""

import struct
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dicom.errors import Malformed, TooLarge, Undecodable
from dicom.pictures import JPEG, PNG, THUMBNAIL, WEBP, Frame, Options, Window, options_of
from dicom.render import native, render, shown
from tests.support.dicom_frames import frame_of
from tests.support.dicom_objects import BIG, EXPLICIT, IMPLICIT, image, part10
from tests.support.dicom_samples import bundled

pytestmark = pytest.mark.filterwarnings("ignore")

# ---------------------------------------------------------------- greyscale rules


def grey(values: list[int], bits: int = 16, **attributes: object) -> Frame:
    """A frame of one row with these stored values."""
    row = np.array(values, dtype=f"<{'i' if min(values) < 0 else 'u'}{bits // 8}")
    data_set = image(1, len(values), 1, row.tobytes() + b"\0" * (row.nbytes % 2), bits)
    data_set.PixelRepresentation = int(min(values) < 0)
    for keyword, value in attributes.items():
        setattr(data_set, keyword, value)
    return frame_of(part10(data_set))


def levels(frame: Frame, window: Window | None = None) -> list[int]:
    return [int(level) for level in shown(frame, window)[0]]


def test_the_linear_window_is_that_of_the_standard() -> None:
    """PS3.3 C.11.2.1.2.1, example of note 4: c=2048, w=4096 takes 0..4095 to 0..255."""
    frame = grey([0, 2047, 2048, 4095], WindowCenter="2048", WindowWidth="4096")
    assert levels(frame) == [0, 127, 128, 255]
    assert levels(grey([0, 1, 2], WindowCenter="1", WindowWidth="1")) == [0, 255, 255]
    assert levels(grey([0, 100, 200]), Window(100, 1)) == [0, 255, 255]


def test_exact_and_sigmoid_windows_are_those_of_the_standard() -> None:
    """PS3.3 C.11.2.1.3."""
    frame = grey([0, 50, 100, 150, 200])
    assert levels(frame, Window(100, 200, "LINEAR_EXACT")) == [0, 64, 128, 191, 255]
    sigmoid = levels(frame, Window(100, 200, "SIGMOID"))
    assert sigmoid == [round(255 / (1 + np.exp(-4 * (x - 100) / 200))) for x in range(0, 201, 50)]


def test_windows_apply_to_rescaled_values() -> None:
    frame = grey(
        [0, 1000, 2000],
        RescaleSlope="2",
        RescaleIntercept="-1000",
        WindowCenter="1000.5",
        WindowWidth="4001",
    )
    assert levels(frame) == [0, 128, 255]


def test_without_a_window_the_range_of_the_frame_is_shown() -> None:
    assert levels(grey([100, 150, 200])) == [0, 128, 255]
    assert levels(grey([-50, 0, 50])) == [0, 128, 255]
    assert levels(grey([7, 7])) == [255, 255]
    assert levels(grey([0, 0])) == [0, 0]


def test_padding_does_not_count_for_the_range() -> None:
    frame = grey([0, 100, 150, 200], PixelPaddingValue=0)
    assert levels(frame) == [0, 0, 128, 255]
    ranged = grey([0, 5, 100, 200], PixelPaddingValue=0, PixelPaddingRangeLimit=10)
    assert levels(ranged) == [0, 0, 0, 255]


def test_monochrome1_is_shown_inverted() -> None:
    frame = grey([0, 100, 200], PhotometricInterpretation="MONOCHROME1")
    assert levels(frame) == [255, 127, 0]


def test_only_stored_bits_count() -> None:
    frame = grey([0xF000, 0xF800, 0xFFFF], BitsStored=12, HighBit=11)
    assert levels(frame) == [0, 128, 255]
    high = grey([0x000F, 0x800F, 0xFFF0], BitsStored=12, HighBit=15)
    assert levels(high) == [0, 128, 255]


def table(first: int, bits: int, entries: list[int]) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries), first, bits])
    item.add_new(0x00283006, "OW", struct.pack(f"<{len(entries)}H", *entries))
    return item


def test_modality_and_voi_tables_are_looked_up() -> None:
    """PS3.3 C.11.1, C.11.2: outside a table its ends hold."""
    voi = grey([9, 10, 11, 12, 13], VOILUTSequence=[table(10, 8, [10, 20, 255])])
    assert levels(voi) == [10, 10, 20, 255, 255]
    modality = grey([0, 1, 2], ModalityLUTSequence=[table(0, 16, [500, 750, 1000])])
    assert levels(modality) == [0, 128, 255]
    assert levels(voi, Window(11, 3)) == [0, 64, 191, 255, 255]


def test_frames_bring_their_own_window_and_rescale() -> None:
    def groups(center: float, slope: float) -> Dataset:
        voi, transformation, item = Dataset(), Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 201
        transformation.RescaleSlope, transformation.RescaleIntercept = slope, 0
        item.FrameVOILUTSequence = [voi]
        item.PixelValueTransformationSequence = [transformation]
        return item

    data_set = image(1, 3, 2, struct.pack("<6H", 0, 50, 100, 0, 50, 100), 16)
    data_set.PerFrameFunctionalGroupsSequence = [groups(100.5, 2), groups(50.5, 0.5)]
    data = part10(data_set)
    assert levels(frame_of(data, 1)) == [0, 128, 255]
    assert frame_of(data, 2).window == Window(50.5, 201)
    assert frame_of(data, 2).rescale == (0.5, 0.0)


def test_deep_and_float_pixels_are_shown() -> None:
    values = np.array([0, 1 << 30, (1 << 31) - 1], "<u4")
    assert levels(frame_of(part10(image(1, 3, 1, values.tobytes(), 32)))) == [0, 128, 255]
    for keyword, kind, tag in (("FloatPixelData", "<f4", 8), ("DoubleFloatPixelData", "<f8", 9)):
        data_set = image(1, 4, 1, b"", 32 if kind == "<f4" else 64)
        del data_set.PixelData
        vr = "OF" if kind == "<f4" else "OD"
        data_set.add_new(0x7FE00000 + tag, vr, np.array([-1, 0, 1, np.nan], kind).tobytes())
        frame = frame_of(part10(data_set))
        assert frame.keyword == keyword
        assert levels(frame)[:3] == [0, 128, 255]


def test_one_bit_frames_are_black_and_white() -> None:
    data_set = image(
        2, 5, 2, np.packbits([0, 1, 1, 0, 1] * 4, bitorder="little").tobytes() + b"\0", 1
    )
    for number in (1, 2):
        frame = frame_of(part10(data_set), number)
        assert levels(frame) == [0, 255, 255, 0, 255]
        assert native(frame).data == np.packbits([0, 1, 1, 0, 1] * 2, bitorder="little").tobytes()


# ---------------------------------------------------------------- colour rules


def colour(pixels: bytes, photometric: str, columns: int = 2, planar: int = 0) -> Frame:
    data_set = image(1, columns, 1, pixels + b"\0" * (len(pixels) % 2))
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 3, photometric
    data_set.PlanarConfiguration = planar
    return frame_of(part10(data_set))


def test_planes_are_joined() -> None:
    assert shown(colour(b"\1\2\3\4\5\6", "RGB", planar=1)).tolist() == [[[1, 3, 5], [2, 4, 6]]]
    assert shown(colour(b"\1\2\3\4\5\6", "RGB")).tolist() == [[[1, 2, 3], [4, 5, 6]]]


@pytest.mark.parametrize(
    ("ybr", "rgb"),
    [((76, 85, 255), (254, 0, 0)), ((150, 44, 21), (0, 255, 1)), ((128, 128, 128), (128,) * 3)],
)
def test_ybr_is_shown_as_rgb(ybr: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    """PS3.3 C.7.6.3.1.2."""
    assert shown(colour(bytes(ybr) * 2, "YBR_FULL")).tolist() == [[list(rgb)] * 2]
    subsampled = bytes((ybr[0], ybr[0], ybr[1], ybr[2]))
    assert shown(colour(subsampled, "YBR_FULL_422")).tolist() == [[list(rgb)] * 2]


def palette(entries: list[int], bits: int, first: int = 0, words: bool = True) -> Dataset:
    data_set = image(1, 4, 1, bytes([first, first + 1, first + 2, 255]))
    data_set.PhotometricInterpretation = "PALETTE COLOR"
    packed = struct.pack(f"<{len(entries)}{'H' if words else 'B'}", *entries)
    for colour_tag in (1, 2, 3):
        data_set.add_new(0x00281100 + colour_tag, "US", [len(entries), first, bits])
        data_set.add_new(0x00281200 + colour_tag, "OW", packed)
    return data_set


@pytest.mark.parametrize(
    ("entries", "bits", "words"),
    [
        ([0, 0x8000, 0xFF00, 0x4000], 16, True),
        ([0, 128, 255, 64], 8, True),
        ([0, 128, 255, 64], 8, False),
    ],
)
def test_palettes_are_applied_whatever_their_depth(
    entries: list[int], bits: int, words: bool
) -> None:
    """PS3.3 C.7.6.3.1.5: values beyond the palette take its last entry."""
    picture = shown(frame_of(part10(palette(entries, bits, 5, words))))
    assert picture[0, :, 0].tolist() == [0, 128, 255, 64]
    assert (picture == picture[:, :, :1]).all()


def test_segmented_palettes_are_unfolded() -> None:
    """PS3.3 C.7.9.2: a discrete segment of one entry, then a linear one."""
    data_set = palette([0] * 5, 16)
    segments = struct.pack("<6H", 0, 1, 0x0000, 1, 4, 0x8000)
    for colour_tag in (1, 2, 3):
        del data_set[0x00281200 + colour_tag]
        data_set.add_new(0x00281220 + colour_tag, "OW", segments)
    picture = shown(frame_of(part10(data_set)))
    assert picture[0, :, 0].tolist() == [0, 0x20, 0x40, 0x80]


def test_long_palettes_are_read_although_the_json_leaves_them_out() -> None:
    ramp = list(range(0, 65536, 16))
    data_set = palette(ramp, 16)
    data_set.PixelData = bytes([0, 100, 200, 255])
    picture = shown(frame_of(part10(data_set, IMPLICIT)))
    assert picture[0, :, 0].tolist() == [0, 6, 12, 15]


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_sixteen_bit_colour_is_shown_by_its_high_bits(syntax: str) -> None:
    data_set = image(
        1, 1, 1, struct.pack(">3H" if syntax == BIG else "<3H", 0x1234, 0x8000, 0xFFFF), 16
    )
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 3, "RGB"
    data_set.PlanarConfiguration = 0
    assert shown(frame_of(part10(data_set, syntax))).tolist() == [[[0x12, 0x80, 0xFF]]]


# ---------------------------------------------------------------- what is asked for


def opened(frame: Frame, options: Options) -> Image.Image:
    picture = render(frame, options)
    assert picture.media_type == options.media_type
    return Image.open(BytesIO(picture.data))


@pytest.mark.parametrize(
    ("media_type", "kind", "most"), [(JPEG, "JPEG", 8), (PNG, "PNG", 0), (WEBP, "WEBP", 12)]
)
def test_pictures_come_in_the_type_asked_for(media_type: str, kind: str, most: int) -> None:
    frame = frame_of(bundled("CT_small.dcm"))
    picture = opened(frame, Options(media_type))
    assert picture.format == kind
    got = np.asarray(picture.convert("L")).astype(int)
    assert np.abs(got - shown(frame)).mean() <= most


def test_a_viewport_is_filled_and_the_shape_kept() -> None:
    """PS3.18 8.3.5.1.3."""
    frame = frame_of(part10(image(100, 200, 1, bytes(20_000))))
    assert opened(frame, Options(viewport=(50, 50))).size == (50, 25)
    assert opened(frame, Options(viewport=(400, 1000))).size == (400, 200)
    assert opened(frame, THUMBNAIL).size == (128, 64)


def test_a_region_is_cut_out_and_flipped_by_negative_lengths() -> None:
    pixels = bytes(range(1, 13))
    frame = frame_of(part10(image(3, 4, 1, pixels)))
    frame = replace(frame, window=Window(128, 256))
    cut = np.asarray(opened(frame, Options(PNG, region=(1, 1, 2, 2))))
    assert cut.tolist() == [[6, 7], [10, 11]]
    flipped = np.asarray(opened(frame, Options(PNG, region=(1, 1, -2, -2))))
    assert flipped.tolist() == [[11, 10], [7, 6]]
    nan = float("nan")
    rest = np.asarray(opened(frame, Options(PNG, region=(2, nan, nan, 1))))
    assert rest.tolist() == [[3, 4]]
    with pytest.raises(Undecodable):
        render(frame, Options(region=(9, 9, 1, 1)))


def test_pixels_that_are_not_square_are_made_so() -> None:
    data_set = image(10, 10, 1, bytes(100))
    data_set.PixelAspectRatio = [2, 1]
    assert opened(frame_of(part10(data_set)), Options()).size == (10, 20)
    del data_set.PixelAspectRatio
    data_set.PixelSpacing = [0.5, 1]
    assert opened(frame_of(part10(data_set)), Options()).size == (20, 10)


def test_a_window_can_be_asked_for() -> None:
    frame = grey([0, 100, 200])
    picture = opened(frame, options_of(PNG, window="100,200,linear-exact"))
    assert np.asarray(picture).tolist() == [[0, 128, 255]]


def test_query_parameters_are_read() -> None:
    """PS3.18 8.3.5.1."""
    options = options_of(PNG, "40.5,400,sigmoid", "512,256,0,,-20,30", "75")
    assert options.window == Window(40.5, 400, "SIGMOID")
    assert options.viewport == (512, 256)
    assert options.region is not None
    assert options.region[2:] == (-20, 30)
    assert options.quality == 75
    assert options_of() == Options()


@pytest.mark.parametrize(
    ("window", "viewport", "quality"),
    [
        ("40", "", ""),
        ("a,b", "", ""),
        ("40,0", "", ""),
        ("40,0.5,linear", "", ""),
        ("40,400,cubic", "", ""),
        ("nan,400", "", ""),
        ("40,400,linear,1", "", ""),
        ("", "0,10", ""),
        ("", "10", ""),
        ("", "10,10,1", ""),
        ("", ",10", ""),
        ("", "", "0"),
        ("", "", "101"),
        ("", "", "best"),
    ],
)
def test_query_parameters_that_make_no_sense_are_refused(
    window: str, viewport: str, quality: str
) -> None:
    with pytest.raises(Malformed):
        options_of(JPEG, window, viewport, quality)


def test_a_viewport_has_a_limit() -> None:
    with pytest.raises(TooLarge):
        options_of(viewport="9000,10")
