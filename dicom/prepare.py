"""A frame made ready for the decode pool, from the DICOM JSON kept beside its object."""

import json
import math
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from dicom.errors import Undecodable
from dicom.facts import InstanceFacts
from dicom.pictures import Frame, Lut, Window

Model = dict[str, Any]
# Bytes of a bulk value, in little endian order, by its path in `Header.bulk`.
ReadBulk = Callable[[str], bytes]

_PALETTE = (
    ("00281101", "00281201", "00281221"),
    ("00281102", "00281202", "00281222"),
    ("00281103", "00281203", "00281223"),
)
_SPACINGS = ("00280030", "00181164", "00182010")


def prepare(
    model: str | Model, facts: InstanceFacts, data: bytes, number: int, read_bulk: ReadBulk
) -> Frame:
    """Frame `number` (from 1) whose bytes are `data`. `model` may be parsed already.

    Raises Undecodable where the object describes no image.
    """
    whole: Model = json.loads(model) if isinstance(model, str) else model
    pixels = facts.pixels
    if not pixels.keyword or not pixels.bits_allocated:
        raise Undecodable("the object has no image")
    groups = _groups(whole, number)
    bits_stored = _integer(whole, "00280101") or pixels.bits_allocated
    return Frame(
        data=data,
        transfer_syntax=facts.transfer_syntax,
        keyword=pixels.keyword,
        rows=pixels.rows,
        columns=pixels.columns,
        samples=pixels.samples,
        bits_allocated=pixels.bits_allocated,
        bits_stored=min(bits_stored, pixels.bits_allocated),
        high_bit=_integer(whole, "00280102") or bits_stored - 1,
        signed=_integer(whole, "00280103") == 1,
        planar=_integer(whole, "00280006") == 1,
        photometric=pixels.photometric,
        rescale=_rescale(groups),
        modality=_table_of(whole, "00283000", read_bulk),
        window=_window(groups),
        voi=_table_of(whole, "00283010", read_bulk),
        palette=_palette(whole, read_bulk) if pixels.photometric == "PALETTE COLOR" else None,
        inverse=pixels.photometric == "MONOCHROME1",
        padding=_padding(whole),
        aspect=_aspect(groups),
    )


def _groups(whole: Model, number: int) -> list[Model]:
    """Where display attributes may stand: those of the frame, shared ones, the top."""
    found = []
    per_frame = whole.get("52009230", {}).get("Value", [])
    shared = whole.get("52009229", {}).get("Value", [])
    for group in per_frame[number - 1 : number] + shared[:1]:
        for attribute in (group or {}).values():
            found += [item for item in attribute.get("Value", [])[:1] if isinstance(item, dict)]
    return [*found, whole]


def _values(model: Model, tag: str) -> list[Any]:
    values: list[Any] = model.get(tag, {}).get("Value", [])
    return values


