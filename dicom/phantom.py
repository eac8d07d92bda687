"""Makes believable studies of people who do not exist, for the demo, tests and benches.

The pictures are drawn from ellipses, so everybody may keep and share them. The same arguments
always give the same bytes: sending them twice changes nothing.
"""

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

_SPACE = uuid.UUID("7a1c9f7e-5d0c-4a63-9e3a-3f6f0f3f1c55")


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a phantom study is of. Dates as DICOM spells them."""

    number: str
    name: str
    birth_date: str
    sex: str
    issuer: str = ""
    issuer_oid: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to draw: `slices` axial CT images of `size` x `size` pixels."""

    name: str
    date: str
    time: str
    accession: str
    description: str
    slices: int = 20
    size: int = 256


DEMO_PERSON = Person("DEMO-1001", "Serra^Júlia", "19620517", "F", "DEMO", "2.25.7771")
DEMO_PLAN = Plan("demo", "20261120", "091500", "DEMO-A-1", "CT head without contrast")


def uid(*names: object) -> str:
    """A UID under 2.25 that the same names always give (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_SPACE, '/'.join(map(str, names))).int}"


def ct_study(person: Person, plan: Plan) -> Iterator[bytes]:
    """The Part 10 files of a head CT, one slice at a time."""
    for index in range(plan.slices):
        yield _encoded(_slice(person, plan, index))


def _encoded(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _slice(person: Person, plan: Plan, index: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid(plan.name, person.number, "instance", index)
    dataset.StudyInstanceUID = uid(plan.name, person.number)
    dataset.SeriesInstanceUID = uid(plan.name, person.number, "series")
    dataset.FrameOfReferenceUID = uid(plan.name, person.number, "frame")
    _say_patient(dataset, person)
    _say_study(dataset, plan)
    _say_place(dataset, plan, index)
    _say_pixels(dataset, head(plan.size, index / max(1, plan.slices - 1)))
    return dataset


def _say_patient(dataset: Dataset, person: Person) -> None:
    dataset.PatientName = person.name
    dataset.PatientID = person.number
    dataset.PatientBirthDate = person.birth_date
    dataset.PatientSex = person.sex
    if person.issuer:
        dataset.IssuerOfPatientID = person.issuer
    if person.issuer_oid:
        qualifiers = Dataset()
        qualifiers.UniversalEntityID = person.issuer_oid
        qualifiers.UniversalEntityIDType = "ISO"
        dataset.IssuerOfPatientIDQualifiersSequence = Sequence([qualifiers])


def _say_study(dataset: Dataset, plan: Plan) -> None:
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = plan.date
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = plan.time
    dataset.ContentDate, dataset.ContentTime = plan.date, plan.time
    dataset.AccessionNumber = plan.accession
    dataset.StudyID = "1"
    dataset.StudyDescription = plan.description
    dataset.SeriesDescription = "Axial 5 mm"
    dataset.SeriesNumber = 2
    dataset.AcquisitionNumber = 1
    dataset.BodyPartExamined = "HEAD"
    dataset.ReferringPhysicianName = "Roca^Marta"
    dataset.Manufacturer = "Triptych phantom"
    dataset.PatientPosition = "HFS"
    dataset.PositionReferenceIndicator = ""
    dataset.KVP = "120"


def _say_place(dataset: Dataset, plan: Plan, index: int) -> None:
    dataset.InstanceNumber = index + 1
    dataset.SliceThickness = "5"
    dataset.PixelSpacing = [f"{220 / plan.size:.4f}"] * 2
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.ImagePositionPatient = ["-110", "-110", str(5 * index)]
    dataset.SliceLocation = str(5 * index)


def _say_pixels(dataset: Dataset, picture: NDArray[np.uint16]) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = picture.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept, dataset.RescaleSlope = "-1024", "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "100"
    dataset.PixelData = picture.astype("<u2").tobytes()


def head(size: int, height: float) -> NDArray[np.uint16]:
    """One axial slice of a head in stored values (HU + 1024); `height` runs from 0 to 1."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    scale = float(np.sqrt(max(0.05, 1 - (height - 0.45) ** 2 * 2)))
    picture: NDArray[Any] = np.full((size, size), 24.0)
    for width, depth, value in ((0.80, 0.92, 1064.0), (0.76, 0.88, 1924.0), (0.70, 0.82, 1058.0)):
        picture[_ellipse(x, y, 0, 0, width * scale, depth * scale)] = value
    folds = 8 * np.sin(22 * x) * np.sin(18 * y + 5 * height)
    picture += np.where(_ellipse(x, y, 0, 0, 0.66 * scale, 0.78 * scale), folds, 0)
    if 0.3 < height < 0.7:
        for side in (-1, 1):
            picture[_ellipse(x, y, 0.14 * side, -0.05, 0.07, 0.26)] = 1032
    if 0.5 < height < 0.65:
        picture[_ellipse(x, y, 0.33, -0.22, 0.09, 0.08)] = 1090
    stored: NDArray[np.uint16] = np.clip(picture, 0, 4095).astype(np.uint16)
    return stored


def _ellipse(
    x: NDArray[Any], y: NDArray[Any], left: float, top: float, width: float, height: float
) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = ((x - left) / width) ** 2 + ((y - top) / height) ** 2 <= 1
    return inside
