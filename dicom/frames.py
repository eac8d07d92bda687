"""Where each frame lies: an index made at ingest, and the bytes of one frame read by it.

Native frames are arithmetic. Encapsulated ones follow the offset tables (PS3.5 A.4), or, where
those are missing or wrong, the starts and ends of the codestreams. Offsets count from the start
of the blob; for deflated objects from the start of the inflated data set.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dicom import tags
from dicom.dataset import DataSet, Fragment
from dicom.errors import Undecodable
from dicom.facts import Pixels

ReadRange = Callable[[int, int], bytes]

_MAGIC = b"TF1"
_HEAD = struct.Struct("<3sBQQQQ")
_ITEM_HEADER = 8
_MOST_BITS = 1 << 62
_RLE = "1.2.840.10008.1.2.5"
_VIDEO = "1.2.840.10008.1.2.4.10"
# How a codestream starts: JPEG and JPEG-LS, JPEG 2000, its file format, JPEG XL and its own.
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\xff\x0a", b"\0\0\0\x0cJXL ")
_END = b"\xff\xd9"
_SUBSAMPLED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Places of the frames. Native ones have `frame_bits`; encapsulated ones have `bounds`.

    `bounds` are offsets from `base`: frame n runs from bounds[n-1] to bounds[n], item headers
    included; frames beyond the last bound, or of no length, are missing. `word` is the width in
    bytes of the words a big endian object writes the other way round, else 1.
    """

    count: int
    base: int
    length: int
    frame_bits: int = 0
    word: int = 1
    bounds: tuple[int, ...] = ()


def pack(index: FrameIndex) -> bytes:
    """The index as bytes for a column: 36 of them, and 8 more per encapsulated frame."""
    head = _HEAD.pack(_MAGIC, index.word, index.count, index.base, index.length, index.frame_bits)
    return head + struct.pack(f"<{len(index.bounds)}Q", *index.bounds)


def unpack(packed: bytes) -> FrameIndex:
    """The index that `pack` wrote."""
    magic, word, count, base, length, frame_bits = _HEAD.unpack_from(packed)
    if magic != _MAGIC:
        raise ValueError("not a frame index")
    bounds = struct.unpack_from(f"<{(len(packed) - _HEAD.size) // 8}Q", packed, _HEAD.size)
    return FrameIndex(count, base, length, frame_bits, word, bounds)