def _numbers(model: Model, tag: str) -> list[float]:
    """The numbers of an attribute, none if one of them is not a finite number."""
    try:
        numbers = [float(value) for value in _values(model, tag)]
    except (TypeError, ValueError, OverflowError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _integer(model: Model, tag: str) -> int:
    numbers = _numbers(model, tag)
    return int(numbers[0]) if numbers else 0


def _rescale(groups: list[Model]) -> tuple[float, float]:
    """Rescale Slope and Intercept (PS3.3 C.11.1.1, C.7.6.16.2.9)."""
    for group in groups:
        slope, intercept = _numbers(group, "00281053"), _numbers(group, "00281052")
        if slope or intercept:
            return (slope[0] if slope else 1.0) or 1.0, intercept[0] if intercept else 0.0
    return 1.0, 0.0


def _window(groups: list[Model]) -> Window | None:
    """The first window (PS3.3 C.11.2, C.7.6.16.2.10)."""
    for group in groups:
        center, width = _numbers(group, "00281050"), _numbers(group, "00281051")
        if center and width and width[0] > 0:
            function = _values(group, "00281056")
            return Window(center[0], width[0], str(function[0]) if function else "LINEAR")
    return None


def _table_of(whole: Model, sequence: str, read_bulk: ReadBulk) -> Lut | None:
    """The first item of a Modality or VOI LUT Sequence (PS3.3 C.11.1, C.11.2)."""
    items = _values(whole, sequence)
    if not items or not items[0]:
        return None
    return _table(items[0], "00283002", "00283006", f"{sequence}/1/", read_bulk)


def _table(
    model: Model, descriptor: str, data_tag: str, prefix: str, read_bulk: ReadBulk
) -> Lut | None:
    numbers = _numbers(model, descriptor)
    data = _data(model.get(data_tag, {}), prefix + data_tag, read_bulk)
    if len(numbers) != 3 or not data:
        return None
    # The number of entries is unsigned even where the descriptor is signed; 0 stands for 65536.
    entries = (int(numbers[0]) & 0xFFFF) or 65536
    return Lut(entries, int(numbers[1]), int(numbers[2]), data)


def _data(attribute: Model, path: str, read_bulk: ReadBulk) -> bytes:
    """LUT data, whether OW, US or left out of the JSON."""
    if "InlineBinary" in attribute:
        return b64decode(attribute["InlineBinary"])
    if "BulkDataURI" in attribute:
        return read_bulk(path)
    values = attribute.get("Value", [])
    return b"".join((int(value) & 0xFFFF).to_bytes(2, "little") for value in values)


def _palette(whole: Model, read_bulk: ReadBulk) -> tuple[Lut, Lut, Lut] | None:
    """Red, green and blue palette (PS3.3 C.7.6.3.1.5), segmented ones written out (C.7.9.2)."""
    tables = []
    for descriptor, plain, segmented in _PALETTE:
        table = _table(whole, descriptor, plain, "", read_bulk)
        if table is None:
            table = _table(whole, descriptor, segmented, "", read_bulk)
            table = table and _unfold(table)
        if table is None:
            return None
        tables.append(table)
    return tables[0], tables[1], tables[2]


def _unfold(table: Lut) -> Lut:
    """A segmented palette as a plain one (PS3.3 C.7.9.2)."""
    width = 2 if table.bits > 8 else 1
    usable = len(table.data) - len(table.data) % width
    words = [
        int.from_bytes(table.data[at : at + width], "little") for at in range(0, usable, width)
    ]
    values = _segments(words, table.entries)
    data = b"".join(value.to_bytes(width, "little") for value in values[: table.entries])
    return Lut(table.entries, table.first, table.bits, data)


def _segments(words: list[int], most: int) -> list[int]:
    """Discrete and linear segments one after the other; an indirect one ends the table."""
    values: list[int] = []
    at = 0
    while at + 2 <= len(words) and len(values) < most:
        kind, count = words[at], words[at + 1]
        at += 2
        if kind == 0:
            values += words[at : at + count]
            at += count
        elif kind == 1 and at < len(words) and count:
            start, stop = (values[-1] if values else 0), words[at]
            step = (stop - start) / count
            values += [round(start + step * place) for place in range(1, min(count, most) + 1)]
            at += 1
        else:
            break
    return values


def _padding(whole: Model) -> tuple[int, int] | None:
    """Stored values that are no pixels (PS3.3 C.7.5.1.1.2), lowest and highest."""
    value, limit = _values(whole, "00280120"), _numbers(whole, "00280121")
    if not value or not isinstance(value[0], int):
        return None
    other = int(limit[0]) if limit else value[0]
    return min(value[0], other), max(value[0], other)


def _aspect(groups: list[Model]) -> float:
    """Height of a pixel against its width, 1 where nothing sensible is said."""
    for group in groups:
        for tag in ("00280034", *_SPACINGS):
            numbers = _numbers(group, tag)
            if len(numbers) == 2 and min(numbers) > 0:
                aspect = numbers[0] / numbers[1]
                return aspect if 0.1 <= aspect <= 10 else 1.0
    return 1.0
