"""Reading one stored object: everything the server keeps beside its bytes, in one pass.

    header = files.read(buffer, transfer_syntax=None)

`buffer` is the whole object as it lies in the blob store (bytes, or better an mmap): a Part 10
file, or what C-STORE sent behind our own `file_meta`. Nothing of the buffer is referred to
afterwards.
"""

from dataclasses import dataclass, replace
from mmap import mmap

from pydicom._uid_dict import UID_dictionary

from dicom import frames, json_model, tags
from dicom.checks import note_findings, refuse_directory, require_identity
from dicom.codestream import size_of
from dicom.dataset import DOUBLE_PIXEL_DATA, FLOAT_PIXEL_DATA, PIXEL_DATA, DataSet, Fragment, Source
from dicom.errors import Mismatch, Unreadable
from dicom.facts import InstanceFacts, Pixels
from dicom.facts_read import read_facts
from dicom.json_model import Bulk
from dicom.part10 import (
    FileMeta,
    encoding_of,
    file_meta,
    inflate,
    is_deflated,
    is_plausible_start,
    read_meta,
    seen_encoding,
    syntax_of,
)
from dicom.vr import settled_vr
from dicom.walk import Encoding, Limits, walk

__all__ = ["Bulk", "Header", "Limits", "file_meta", "inflated", "read"]

