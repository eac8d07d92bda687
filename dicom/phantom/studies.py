"""A chest film, a knee in several series and an ultrasound clip, as files of their modalities."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplejpeg
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    JPEGBaseline8Bit,
    MRImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from dicom.phantom.abdomen import COLUMNS, MM, ROWS, cine
from dicom.phantom.chest import chest
from dicom.phantom.fields import Field, Plane, Point
from dicom.phantom.knee import knee
from dicom.phantom.objects import Study, begun, encoded, say_drawn, uid

_SIDE = 160  # mm of the knee that a picture shows
_QUALITY = 88


@dataclass(frozen=True, slots=True)
class Stack:
    """One series of the knee: from where to where along which axis, and how it is weighted."""

    number: int
    description: str
    weighting: str
    axis: int
    places: tuple[float, ...]
    size: int
    echo: float
    repetition: float


def _even(first: float, step: float, count: int) -> tuple[float, ...]:
    return tuple(first + step * number for number in range(count))


KNEE = (
    Stack(1, "Localizer", "T1", -1, (0.0, 0.0, 0.0), 128, 5, 12),
    Stack(2, "T1 coronal", "T1", 1, _even(-30, 3.5, 18), 256, 14, 560),
    Stack(3, "PD fat-suppressed sagittal", "PDFS", 0, _even(-36, 3.5, 22), 256, 34, 3200),
    Stack(4, "T2 axial", "T2", 2, _even(-38, 5, 18), 256, 82, 4100),
)


def knee_study(study: Study, stacks: tuple[Stack, ...] = KNEE) -> Iterator[bytes]:
    """An MR of a right knee: a localizer and a series in each direction."""
    for stack in stacks:
        for index, place in enumerate(stack.places):
            axis = stack.axis if stack.axis >= 0 else index
            yield encoded(_mr(study, stack, index + 1, axis, place))


def _mr(study: Study, stack: Stack, number: int, axis: int, place: float) -> Dataset:
    dataset = begun(study, MRImageStorage, "MR", stack.number, number)
    say_drawn(dataset, study)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER" if stack.axis < 0 else "M"]
    dataset.SeriesDescription, dataset.Laterality = stack.description, "R"
    dataset.FrameOfReferenceUID = uid(study.name, study.person.number, "frame")
    dataset.PatientPosition, dataset.PositionReferenceIndicator = "FFS", ""
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "SE", "SK", ""
    dataset.MRAcquisitionType, dataset.MagneticFieldStrength = "2D", "1.5"
    dataset.EchoTime, dataset.RepetitionTime = f"{stack.echo:g}", f"{stack.repetition:g}"
    dataset.EchoTrainLength, dataset.AcquisitionNumber = "1", 1
    dataset.SliceThickness, dataset.SpacingBetweenSlices = "3", "3.5"
    plane = _plane(axis, place, stack.size)
    step = _SIDE / stack.size
    dataset.PixelSpacing = [f"{step:.4f}"] * 2
    dataset.ImagePositionPatient = [f"{one:.3f}" for one in plane.origin]
    directions = [one / step for one in (*plane.across, *plane.down)]
    dataset.ImageOrientationPatient = [f"{one:g}" for one in directions]
    dataset.SliceLocation = f"{place:g}"
    stored = np.clip(knee(plane, stack.weighting) * 1400, 0, 4095)
    _say_grey(dataset, stored, "MONOCHROME2", (620, 1300))
    return dataset


def _plane(axis: int, place: float, size: int) -> Plane:
    """A sagittal (0), coronal (1) or axial (2) plane through the knee."""
    half, step = _SIDE / 2, _SIDE / size
    back, left, foot = (0.0, step, 0.0), (step, 0.0, 0.0), (0.0, 0.0, -step)
    ways: tuple[tuple[Point, Point, Point], ...] = (
        ((place, -half + 3, half + 4), back, foot),
        ((-half, place, half + 4), left, foot),
        ((-half, -half + 3, place), left, back),
    )
    origin, across, down = ways[axis]
    return Plane(origin, across, down, size, size)


def chest_study(study: Study, *, pixel: float = 0.2, pacemaker: bool = False) -> Iterator[bytes]:
    """One chest film, in which low values are white as on a film (MONOCHROME1)."""
    dataset = begun(study, DigitalXRayImageStorageForPresentation, "DX", 1, 1)
    say_drawn(dataset, study)
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SeriesDescription, dataset.ViewPosition = "Chest PA", "PA"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PatientOrientation, dataset.ImageLaterality = ["L", "F"], "U"
    dataset.ImagerPixelSpacing = [f"{pixel:g}"] * 2
    dataset.PixelSpacing = dataset.ImagerPixelSpacing
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "INVERSE"
    dataset.KVP, dataset.Exposure, dataset.DetectorType = "125", "2", "SCINTILLATOR"
    film = 4095 * (1 - chest(pixel, pacemaker=pacemaker))
    _say_grey(dataset, film, "MONOCHROME1", (1530, 3000))
    yield encoded(dataset)


def _say_grey(dataset: Dataset, stored: Field, photometric: str, window: tuple[int, int]) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = (str(one) for one in window)
    dataset.PixelData = np.rint(stored).astype("<u2").tobytes()


def ultrasound_study(study: Study, frames: int = 16) -> Iterator[bytes]:
    """A clip of the upper abdomen in colour, as JPEG, and one of its pictures by itself."""
    pictures = list(cine(frames))
    yield encoded(_clip(study, 1, pictures), JPEGBaseline8Bit)
    yield encoded(_clip(study, 2, pictures[3:4]), JPEGBaseline8Bit)


def _clip(study: Study, number: int, pictures: list[np.ndarray]) -> Dataset:
    dataset = begun(study, UltrasoundMultiFrameImageStorage, "US", 1, number)
    say_drawn(dataset, study)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0011"]
    dataset.SeriesDescription = "Abdomen, liver and right kidney"
    dataset.PatientOrientation = ""
    dataset.NumberOfFrames, dataset.FrameTime = len(pictures), "62.5"
    dataset.FrameIncrementPointer = 0x00181063
    dataset.CineRate = dataset.RecommendedDisplayFrameRate = 16
    dataset.SequenceOfUltrasoundRegions = Sequence([_region()])
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    coded = [simplejpeg.encode_jpeg(one, _QUALITY, "RGB", "422") for one in pictures]
    ratio = ROWS * COLUMNS * 3 * len(coded) / sum(map(len, coded))
    dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", f"{ratio:.1f}"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.PixelData = encapsulate(coded)
    dataset["PixelData"].is_undefined_length = True
    return dataset


def _region() -> Dataset:
    """How large a pixel is in the sector (PS3.3 C.8.5.5)."""
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 2, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = COLUMNS - 1, ROWS - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = MM / 10
    return region
