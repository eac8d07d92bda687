"""Small DICOM objects made for one test each."""

from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

EXPLICIT, IMPLICIT, BIG, DEFLATED = (
    str(ExplicitVRLittleEndian),
    str(ImplicitVRLittleEndian),
    str(ExplicitVRBigEndian),
    str(DeflatedExplicitVRLittleEndian),
)
SYNTAXES = (EXPLICIT, IMPLICIT, BIG, DEFLATED)


def identified() -> Dataset:
    """A data set with nothing but its identity."""
    data_set = Dataset()
    data_set.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data_set.SOPInstanceUID = "1.2.3.1"
    data_set.StudyInstanceUID = "1.2.3"
    data_set.SeriesInstanceUID = "1.2.3.0"
    data_set.PatientID = "P1"
    data_set.Modality = "OT"
    return data_set


def part10(data_set: Dataset, transfer_syntax: str = EXPLICIT) -> bytes:
    """The data set as a file."""
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    data_set.file_meta.MediaStorageSOPClassUID = UID(data_set.get("SOPClassUID") or "1.2.3")
    data_set.file_meta.MediaStorageSOPInstanceUID = UID(data_set.get("SOPInstanceUID") or "1.2.3")
    out = BytesIO()
    dcmwrite(out, data_set, enforce_file_format=True)
    return out.getvalue()


def image(rows: int, columns: int, frames: int, pixels: bytes, bits: int = 8) -> Dataset:
    """A grey image of these pixels."""
    data_set = identified()
    data_set.Rows, data_set.Columns, data_set.NumberOfFrames = rows, columns, frames
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.BitsAllocated = data_set.BitsStored = bits
    data_set.HighBit, data_set.PixelRepresentation = bits - 1, 0
    data_set.add_new(0x7FE00010, "OB" if bits <= 8 else "OW", pixels)
    return data_set
