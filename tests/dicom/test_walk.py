"""The tag walk: whatever pydicom writes is read, and no bytes at all bring it down."""

import json
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom import files
from dicom.errors import DicomError, TooLarge, Unreadable
from dicom.walk import Limits
from tests.support.dicom_objects import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    SYNTAXES,
    identified,
    part10,
)
from tests.support.dicom_samples import bundled

pytestmark = pytest.mark.filterwarnings("ignore")

# The same examples in every run: a red test must not turn green by itself.
tried = settings(deadline=None, derandomize=True, database=None)

WORDS = st.text(st.characters(codec="latin-1", exclude_characters="\\^=\x1b", min_codepoint=32))
VALUES = {
    "PatientComments": WORDS.map(lambda text: text[:40].rstrip()),
    "SeriesDescription": WORDS.map(lambda text: text[:20].strip()),
    "OperatorsName": st.lists(WORDS.map(lambda text: "N" + text[:12].strip()), max_size=3),
    "ImageType": st.lists(st.sampled_from(["ORIGINAL", "PRIMARY", "AXIAL"]), max_size=4),
    "InstanceNumber": st.integers(-(2**31), 2**31 - 1),
    "PixelSpacing": st.lists(st.integers(0, 10**6), min_size=2, max_size=2),
    "Rows": st.integers(0, 65535),
    "ReferencePixelX0": st.integers(-(2**31), 2**31 - 1),
    "ExaminedBodyThickness": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "DopplerCorrectionAngle": st.floats(allow_nan=False, allow_infinity=False),
    "FrameIncrementPointer": st.integers(0, 0xFFFFFFFF),
    "EncapsulatedDocument": st.binary(max_size=15).map(lambda raw: raw * 2),
    "SelectorSVValue": st.integers(-(2**63), 2**63 - 1),
}


def filled(elements: dict[str, Any], items: list[Dataset], undefined: bool) -> Dataset:
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in elements.items():
        setattr(data_set, keyword, value)
    if items:
        data_set.ContentSequence = items
        data_set["ContentSequence"].is_undefined_length = undefined
        for item in items:
            item.is_undefined_length_sequence_item = undefined
    block = data_set.private_block(0x0099, "TRIPTYCH TEST", create=True)
    block.add_new(0x01, "LO", "private")
    return data_set


LEAVES = st.builds(filled, st.fixed_dictionaries({}, optional=VALUES), st.just([]), st.booleans())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        filled,
        st.fixed_dictionaries({}, optional=VALUES),
        st.lists(inner, max_size=3),
        st.booleans(),
    ),
    max_leaves=8,
)


def as_sent(model: Any) -> Any:
    """pydicom's model with empty values as PS3.18 F.2.5 wants them."""
    if isinstance(model, list):
        return [as_sent(part) for part in model]
    if not isinstance(model, dict):
        return model or None if isinstance(model, str) else model
    if "Value" in model and "vr" in model:
        values = as_sent(model["Value"])
        empty = all(value is None for value in values)
        return {"vr": model["vr"]} if empty else {"vr": model["vr"], "Value": values}
    if "vr" in model:
        return model
    return {key: as_sent(value) for key, value in model.items() if value != ""} or None


