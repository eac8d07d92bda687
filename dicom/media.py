"""Media directories (DICOMDIR, PS3.3 annex F): which files a disc should hold."""

from mmap import mmap

from dicom.dataset import Source
from dicom.part10 import EXPLICIT_LITTLE, encoding_of, is_plausible_start, read_meta, seen_encoding
from dicom.tags import DirectoryRecordSequence
from dicom.walk import Limits, walk

_REFERENCED_FILE_ID = 0x00041500
_PART10_HEAD = 132


def referenced_files(buffer: bytes | mmap) -> list[str]:
    """The paths, with / between their parts, that the records name. Raises DicomError."""
    with memoryview(buffer) as view, view.cast("B") as octets:
        source = Source(octets, "cp1252", [])
        try:
            meta = read_meta(source)
            encoding = seen_encoding(octets, meta.offset) or encoding_of(EXPLICIT_LITTLE)
            records = walk(source, meta.offset, encoding, Limits()).items(DirectoryRecordSequence)
            files = ("/".join(record.texts(_REFERENCED_FILE_ID)) for record in records)
            return [file for file in files if file]
        finally:
            source.view = memoryview(b"")


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file that begins so is worth reading: Part 10, or a bare data set."""
    if head[128:_PART10_HEAD] == b"DICM":
        return True
    with memoryview(head) as view:
        return is_plausible_start(view, read_meta(Source(view, "ascii", [])).offset)
