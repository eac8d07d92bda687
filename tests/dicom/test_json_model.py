"""DICOM JSON: pydicom is the oracle, a short table says where and why we differ."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom import files, json_model
from dicom.dataset import Source
from dicom.errors import DicomError
from dicom.part10 import encoding_of, inflate, is_deflated, read_meta, seen_encoding
from dicom.walk import Limits, walk
from tests.support.dicom_objects import BIG, EXPLICIT, identified, part10
from tests.support.dicom_samples import bundled_paths, needs_samples, shared_paths

pytestmark = pytest.mark.filterwarnings("ignore")

PYDICOM_ERRS = frozenset(
    {
        # It gives up on the whole data set.
        "emri_small_jpeg_2k_lossless_too_short.dcm",
        # It takes junk after the pixel data for an element.
        "trailing-garbage.dcm",
    }
)


def written(data: bytes) -> dict[str, Any]:
    """Our JSON of any data set, also of one that lacks an identity."""
    source = Source(memoryview(data), "cp1252", [])
    meta = read_meta(source)
    start = meta.offset
    if is_deflated(meta.transfer_syntax):
        source.view, start = memoryview(inflate(source.view[start:], 1 << 28)[0]), 0
    encoding = seen_encoding(source.view, start) or encoding_of(meta.transfer_syntax)
    model: dict[str, Any] = json.loads(json_model.write(walk(source, start, encoding, Limits()))[0])
    return model


def differences(
    ours: dict[str, Any], theirs: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Attributes that are not the same and that no row of the table defends."""
    for tag in sorted(set(ours) | set(theirs)):
        mine, other = ours.get(tag), theirs.get(tag)
        if mine and other and mine["vr"] == other["vr"] == "SQ":
            yield from item_differences(mine, other, f"{path}{tag}/")
        elif mine != other and not is_defended(tag, mine, other):
            yield path + tag, mine, other


def item_differences(
    mine: dict[str, Any], other: dict[str, Any], path: str
) -> Iterator[tuple[str, Any, Any]]:
    items, others = mine.get("Value", []), other.get("Value", [])
    if len(items) != len(others):
        yield path, len(items), len(others)
    for item, theirs in zip(items, others, strict=False):
        yield from differences(item, theirs, path)


def is_defended(tag: str, mine: Any, other: Any) -> bool:
    """Where we differ on purpose."""
    if mine is None:
        # Group lengths and trailing padding are no part of the model (PS3.18 F.2.2).
        return tag.endswith("0000") or tag == "FFFCFFFC"
    if tag == "00080005":
        # The text is UTF-8 now (CP-2518).
        return bool(mine["vr"] == "CS" and mine.get("Value") in (["ISO_IR 192"], None))
    if other is None or mine["vr"] != other["vr"]:
        return False
    if "BulkDataURI" in mine:
        # pydicom was not asked to take bulk values out.
        return "InlineBinary" in other or "Value" in other
    # Empty values among others are null, on their own they are absent (F.2.5), trailing blanks
    # are padding, and UTF-8 is read as UTF-8 whatever was declared.
    values = [plain(value) for value in other.get("Value", [])]
    values = values if any(value is not None for value in values) else []
    return bool(mine.get("Value", []) == values and "InlineBinary" not in other)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {group: mended(text) for group, text in value.items() if text} or None
    if isinstance(value, str):
        return mended(value.rstrip(" \0")) or None
    return value


def mended(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def compare(path: Path) -> None:
    data = path.read_bytes()
    try:
        theirs = json.loads(json.dumps(pydicom.dcmread(path, force=True).to_json_dict()))
        mine = written(data)
    except (DicomError, ValueError, NotImplementedError, EOFError, AttributeError):
        # Refusals are the business of test_files; here only what both can read counts.
        return
    if path.name not in PYDICOM_ERRS:
        assert list(differences(mine, theirs)) == []


@pytest.mark.parametrize("path", bundled_paths(), ids=lambda path: path.name)
def test_json_of_bundled_files_equals_pydicoms(path: Path) -> None:
    compare(path)


@needs_samples
def test_json_of_shared_files_equals_pydicoms() -> None:
    for path in shared_paths():
        if "bomb" not in path.name:
            compare(path)


def value_of(data_set: Dataset, tag: str, syntax: str = EXPLICIT) -> Any:
    return written(part10(data_set, syntax))[tag]


def test_numbers_json_cannot_hold_become_text() -> None:
    data_set = identified()
    data_set.add_new(0x00189073, "FD", [float("nan"), float("inf"), -float("inf"), 0.5])
    assert value_of(data_set, "00189073") == {
        "vr": "FD",
        "Value": ["NaN", "Infinity", "-Infinity", 0.5],
    }


def with_pixel_spacing(text: bytes) -> bytes:
    """An object whose last element, of VR DS, holds these very bytes."""
    return part10(identified()) + struct.pack("<HH2sH", 0x0028, 0x0030, b"DS", len(text)) + text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.50", 1.5),
        (b"+7", 7),
        (b".5", 0.5),
        (b"5.", 5),
        (b"007", 7),
        (b"-0", 0),
        (b"1e3 ", 1000),
        (b"1e999", "1e999"),
        (b"nan ", "nan"),
        (b"1_0 ", "1_0"),
        (b"1A", "1A"),
        (b"1,5 ", "1,5"),
        (b"99999999999999999999", 1e20),
    ],
)
def test_decimal_strings_are_numbers_where_json_allows(text: bytes, value: object) -> None:
    """PS3.18 F.2.3: DS and IS may be a number or a string."""
    assert written(with_pixel_spacing(text))["00280030"]["Value"] == [value]


