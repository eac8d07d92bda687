"""Structured reports and encapsulated documents made for one test each."""

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from tests.support.dicom_objects import identified

BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"
COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
DOSE = "1.2.840.10008.5.1.4.1.1.88.67"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
IMPRESSION, IMPRESSIONS = ("121073", "DCM", "Impression"), ("121072", "DCM", "Impressions")
FINDING, FINDINGS = ("121071", "DCM", "Finding"), ("121070", "DCM", "Findings")
TITLE = ("18748-4", "LN", "Diagnostic imaging study")


def coded(value: tuple[str, str, str]) -> Dataset:
    """One coded entry."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value
    return item


def content(
    kind: str,
    name: tuple[str, str, str],
    value: Any = None,
    *below: Dataset,
    relationship: str = "CONTAINS",
) -> Dataset:
    """One content item with those below it."""
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, kind
    item.ConceptNameCodeSequence = Items([coded(name)])
    if kind == "TEXT":
        item.TextValue = value
    elif kind == "CODE":
        item.ConceptCodeSequence = Items([coded(value)])
    elif kind == "NUM":
        measured = Dataset()
        measured.NumericValue, unit = value
        measured.MeasurementUnitsCodeSequence = Items([coded((unit, "UCUM", unit))])
        item.MeasuredValueSequence = Items([measured])
    elif kind == "UIDREF":
        item.UID = value
    elif kind == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    if below:
        item.ContentSequence = Items(below)
    return item


def narrative(finding: str, impression: str) -> list[Dataset]:
    """Findings and an impression, each in its section."""
    code = ("40930008", "SCT", "Hypothyroidism")
    return [
        content("CONTAINER", FINDINGS, None, content("TEXT", FINDING, finding)),
        content(
            "CONTAINER",
            IMPRESSIONS,
            None,
            content("TEXT", IMPRESSION, impression),
            content("CODE", IMPRESSION, code),
        ),
    ]


def request(study: str, **numbers: str) -> Dataset:
    """A Referenced Request or Request Attributes item: `placer`, `filler`, `accession`, `code`."""
    item = Dataset()
    item.StudyInstanceUID = study
    item.AccessionNumber = numbers.get("accession", "")
    item.PlacerOrderNumberImagingServiceRequest = numbers.get("placer", "")
    item.FillerOrderNumberImagingServiceRequest = numbers.get("filler", "")
    item.RequestedProcedureDescription = numbers.get("text", "")
    if "code" in numbers:
        code = (numbers["code"], "L", numbers["code"])
        item.RequestedProcedureCodeSequence = Items([coded(code)])
    return item


def paper(sop_class: str, uid: str, **attributes: Any) -> Dataset:
    """An object of a document class, in a study."""
    data_set = identified()
    data_set.SOPClassUID, data_set.SOPInstanceUID = sop_class, uid
    data_set.ContentDate, data_set.ContentTime = "20260905", "120000"
    data_set.TimezoneOffsetFromUTC = "+0000"
    for name, value in attributes.items():
        setattr(data_set, name, value)
    return data_set


def report(
    uid: str,
    items: Sequence[Dataset],
    *,
    verified: bool = True,
    title: tuple[str, str, str] = TITLE,
    sop_class: str = BASIC_TEXT,
    requests: Sequence[Dataset] = (),
    predecessor: str = "",
    **attributes: Any,
) -> Dataset:
    """A complete structured report."""
    made = paper(sop_class, uid, Modality="SR", **attributes)
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = Items([coded(title)])
    made.ContentSequence = Items(items)
    made.CompletionFlag = "COMPLETE"
    made.VerificationFlag = "VERIFIED" if verified else "UNVERIFIED"
    if verified:
        observer = Dataset()
        observer.VerifyingObserverName = "Reader^Rosa"
        observer.VerifyingOrganization = "Radiology"
        observer.VerificationDateTime = "20260905123000+0000"
        made.VerifyingObserverSequence = Items([observer])
    if requests:
        made.ReferencedRequestSequence = Items(requests)
    if predecessor:
        made.PredecessorDocumentsSequence = Items([_reference(made, predecessor)])
    return made


def _reference(made: Dataset, uid: str) -> Dataset:
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = made.SOPClassUID, uid
    series.SeriesInstanceUID = made.SeriesInstanceUID
    series.ReferencedSOPSequence = Items([instance])
    study.StudyInstanceUID = made.StudyInstanceUID
    study.ReferencedSeriesSequence = Items([series])
    return study


def pdf(uid: str, data: bytes, *, verification: str = "", **attributes: Any) -> Dataset:
    """An encapsulated PDF."""
    made = paper(PDF, uid, Modality="DOC", **attributes)
    made.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    made.EncapsulatedDocumentLength = len(data)
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.DocumentTitle = "Letter"
    if verification:
        made.VerificationFlag = verification
    return made


def dose(uid: str, events: Sequence[str], *, complete: bool = True, **attributes: Any) -> Dataset:
    """A radiation dose report (PS3.16 TID 10001), with these irradiation events."""
    total = content("NUM", ("113722", "DCM", "Dose Area Product Total"), ("0.00027902", "Gym2"))
    items = [content("CONTAINER", ("113702", "DCM", "Accumulated X-Ray Dose Data"), None, total)]
    items += [_event(event) for event in events]
    title = ("113701", "DCM", "X-Ray Radiation Dose Report")
    made = report(uid, items, title=title, sop_class=DOSE, verified=False, **attributes)
    made.CompletionFlag = "COMPLETE" if complete else "PARTIAL"
    return made


def _event(uid: str) -> Dataset:
    """One irradiation event."""
    return content(
        "CONTAINER",
        ("113706", "DCM", "Irradiation Event X-Ray Data"),
        None,
        content("UIDREF", ("113769", "DCM", "Irradiation Event UID"), uid),
        content("NUM", ("122130", "DCM", "Dose Area Product"), ("0.0001", "Gy.m2")),
    )