@settings(tried, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(tree=TREES, syntax=st.sampled_from(SYNTAXES))
def test_what_pydicom_writes_is_read_the_same_in_every_encoding(tree: Dataset, syntax: str) -> None:
    tree.update(identified())
    header = files.read(part10(tree, syntax))
    want = as_sent(json.loads(json.dumps(tree.to_json_dict())))
    got = json.loads(header.json)
    if syntax == IMPLICIT:
        # What no dictionary knows loses its VR (PS3.5 6.2.2).
        want, got = without_private(want), without_private(got)
    assert got == want
    assert "the data set is not encoded as its transfer syntax says" not in header.warnings


def without_private(model: Any) -> Any:
    if isinstance(model, list):
        return [without_private(part) for part in model]
    if not isinstance(model, dict):
        return model
    return {k: without_private(v) for k, v in model.items() if not k.startswith("0099")}


def nested(undefined: bool) -> bytes:
    """A small object with every shape of element."""
    inner = filled({"InstanceNumber": 5, "PatientComments": "inner"}, [], undefined)
    outer = filled({"Rows": 3, "ImageType": ["A", "B"]}, [inner, inner], undefined)
    tree = filled({"EncapsulatedDocument": b"123456"}, [outer], undefined)
    tree.update(identified())
    return part10(tree)


def must_not_crash(data: bytes) -> None:
    try:
        header = files.read(data)
    except DicomError:
        return
    json.loads(header.json)


@pytest.mark.parametrize("undefined", [True, False])
def test_an_object_cut_anywhere_is_read_or_refused(undefined: bool) -> None:
    whole = nested(undefined)
    for end in range(len(whole)):
        must_not_crash(whole[:end])


@pytest.mark.parametrize("undefined", [True, False])
def test_a_data_set_cut_inside_a_sequence_is_refused(undefined: bool) -> None:
    whole = nested(undefined)
    start = whole.index(b"inner")
    for end in range(start, start + 40):
        with pytest.raises(Unreadable):
            files.read(whole[:end])


@settings(tried, max_examples=400)
@given(
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=6),
    undefined=st.booleans(),
)
def test_damaged_bytes_are_read_or_refused(changes: list[tuple[int, int]], undefined: bool) -> None:
    damaged = bytearray(nested(undefined))
    for place, value in changes:
        damaged[132 + place % (len(damaged) - 132)] = value
    must_not_crash(bytes(damaged))


@settings(tried, max_examples=200)
@given(junk=st.binary(max_size=300), syntax=st.sampled_from(SYNTAXES))
def test_junk_behind_a_file_meta_is_read_or_refused(junk: bytes, syntax: str) -> None:
    must_not_crash(files.file_meta("1.2", "1.3", syntax, "AE") + junk)


@settings(tried, max_examples=100)
@given(place=st.integers(0, 3000), value=st.integers(0, 255))
def test_a_damaged_compressed_image_is_read_or_refused(place: int, value: int) -> None:
    damaged = bytearray(bundled("SC_rgb_rle_2frame.dcm"))
    damaged[place % len(damaged)] = value
    must_not_crash(bytes(damaged))