_UNCOMPRESSED = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
# Application segments come before the frame header of a JPEG codestream.
_CODESTREAM_HEAD = 4096
_PIXELS = {
    PIXEL_DATA: "PixelData",
    FLOAT_PIXEL_DATA: "FloatPixelData",
    DOUBLE_PIXEL_DATA: "DoubleFloatPixelData",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What one object says of itself.

    `dataset_offset` is where the data set starts: from there on the bytes must come back as they
    are. `json` is DICOM JSON (PS3.18 F) with relative BulkDataURIs, explained in `json_model`;
    `bulk` places those values. `frames` is a packed frame index, b"" without frames. Where
    `deflated` is true, offsets in `bulk`, `frames` and `facts.pixels` count in the inflated data
    set that `inflated` returns. `preamble_clean` is false for a preamble that is neither zero
    nor TIFF and must be zeroed in copies for people.
    """

    facts: InstanceFacts
    dataset_offset: int
    json: str
    bulk: tuple[Bulk, ...]
    frames: bytes
    deflated: bool
    preamble_clean: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the object, in sentences without patient data."""
        return self.facts.warnings


def read(
    buffer: bytes | bytearray | memoryview | mmap,
    *,
    transfer_syntax: str | None = None,
    charset: str = "cp1252",
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> Header:
    """Read one object. Raises Unreadable, Incomplete, MediaDirectory, Mismatch or TooLarge.

    `transfer_syntax` is what the sender announced beside the bytes, if anything; `charset` is
    the Python name of what the sender writes where it declares no character set.
    """
    with memoryview(buffer) as view, view.cast("B") as octets:
        source = Source(octets, charset, [])
        try:
            return _read(source, transfer_syntax, limits)
        finally:
            source.view = memoryview(b"")


def _read(source: Source, announced: str | None, limits: Limits) -> Header:
    meta = read_meta(source)
    refuse_directory(meta)
    syntax = _transfer_syntax(source, meta, announced)
    start = meta.offset
    deflated = is_deflated(syntax)
    if deflated:
        with source.view[start:] as packed:  # released even if it raises: the buffer may be a map
            data, whole = inflate(packed, limits.inflated)
        source.view, start = memoryview(data), 0
        if not whole:
            source.warn("the deflated data set is cut short")
    encoding, syntax = _encoding(source, start, syntax)
    data_set = walk(source, start, encoding, limits)
    refuse_directory(meta, data_set)
    require_identity(data_set)
    pixels, index = _pixels(data_set, syntax)
    facts = read_facts(data_set, syntax, pixels)
    note_findings(data_set, meta, facts)
    json, bulk = json_model.write(data_set)
    return Header(
        facts=replace(facts, warnings=tuple(source.warnings)),
        dataset_offset=meta.offset,
        json=json,
        bulk=bulk,
        frames=index,
        deflated=deflated,
        preamble_clean=meta.preamble_clean,
    )


def inflated(
    buffer: bytes | bytearray | memoryview | mmap, header_offset: int, limits: Limits
) -> bytearray:
    """The inflated data set of a deflated object that was read before."""
    with memoryview(buffer) as view, view[header_offset:] as packed:
        return inflate(packed, limits.inflated)[0]


def _transfer_syntax(source: Source, meta: FileMeta, announced: str | None) -> str:
    """The transfer syntax by what was announced and what file meta states, "" to be guessed."""
    stated = meta.transfer_syntax
    if announced and stated and announced != stated:
        raise Mismatch("announced with another transfer syntax than its file meta states")
    syntax = announced or stated
    if not syntax and not is_plausible_start(source.view, meta.offset):
        raise Unreadable("not a DICOM object", where="byte 0", expected="a file meta header")
    if syntax and UID_dictionary.get(syntax, ("", ""))[1] != "Transfer Syntax":
        source.warn("unknown transfer syntax, read as explicit VR little endian")
    return syntax


def _encoding(source: Source, start: int, syntax: str) -> tuple[Encoding, str]:
    """The encoding by the transfer syntax, corrected by what the first element looks like."""
    seen = seen_encoding(source.view, start)
    if not syntax:
        source.warn("no transfer syntax is stated, it was guessed")
        guess = seen or Encoding(explicit=True)
        return guess, syntax_of(guess)
    declared = encoding_of(syntax)
    if seen is None or seen == declared:
        return declared, syntax
    source.warn("the data set is not encoded as its transfer syntax says")
    return seen, syntax_of(seen) if syntax in _UNCOMPRESSED else syntax


def _pixels(data_set: DataSet, syntax: str) -> tuple[Pixels, bytes]:
    """Image Pixel facts (PS3.3 C.7.6.3) and the packed frame index."""
    tag = next((tag for tag in _PIXELS if tag in data_set), None)
    integer = data_set.integer
    pixels = Pixels(
        frames=max(1, integer(tags.NumberOfFrames)) if tag else 0,
        rows=integer(tags.Rows),
        columns=integer(tags.Columns),
        samples=integer(tags.SamplesPerPixel) or (1 if tag else 0),
        bits_allocated=integer(tags.BitsAllocated),
        photometric=data_set.text(tags.PhotometricInterpretation),
    )
    if tag is None:
        if pixels.rows and pixels.columns and pixels.bits_allocated:
            data_set.source.warn("an image without pixel data")
        return pixels, b""
    element = data_set.elements[tag]
    pixels = replace(pixels, keyword=_PIXELS[tag], offset=element.offset, length=element.length)
    return pixels, _frame_index(data_set, tag, pixels, syntax)


def _frame_index(data_set: DataSet, tag: int, pixels: Pixels, syntax: str) -> bytes:
    element = data_set.elements[tag]
    if element.fragments is not None:
        index = frames.encapsulated(data_set, element.fragments, pixels.frames, syntax)
        _note_codestream(data_set, element.fragments[1:], pixels)
    else:
        vr = settled_vr(tag, element.vr, data_set)
        native = frames.native(pixels, vr, data_set.big)
        if native is None:
            data_set.source.warn("pixel data without the attributes that describe it")
            return b""
        index = native
        _note_length(data_set, index)
    if frames.missing(index):
        data_set.source.warn("the pixel data holds fewer frames than stated")
    return frames.pack(index)


def _note_codestream(data_set: DataSet, fragments: list[Fragment], pixels: Pixels) -> None:
    """The first codestream should be of the size that the image states."""
    if not fragments:
        return
    start = fragments[0].offset
    head = data_set.source.view[start : start + min(fragments[0].length, _CODESTREAM_HEAD)]
    size = size_of(head.tobytes())
    if size is not None and (size.rows, size.columns) != (pixels.rows, pixels.columns):
        data_set.source.warn("the compressed frames are of another size than stated")


def _note_length(data_set: DataSet, index: frames.FrameIndex) -> None:
    """Native pixel data may be longer than its frames by one byte of padding (PS3.5 8.1.1)."""
    if index.length * 8 - index.count * index.frame_bits >= 16:
        data_set.source.warn("the pixel data is longer than its frames")
