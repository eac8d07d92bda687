"""Part 10 files taken apart: the data set as it would go over the wire (PS3.10 7.1)."""

from dataclasses import dataclass
from pathlib import Path

from pydicom.data import get_testdata_file
from pydicom.filereader import read_file_meta_info


@dataclass(frozen=True, slots=True)
class Part10:
    """What a sender announces of a file, and the bytes after its file meta."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: bytes


def read_part10(path: Path) -> Part10:
    """Take a file apart."""
    meta = read_file_meta_info(path)
    data = path.read_bytes()
    # 128 bytes preamble, DICM, then (0002,0000) of 12 bytes says how much more of group 2 follows.
    start = 144 + meta.FileMetaInformationGroupLength
    return Part10(
        path,
        str(meta.MediaStorageSOPClassUID),
        str(meta.MediaStorageSOPInstanceUID),
        str(meta.TransferSyntaxUID),
        data[start:],
    )


def bundled(name: str) -> Part10:
    """Take apart one of the files that come with pydicom."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str), f"pydicom does not bundle {name}"
    return read_part10(Path(path))