def sequences(depth: int) -> bytes:
    """Sequences within sequences behind an identity."""
    opening = struct.pack(
        "<HH2sHLHHL", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closing = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return part10(identified()) + opening * depth + closing * depth


def test_nesting_has_a_limit_before_the_stack_does() -> None:
    assert files.read(sequences(64)).facts.uid == "1.2.3.1"
    for depth in (65, 5000):
        with pytest.raises(Unreadable, match="nested deeper"):
            files.read(sequences(depth))


def elements(count: int, step: int) -> bytes:
    """So many empty private elements, all with one tag when `step` is 0."""
    return b"".join(
        struct.pack(
            "<HH2sH", 0x0041 + 2 * (n // 0xF000 * step), 0x1000 + n % 0xE000 * step, b"LO", 0
        )
        for n in range(count)
    )


@pytest.mark.parametrize("step", [0, 1])
def test_elements_have_a_limit_whether_or_not_they_repeat(step: int) -> None:
    data = part10(identified()) + elements(3000, step)
    assert files.read(data).facts.uid == "1.2.3.1"
    with pytest.raises(TooLarge):
        files.read(data, limits=Limits(elements=1000))


def test_a_deflate_bomb_is_refused_before_it_grows() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = part10(identified(), DEFLATED)
    start = files.read(head).dataset_offset
    blank = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 256 << 20)
    body = zlib.decompressobj(-15).decompress(head[start:]) + blank
    packed = bomb.compress(body) + b"".join(bomb.compress(bytes(1 << 20)) for _ in range(256))
    tracemalloc.start()
    with pytest.raises(TooLarge):
        files.read(head[:start] + packed + bomb.flush())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_deflated_data_set_may_not_pass_the_limit() -> None:
    data_set = identified()
    data_set.add_new(0x00420011, "OB", bytes(range(256)) * 100)
    with pytest.raises(TooLarge):
        files.read(part10(data_set, DEFLATED), limits=Limits(inflated=20_000))


def item(value: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
IMPLICIT_ELEMENT = struct.pack("<HHL", 0x0008, 0x0104, 4) + b"HEAD"


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_unknown_vr_of_undefined_length_holds_implicit_little_endian_items(syntax: str) -> None:
    """PS3.5 6.2.2 note 4."""
    order = ">" if syntax == BIG else "<"
    opening = struct.pack(order + "HH2sHL", 0x0041, 0x1001, b"UN", 0, 0xFFFFFFFF)
    data = part10(identified(), syntax) + opening + item(IMPLICIT_ELEMENT) + SEQUENCE_END
    header = files.read(data)
    assert json.loads(header.json)["00411001"] == {
        "vr": "SQ",
        "Value": [{"00080104": {"vr": "LO", "Value": ["HEAD"]}}],
    }
    assert header.warnings == ()


def test_unknown_vr_is_mended_where_the_dictionary_knows_better() -> None:
    """PS3.5 6.2.2 note 5: a relay that did not know the element wrote UN."""
    value = item(IMPLICIT_ELEMENT)
    data = part10(identified())
    data += struct.pack("<HH2sHL", 0x0040, 0xA043, b"UN", 0, len(value)) + value
    data += struct.pack("<HH2sHL", 0x0040, 0xA123, b"UN", 0, 4) + b"A^B "
    model = json.loads(files.read(data).json)
    assert model["0040A043"]["vr"] == "SQ"
    assert model["0040A123"] == {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}


def test_implicit_items_inside_an_explicit_data_set_are_read() -> None:
    value = item(IMPLICIT_ELEMENT)
    data = part10(identified())
    data += struct.pack("<HH2sHL", 0x0040, 0xA043, b"SQ", 0, len(value)) + value
    model = json.loads(files.read(data).json)
    assert model["0040A043"]["Value"] == [{"00080104": {"vr": "LO", "Value": ["HEAD"]}}]


def test_an_item_without_its_delimiter_ends_with_its_sequence() -> None:
    opening = struct.pack("<HH2sHL", 0x0040, 0xA043, b"SQ", 0, 0xFFFFFFFF)
    open_item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    element = struct.pack("<HH2sH", 0x0008, 0x0104, b"LO", 4) + b"HEAD"
    header = files.read(part10(identified()) + opening + open_item + element + SEQUENCE_END)
    assert json.loads(header.json)["0040A043"]["Value"][0]["00080104"]["Value"] == ["HEAD"]
    assert "a sequence item lacks its delimiter" in header.warnings


def test_character_sets_are_inherited_by_items_that_declare_none() -> None:
    """PS3.3 C.12.1.1.2."""
    tree = identified()
    tree.SpecificCharacterSet = "ISO_IR 101"
    heir, own = Dataset(), Dataset()
    heir.CodeMeaning = "Dvořák"
    own.SpecificCharacterSet = "ISO_IR 144"
    own.CodeMeaning = "Москва"
    tree.ProcedureCodeSequence = [heir, own]
    facts = files.read(part10(tree)).facts
    assert [code.meaning for code in facts.study.procedures] == ["Dvořák", "Москва"]


def test_pixel_data_cut_short_is_kept_with_a_warning() -> None:
    data = bundled("CT_small.dcm")
    header = files.read(data[:-5000])
    assert "the pixel data is cut short" in header.warnings
    assert header.facts.pixels.length < 32768


def test_any_other_value_cut_short_is_refused() -> None:
    with pytest.raises(Unreadable):
        files.read(part10(identified()) + struct.pack("<HH2sH", 0x0041, 0x1001, b"LO", 10) + b"12")


def test_padding_after_the_data_set_is_no_harm() -> None:
    for padding in (bytes(3), bytes(512)):
        assert files.read(part10(identified()) + padding).warnings == ("zeros after the data set",)
    with pytest.raises(Unreadable):
        files.read(part10(identified()) + b"\x01\x02\x03")
