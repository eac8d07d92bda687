"""The objects that the crash bench sends: small pictures and letters of people who do not exist."""

import hashlib
import random
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import dcmread
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import (
    UID,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom.dsutils import encode

from dicom.phantom import uid

SOP_CLASS, PAPER = str(SecondaryCaptureImageStorage), str(EncapsulatedPDFStorage)
TRANSFER_SYNTAX = str(ExplicitVRLittleEndian)
_SIZES = (4_000, 60_000, 1_500_000)
_CHANCES = (70, 27, 3)


@dataclass(frozen=True, slots=True)
class Made:
    """One object: its UIDs, its data set as it goes over the wire, and the document in it."""

    study: str
    series: str
    uid: str
    data: bytes
    document: bytes = b""

    @property
    def sha256(self) -> str:
        """The digest of the data set: of what has to come back."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def sop_class(self) -> str:
        """What kind of object it is."""
        return PAPER if self.document else SOP_CLASS

    @property
    def data_set(self) -> Dataset:
        """The object as pynetdicom sends it."""
        return dcmread(BytesIO(self.file))

    @property
    def file(self) -> bytes:
        """The object as a Part 10 file."""
        meta = FileMetaDataset()
        meta.FileMetaInformationVersion = b"\x00\x01"
        meta.MediaStorageSOPClassUID = UID(self.sop_class)
        meta.MediaStorageSOPInstanceUID = UID(self.uid)
        meta.TransferSyntaxUID = UID(TRANSFER_SYNTAX)
        meta.ImplementationClassUID = UID(uid("crash", "bench"))
        out = DicomBytesIO()
        write_file_meta_info(out, meta)
        return bytes(128) + b"DICM" + out.getvalue() + self.data


def make(study: str, sender: str, number: int, size: int = 0, *, paper: bool = False) -> Made:
    """Draw an object, a picture or a signed report. A study's name decides everything that its objects have in common."""
    dice = random.Random(f"{study}/{sender}/{number}")  # noqa: S311 - sample data
    content = dice.randbytes(size or dice.choices(_SIZES, _CHANCES)[0])
    data_set = _study(study)
    data_set.SeriesInstanceUID = uid("crash", study, sender)
    data_set.SOPInstanceUID = uid("crash", study, sender, number)
    data_set.InstanceNumber = number
    document = b"%PDF-1.4 " + content if paper else b""
    if paper:
        _enclose(data_set, document)
    else:
        _paint(data_set, content)
    data = encode(data_set, is_implicit_vr=False, is_little_endian=True)
    if data is None:
        raise ValueError("pydicom cannot encode what we drew")
    uids = data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID
    return Made(*uids, data, document)


def _paint(data_set: Dataset, pixels: bytes) -> None:
    data_set.SOPClassUID, data_set.Modality = SOP_CLASS, "OT"
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.Columns = 10_000 if len(pixels) > 1_000_000 else 100
    data_set.Rows = len(pixels) // data_set.Columns
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.HighBit, data_set.PixelRepresentation = 7, 0
    data_set.PixelData = pixels


def _enclose(data_set: Dataset, document: bytes) -> None:
    """A signed report in a PDF."""
    data_set.SOPClassUID, data_set.Modality = PAPER, "DOC"
    data_set.DocumentTitle, data_set.VerificationFlag = "Report", "VERIFIED"
    data_set.MIMETypeOfEncapsulatedDocument = "application/pdf"
    data_set.EncapsulatedDocumentLength = len(document)
    data_set.EncapsulatedDocument = document + b"\0" * (len(document) % 2)


def _study(name: str) -> Dataset:
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.StudyInstanceUID = uid("crash", name)
    data_set.PatientID = f"CRASH-{name}"
    data_set.PatientName = f"Crash^{name}"
    data_set.PatientBirthDate = "19700101"
    data_set.PatientSex = "O"
    data_set.StudyDate, data_set.StudyTime = "20261124", "101500"
    data_set.AccessionNumber = f"A-{name}"[:16]
    data_set.ReferringPhysicianName = ""
    data_set.StudyID = "1"
    return data_set
