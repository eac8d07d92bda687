"""Head CTs of people who do not exist, for the demo, tests and benches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from dicom.phantom.fields import Field
from dicom.phantom.head import SIDE, TOP, head
from dicom.phantom.objects import Person, Study, begun, encoded, say_drawn, uid

_LOWEST = 2.0  # mm above the skull base


@dataclass(frozen=True, slots=True)
class Plan:
    """What to draw: `slices` axial CT images of `size` x `size` pixels, `thickness` mm apart.

    `collection` is how thick, in mm, something lies between skull and brain on the left.
    """

    name: str
    date: str
    time: str
    accession: str
    description: str
    slices: int = 20
    size: int = 256
    thickness: float = 5
    collection: float = 0

    def of(self, person: Person) -> Study:
        """The examination of somebody."""
        accession, words = self.accession, self.description
        return Study(self.name, person, self.date, self.time, accession, words, "HEAD")

    def instance(self, person: Person, index: int) -> str:
        """The UID of a slice, counted from 0."""
        return uid(self.name, person.number, "instance", index)

    def series(self, person: Person) -> str:
        """The UID of the series."""
        return uid(self.name, person.number, "series")


def ct_study(person: Person, plan: Plan) -> Iterator[bytes]:
    """The Part 10 files of a head CT, one slice at a time, from the base to the top."""
    for index in range(plan.slices):
        yield encoded(_slice(person, plan, index))


def _slice(person: Person, plan: Plan, index: int) -> Dataset:
    study = plan.of(person)
    dataset = begun(study, CTImageStorage, "CT", 2, index + 1)
    dataset.SOPInstanceUID = plan.instance(person, index)
    dataset.SeriesInstanceUID = plan.series(person)
    dataset.FrameOfReferenceUID = uid(plan.name, person.number, "frame")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    say_drawn(dataset, study)
    dataset.SeriesDescription = f"Axial {plan.thickness:g} mm"
    dataset.AcquisitionNumber = 1
    dataset.PatientPosition = "HFS"
    dataset.PositionReferenceIndicator = ""
    dataset.KVP, dataset.XRayTubeCurrent, dataset.ConvolutionKernel = "120", "210", "H30"
    _say_place(dataset, plan, index)
    height = _LOWEST + plan.thickness * index
    highest = _LOWEST + plan.thickness * (plan.slices - 1)
    _say_pixels(dataset, head(plan.size, height * min(1, TOP / highest), plan.collection))
    return dataset


def _say_place(dataset: Dataset, plan: Plan, index: int) -> None:
    dataset.SliceThickness = f"{plan.thickness:g}"
    dataset.PixelSpacing = [f"{SIDE / plan.size:.4f}"] * 2
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    height = f"{plan.thickness * index:g}"
    dataset.ImagePositionPatient = [str(-SIDE // 2), str(-SIDE // 2), height]
    dataset.SliceLocation = height


def _say_pixels(dataset: Dataset, picture: Field) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = picture.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept, dataset.RescaleSlope = "-1024", "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "100"
    dataset.PixelData = np.clip(np.rint(picture + 1024), 0, 4095).astype("<u2").tobytes()