def test_decimals_keep_their_spelling() -> None:
    assert '"Value":[1.500,null,2]' in files.read(with_pixel_spacing(b"1.500\\\\2")).json


def test_person_names_are_split_in_groups_and_empty_ones_left_out() -> None:
    """PS3.18 F.2.2."""
    data_set = identified()
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.PatientName = "Yamada^Tarou=山田^太郎"
    data_set.OperatorsName = ["=只", "A"]
    model = written(part10(data_set))
    assert model["00100010"]["Value"] == [
        {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}
    ]
    assert model["00081070"]["Value"] == [{"Ideographic": "只"}, {"Alphabetic": "A"}]


def test_binary_of_big_endian_objects_comes_in_little_endian() -> None:
    data_set = identified()
    data_set.add_new(0x00420011, "OB", b"\1\2\3\4")
    data_set.add_new(0x00660016, "OF", struct.pack(">2f", 1.0, 2.0))
    model = written(part10(data_set, BIG))
    assert model["00420011"]["InlineBinary"] == "AQIDBA=="
    assert model["00660016"]["InlineBinary"] == "AACAPwAAAEA="


def test_long_values_are_left_out_and_placed() -> None:
    data_set = identified()
    item = Dataset()
    item.add_new(0x00420011, "OB", bytes(json_model.INLINE_BINARY + 2))
    data_set.ConceptNameCodeSequence = [Dataset(), item]
    data_set.TextValue = "x" * (json_model.INLINE_TEXT + 2)
    data = part10(data_set)
    header = files.read(data)
    model = json.loads(header.json)
    inner = model["0040A043"]["Value"][1]["00420011"]
    assert inner == {"vr": "OB", "BulkDataURI": "bulkdata/0040A043/2/00420011"}
    assert model["0040A160"] == {"vr": "UT", "BulkDataURI": "bulkdata/0040A160"}
    places = {bulk.path: data[bulk.offset : bulk.offset + bulk.length] for bulk in header.bulk}
    assert places == {
        "0040A043/2/00420011": bytes(json_model.INLINE_BINARY + 2),
        "0040A160": b"x" * (json_model.INLINE_TEXT + 2),
    }


def test_attributes_come_in_ascending_order_even_when_written_otherwise() -> None:
    data = part10(identified())
    tail = struct.pack("<HH2sH", 0x0008, 0x0050, b"SH", 2) + b"A1"
    header = files.read(data + tail)
    assert list(json.loads(header.json)) == sorted(json.loads(header.json))
    assert header.facts.study.accession.value == "A1"
    assert "elements are not in ascending order" in header.warnings


def test_a_subset_takes_the_named_attributes_in_order() -> None:
    text = files.read(part10(identified())).json
    assert list(json_model.subset(text, {"00100020", "00080060", "00081030"})) == [
        "00080060",
        "00100020",
    ]


def test_tags_are_found_by_keyword_or_number() -> None:
    assert json_model.tag_of("PatientID") == "00100020"
    assert json_model.tag_of("0020000d") == "0020000D"
    assert json_model.tag_of("NoSuchThing") is None
    assert json_model.keyword_of("0020000D") == "StudyInstanceUID"


def test_attribute_objects_leave_absent_values_out() -> None:
    assert json_model.attribute("CS", ["CT", "", None]) == {"vr": "CS", "Value": ["CT"]}
    assert json_model.attribute("LO") == {"vr": "LO"}
