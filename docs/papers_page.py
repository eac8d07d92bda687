"""The part of the mapping page about documents and requests, found by trying like the rest of it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dicom.facts import InstanceFacts, Request
from fhir import document_reference, paper_report, service_request, sr_observation
from fhir.identifiers import Site
from fhir.papers import PaperView
from fhir.service_request import OrderView

Json = dict[str, Any]
Told = Callable[[Mapping[str, Any]], Json]

_SITE = Site(base="https://hospital.example", zone="Europe/Paris")
_VIEW = PaperView("d", "Patient/p", study="ImagingStudy/s")


def _code(value: str, meaning: str, scheme: str = "DCM") -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def _item(kind: str, name: tuple[str, str], **value: Any) -> dict[str, Any]:
    named = {"ConceptNameCodeSequence": [_code(*name)], "ValueType": kind}
    return {"RelationshipType": "CONTAINS", **named, **value}


_NOTHING = _item("TEXT", ("121071", "Finding"), TextValue="None.")
_MEASURED = {
    "NumericValue": "2",
    "MeasurementUnitsCodeSequence": [_code("Gy.m2", "Gy.m2", "UCUM")],
}
_TOTAL = _item("NUM", ("113722", "Dose Area Product Total"), MeasuredValueSequence=[_MEASURED])
_SIGNED = {"CompletionFlag": "COMPLETE", "VerificationFlag": "VERIFIED"}
_INSTANCE = {"ReferencedSOPInstanceUID": "1.2.8", "ReferencedSOPClassUID": "1.2.9"}
_EARLIER = {
    "StudyInstanceUID": "1.2.3",
    "ReferencedSeriesSequence": [
        {"SeriesInstanceUID": "1.2.7", "ReferencedSOPSequence": [_INSTANCE]}
    ],
}
_OBSERVER = {"VerifyingObserverName": "Curie^I", "VerificationDateTime": "20260102101500"}
REPORT = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11",
    "ConceptNameCodeSequence": [_code("11528-7", "Radiology Report", "LN")],
    "ContentSequence": [_NOTHING],
    **_SIGNED,
}
LETTER = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.2",
    "EncapsulatedDocument": b"<a/>",
    "DocumentTitle": "Letter",
}
DOSE = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.67",
    "ConceptNameCodeSequence": [_code("113701", "X-Ray Radiation Dose Report")],
    "ContentSequence": [_NOTHING],
    **_SIGNED,
}
_IMPRESSION = _item(
    "CONTAINER",
    ("121072", "Impressions"),
    ContentSequence=[
        _item("TEXT", ("121073", "Impression"), TextValue="Well."),
        _item("CODE", ("121073", "Impression"), ConceptCodeSequence=[_code("1", "Well", "L")]),
    ],
)
_PERSON = {"PersonName": "Curie^M", "ObserverType": "PSN"}
# A value of each attribute that is read, other than the one above or none.
_IN_REPORTS: Mapping[str, Any] = {
    "SOPInstanceUID": "1.2.3.1.2",
    "CompletionFlag": "PARTIAL",
    "VerificationFlag": "UNVERIFIED",
    "PreliminaryFlag": "PRELIMINARY",
    "PredecessorDocumentsSequence": [_EARLIER],
    "VerifyingObserverSequence": [_OBSERVER],
    "AuthorObserverSequence": [_PERSON],
    "ContentDate": "20260101",
    "ContentTime": "111500",
    "InstitutionName": "Hospital",
    "ProcedureCodeSequence": [_code("77477000", "CT", "SCT")],
    "ConceptNameCodeSequence": [_code("18782-3", "Study observation", "LN")],
    "ContentSequence": [_NOTHING, _IMPRESSION],
}
_IN_LETTERS: Mapping[str, Any] = {
    "SOPInstanceUID": "1.2.3.1.2",
    "DocumentTitle": "Consent",
    "ConceptNameCodeSequence": [_code("34133-9", "Summary", "LN")],
    "MIMETypeOfEncapsulatedDocument": "application/xml",
    "EncapsulatedDocument": b"<b> </b>",
    "HL7InstanceIdentifier": "1.2.3^4",
    "ContentTime": "111500",
    "InstitutionName": "Hospital",
}
_IN_DOSE: Mapping[str, Any] = {
    "SOPInstanceUID": "1.2.3.1.2",
    "CompletionFlag": "PARTIAL",
    "Manufacturer": "Maker",
    "ContentSequence": [
        _item("CONTAINER", ("113702", "Accumulated Dose"), ContentSequence=[_TOTAL])
    ],
}
_IN_REQUESTS: Mapping[str, Any] = {
    "AccessionNumber": "B",
    "PlacerOrderNumberImagingServiceRequest": "P",
    "FillerOrderNumberImagingServiceRequest": "F",
    "RequestedProcedureID": "R",
    "RequestedProcedureCodeSequence": [_code("77477000", "CT", "SCT")],
    "RequestedProcedureDescription": "CT of the head",
    "RequestingPhysician": "House^G",
    "ReasonForTheRequestedProcedure": "Pain",
    "ReasonForRequestedProcedureCodeSequence": [_code("22253000", "Pain", "SCT")],
}
# What must be there besides for an attribute to matter.
_WITH: Mapping[str, Mapping[str, Any]] = {
    "ContentTime": {"ContentDate": "20260101"},
    "ContentDate": {"ContentTime": "101500"},
}

Read = Callable[[Mapping[str, Any]], InstanceFacts]


def sections(read: Read) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any], Told]]:
    """Title, what is tried, what is there, and what is told, of each kind of document."""

    def report(values: Mapping[str, Any]) -> Json:
        return paper_report.build([read(values)], _VIEW, _SITE)

    def letter(values: Mapping[str, Any]) -> Json:
        facts = read(values)
        view = PaperView(
            "d", "Patient/p", study="ImagingStudy/s", documents={facts.uid: "Binary/b"}
        )
        return document_reference.build(facts, view, _SITE)

    def dose(values: Mapping[str, Any]) -> Json:
        return sr_observation.dose(read(values), _VIEW, _SITE)[0].body

    def order(values: Mapping[str, Any]) -> Json:
        (asked,) = read({"RequestAttributesSequence": [values]}).requests or (Request(),)
        view = OrderView("o", "completed", "Patient/p")
        return service_request.of_request(None, asked, view, _SITE, {})

    yield "Structured reports", _IN_REPORTS, REPORT, report
    yield (
        "Encapsulated documents that do not say whether they are verified",
        _IN_LETTERS,
        LETTER,
        letter,
    )
    yield "Dose reports", _IN_DOSE, DOSE, dose
    yield "Requests of images (0040,0275) and documents (0040,A370)", _IN_REQUESTS, {}, order


def needed(name: str) -> Mapping[str, Any]:
    """What must be there for an attribute to matter."""
    return _WITH.get(name, {})