def missing(index: FrameIndex) -> int:
    """How many of the stated frames are not there."""
    if index.frame_bits:
        return index.count - min(index.count, index.length * 8 // index.frame_bits)
    return index.count - sum(after > before for before, after in pairwise(index.bounds))


def read_frame(read_range: ReadRange, index: FrameIndex, number: int) -> bytes:
    """Frame `number` (from 1): its codestream, or its native bytes in little endian order."""
    if not 1 <= number <= index.count:
        raise Undecodable("no such frame", expected=f"1 to {index.count}")
    if index.frame_bits:
        return _read_native(read_range, index, number)
    if number >= len(index.bounds):
        raise Undecodable("the frame is missing", where=f"frame {number}")
    start, stop = index.bounds[number - 1], index.bounds[number]
    if start >= stop:
        raise Undecodable("the frame is missing", where=f"frame {number}")
    return _join(read_range(index.base + start, stop - start))


def _join(run: bytes) -> bytes:
    """Fragments without their item headers."""
    parts, at = [], 0
    while at + _ITEM_HEADER <= len(run):
        length = int.from_bytes(run[at + 4 : at + 8], "little")
        at += _ITEM_HEADER
        parts.append(run[at : at + length])
        at += length
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_native(read_range: ReadRange, index: FrameIndex, number: int) -> bytes:
    """A native frame; those of one bit per pixel may start within a byte (PS3.5 8.1.1)."""
    first = (number - 1) * index.frame_bits
    stop = -(-(first + index.frame_bits) // 8)
    if stop > index.length:
        raise Undecodable("the frame is missing", where=f"frame {number}")
    start = first // 8
    aligned = start - start % index.word
    end = min(stop + -stop % index.word, index.length)
    raw = swap(read_range(index.base + aligned, end - aligned), index.word)
    raw = raw[start - aligned : stop - aligned]
    shift = first % 8
    if not shift and not index.frame_bits % 8:
        return raw
    bits = int.from_bytes(raw, "little") >> shift & (1 << index.frame_bits) - 1
    return bits.to_bytes(-(-index.frame_bits // 8), "little")


def swap(raw: bytes, word: int) -> bytes:
    """Bytes with each word turned round, an incomplete last word left as it is."""
    if word == 1:
        return raw
    usable = len(raw) - len(raw) % word
    swapped = bytearray(raw)
    for at in range(word):
        swapped[at:usable:word] = raw[word - 1 - at : usable : word]
    return bytes(swapped)


def native(pixels: Pixels, vr: str, big: bool) -> FrameIndex | None:
    """Index of uncompressed frames, None where the attributes describe no image."""
    samples = 2 if pixels.photometric in _SUBSAMPLED and pixels.samples == 3 else pixels.samples
    frame_bits = pixels.rows * pixels.columns * samples * pixels.bits_allocated
    if not 0 < frame_bits < _MOST_BITS:
        return None
    word = 1
    if big and pixels.bits_allocated in (16, 32, 64):
        word = pixels.bits_allocated // 8
    elif big and vr == "OW":
        word = 2
    return FrameIndex(pixels.frames, pixels.offset, pixels.length, frame_bits, word)


def encapsulated(
    data_set: DataSet, fragments: list[Fragment], frames: int, syntax: str
) -> FrameIndex:
    """Index of compressed frames. The first fragment is the Basic Offset Table."""
    rest = fragments[1:]
    if not rest:
        return FrameIndex(frames, 0, 0)
    heads = [fragment.offset - _ITEM_HEADER for fragment in rest]
    base, end = heads[0], rest[-1].offset + rest[-1].length
    first = _first_fragments(data_set, fragments, frames, syntax)
    bounds = [heads[at] - base for at in first[:frames]]
    if bounds:
        bounds.append((heads[first[frames]] if len(first) > frames else end) - base)
    return FrameIndex(frames, base, end - base, bounds=tuple(bounds))


def _first_fragments(
    data_set: DataSet, fragments: list[Fragment], frames: int, syntax: str
) -> Sequence[int]:
    """Position of the first fragment of each frame."""
    rest = fragments[1:]
    if frames == 1 or syntax.startswith(_VIDEO):
        return [0]
    found = _by_table(data_set.raw(tags.ExtendedOffsetTable), "Q", rest, frames)
    found = found or _by_table(_basic_offsets(data_set, fragments[0]), "L", rest, frames)
    if found:
        return found
    if len(rest) == frames or syntax == _RLE:
        return range(len(rest))
    found = _by_codestream(data_set, rest, frames)
    if len(found) != frames:
        data_set.source.warn("the fragments of the pixel data do not match the number of frames")
    return found


def _basic_offsets(data_set: DataSet, table: Fragment) -> bytes:
    return data_set.source.view[table.offset : table.offset + table.length].tobytes()


def _by_table(table: bytes, width: str, rest: list[Fragment], frames: int) -> list[int]:
    """Frames by an offset table, none if it is not about these fragments."""
    size = struct.calcsize("<" + width)
    if len(table) != frames * size:
        return []
    base = rest[0].offset
    places = {fragment.offset - base: at for at, fragment in enumerate(rest)}
    offsets = struct.unpack(f"<{frames}{width}", table)
    found = [places.get(offset, -1) for offset in offsets]
    ascending = all(a < b for a, b in pairwise(found))
    return found if found[0] == 0 and ascending else []


def _by_codestream(data_set: DataSet, rest: list[Fragment], frames: int) -> list[int]:
    """Frames by how their fragments start, else by how the one before ends."""
    view = data_set.source.view
    starts = [
        at
        for at, (offset, _) in enumerate(rest)
        if view[offset : offset + 12].tobytes().startswith(_STARTS)
    ]
    if len(starts) == frames:
        return starts
    after_end = [0] + [
        at
        for at, (offset, length) in enumerate(rest[:-1], 1)
        if _END in view[max(offset, offset + length - 10) : offset + length].tobytes()
    ]
    return after_end if len(after_end) == frames else starts
