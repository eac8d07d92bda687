"""What all objects of a phantom say: whose they are, of which study, and that nobody was scanned."""

import io
import uuid
from dataclasses import dataclass

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

_SPACE = uuid.UUID("7a1c9f7e-5d0c-4a63-9e3a-3f6f0f3f1c55")
MAKER = "Triptych phantom"
HOSPITAL = "Triptych Demo Hospital"
READER = "Roca^Marta"


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
class Study:
    """An examination. `name` and the person's number make its UIDs."""

    name: str
    person: Person
    date: str
    time: str
    accession: str
    description: str
    body_part: str = ""

    @property
    def uid(self) -> str:
        """The Study Instance UID."""
        return uid(self.name, self.person.number)

    def series(self, number: int) -> str:
        """The UID of a series."""
        return uid(self.name, self.person.number, "series", number)

    def instance(self, series: int, number: int) -> str:
        """The UID of an instance, counted from 1."""
        return uid(self.name, self.person.number, "instance", series, number)


def uid(*names: object) -> str:
    """A UID under 2.25 that the same names always give (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_SPACE, '/'.join(map(str, names))).int}"


def begun(study: Study, sop_class: str, modality: str, series: int, number: int) -> Dataset:
    """A data set with its patient, study, series and instance."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = study.instance(series, number)
    dataset.StudyInstanceUID = study.uid
    dataset.SeriesInstanceUID = study.series(series)
    say_patient(dataset, study.person)
    dataset.Modality = modality
    dataset.SeriesNumber, dataset.InstanceNumber = series, number
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = study.date
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = study.time
    dataset.AccessionNumber = study.accession
    dataset.StudyID = "1"
    dataset.StudyDescription = study.description
    dataset.ReferringPhysicianName = READER
    dataset.Manufacturer, dataset.InstitutionName = MAKER, HOSPITAL
    return dataset


def say_patient(dataset: Dataset, person: Person) -> None:
    """Say whose an object is."""
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


def say_drawn(dataset: Dataset, study: Study) -> None:
    """Say that a picture is of a phantom (Quality Control Image, PS3.3 C.7.6.1)."""
    dataset.AcquisitionDate, dataset.AcquisitionTime = study.date, study.time
    dataset.QualityControlImage = "YES"
    dataset.ImageComments = "Drawn by a program: nobody was scanned"
    if study.body_part:
        dataset.BodyPartExamined = study.body_part


def encoded(dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """A data set as a Part 10 file (PS3.10 7)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    dataset.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
