"""What is no picture: a choice of key pictures, a dose report, a document, each of a phantom study."""

from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EncapsulatedPDFStorage,
    KeyObjectSelectionDocumentStorage,
    XRayRadiationDoseSRStorage,
)

from dicom.phantom.ct import Plan
from dicom.phantom.objects import Person, Study, begun, encoded, uid

Code = tuple[str, str, str]


def key_object(person: Person, plan: Plan, slices: tuple[int, ...], words: str) -> bytes:
    """A key object that marks slices, counted from 0, of a head CT (PS3.3 C.17.6)."""
    study = plan.of(person)
    dataset = begun(study, KeyObjectSelectionDocumentStorage, "KO", 9, 1)
    dataset.SeriesDescription = "Key pictures"
    _say_root(dataset, ("113000", "DCM", "Of Interest"))
    chosen = [_picture(person, plan, index) for index in slices]
    reason = _item("TEXT", ("113012", "DCM", "Key Object Description"), words)
    dataset.ContentSequence = Sequence([reason, *(_shown(one) for one in chosen)])
    dataset.CurrentRequestedProcedureEvidenceSequence = _evidence(study, person, plan, chosen)
    return encoded(dataset)


def _picture(person: Person, plan: Plan, index: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = CTImageStorage
    item.ReferencedSOPInstanceUID = plan.instance(person, index)
    return item


def _shown(picture: Dataset) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "IMAGE"
    item.ReferencedSOPSequence = Sequence([picture])
    return item


def _evidence(study: Study, person: Person, plan: Plan, chosen: list[Dataset]) -> Sequence:
    series, whole = Dataset(), Dataset()
    series.SeriesInstanceUID = plan.series(person)
    series.ReferencedSOPSequence = Sequence(chosen)
    whole.StudyInstanceUID = study.uid
    whole.ReferencedSeriesSequence = Sequence([series])
    return Sequence([whole])


def dose_report(person: Person, plan: Plan, volume_index: float, product: float) -> bytes:
    """The dose of a head CT: mean CTDIvol in mGy, DLP in mGy.cm (PS3.16 TID 10011)."""
    study = plan.of(person)
    dataset = begun(study, XRayRadiationDoseSRStorage, "SR", 8, 1)
    dataset.SeriesDescription = "Dose report"
    _say_root(dataset, ("113701", "DCM", "X-Ray Radiation Dose Report"))
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.DeviceSerialNumber = "PHANTOM-1"
    total = _item(
        "CONTAINER",
        ("113811", "DCM", "CT Accumulated Dose Data"),
        _item("NUM", ("113812", "DCM", "Total Number of Irradiation Events"), ("1", "{events}")),
        _item("NUM", ("113813", "DCM", "CT Dose Length Product Total"), (product, "mGy.cm")),
    )
    dose = _item(
        "CONTAINER",
        ("113829", "DCM", "CT Dose"),
        _item("NUM", ("113830", "DCM", "Mean CTDIvol"), (volume_index, "mGy")),
        _item("NUM", ("113838", "DCM", "DLP"), (product, "mGy.cm")),
    )
    event = uid(plan.name, person.number, "irradiation")
    acquired = _item(
        "CONTAINER",
        ("113819", "DCM", "CT Acquisition"),
        _item("UIDREF", ("113769", "DCM", "Irradiation Event UID"), event),
        _item("CODE", ("123014", "DCM", "Target Region"), ("69536005", "SCT", "Head")),
        dose,
    )
    dataset.ContentSequence = Sequence([total, acquired])
    return encoded(dataset)


def document(study: Study, title: str, pdf: bytes) -> bytes:
    """A PDF in a DICOM object (PS3.3 A.45.1)."""
    dataset = begun(study, EncapsulatedPDFStorage, "DOC", 7, 1)
    dataset.SeriesDescription = dataset.DocumentTitle = title
    dataset.ConversionType, dataset.BurnedInAnnotation = "WSD", "YES"
    dataset.ConceptNameCodeSequence = Sequence([_coded(("18748-4", "LN", title))])
    dataset.VerificationFlag = "VERIFIED"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.EncapsulatedDocumentLength = len(pdf)
    return encoded(dataset)


def _say_root(dataset: Dataset, title: Code) -> None:
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = Sequence([_coded(title)])


def _item(kind: str, name: Code, *values: Any) -> Dataset:
    """A content item with its value, or with those below it (PS3.3 C.17.3)."""
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = Sequence([_coded(name)])
    if kind == "TEXT":
        item.TextValue = values[0]
    elif kind == "UIDREF":
        item.UID = values[0]
    elif kind == "CODE":
        item.ConceptCodeSequence = Sequence([_coded(values[0])])
    elif kind == "NUM":
        number, unit = values[0]
        measured = Dataset()
        measured.NumericValue = str(number)
        measured.MeasurementUnitsCodeSequence = Sequence([_coded((unit, "UCUM", unit))])
        item.MeasuredValueSequence = Sequence([measured])
    else:
        item.ContinuityOfContent = "SEPARATE"
        item.ContentSequence = Sequence(values)
    return item


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item
