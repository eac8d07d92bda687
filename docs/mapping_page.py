"""The page that maps DICOM attributes to FHIR elements, found by trying: what changes when one does.

Each attribute is put into a header on its own; the elements of ImagingStudy and Patient that come out
differently are those that it is mapped to. So the page says what the code does, and nothing else.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydicom import Dataset
from pydicom.datadict import keyword_dict
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicom import files
from dicom.facts import InstanceFacts
from docs import papers_page, seen
from docs.tables import NOTE, code, codes, table
from fhir import imaging_study, patient
from fhir.identifiers import Site
from fhir.imaging_study import StudyView

Json = dict[str, Any]

_SITE = Site(base="https://hospital.example", zone="Europe/Paris")
_BASE = {
    "SOPClassUID": CTImageStorage,
    "SOPInstanceUID": "1.2.3.1.1",
    "StudyInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.3.1",
    "StudyDate": "20260101",
    "PatientID": "1",
    "AccessionNumber": "A",
}
_CODE = {"CodeValue": "77477000", "CodingSchemeDesignator": "SCT", "CodeMeaning": "CT"}
_ISSUER = {
    "LocalNamespaceEntityID": "RIS",
    "UniversalEntityID": "1.2.9",
    "UniversalEntityIDType": "ISO",
}
_PERSON = {"PersonIdentificationCodeSequence": [{**_CODE, "CodingSchemeDesignator": "99HOSP"}]}
# A value of each attribute that is read, other than the one above or none. Items are mappings.
_TRIED: Mapping[str, Any] = {
    "PatientName": "Curie^Marie",
    "PatientID": "2",
    "IssuerOfPatientID": "HOSP",
    "IssuerOfPatientIDQualifiersSequence": [
        {"UniversalEntityID": "1.2.9", "UniversalEntityIDType": "ISO"}
    ],
    "OtherPatientIDsSequence": [{"PatientID": "3", "IssuerOfPatientID": "OTHER"}],
    "PatientBirthDate": "18671107",
    "PatientSex": "F",
    "PatientIdentityRemoved": "YES",
    "PatientSpeciesDescription": "Canine species",
    "PatientBreedDescription": "Poodle",
    "StudyInstanceUID": "1.2.4",
    "StudyDate": "20260202",
    "StudyTime": "101500",
    "TimezoneOffsetFromUTC": "+0530",
    "AccessionNumber": "B",
    "IssuerOfAccessionNumberSequence": [_ISSUER],
    "StudyDescription": "Head",
    "ReferringPhysicianName": "House^G",
    "ReferringPhysicianIdentificationSequence": [_PERSON],
    "NameOfPhysiciansReadingStudy": "Roentgen^W",
    "ProcedureCodeSequence": [_CODE],
    "RequestedProcedureDescription": "CT of the head",
    "InstitutionalDepartmentName": "Radiology",
    "PerformedLocation": "Room 1",
    "ReasonForPerformedProcedureCodeSequence": [_CODE],
    "RequestAttributesSequence": [
        {
            "AccessionNumber": "C",
            "ReasonForTheRequestedProcedure": "Pain",
            "ReasonForRequestedProcedureCodeSequence": [_CODE],
        }
    ],
    "ReferencedRequestSequence": [{"AccessionNumber": "D", "StudyInstanceUID": "1.2.3"}],
    "SeriesInstanceUID": "1.2.3.2",
    "SeriesNumber": "7",
    "Modality": "MR",
    "SeriesDescription": "Axial",
    "SeriesDate": "20260203",
    "SeriesTime": "110000",
    "AcquisitionDate": "20260204",
    "BodyPartExamined": "HEAD",
    "AnatomicRegionSequence": [{**_CODE, "CodeValue": "69536005", "CodeMeaning": "Head"}],
    "Laterality": "L",
    "ImageLaterality": "R",
    "PerformingPhysicianName": "Curie^I",
    "OperatorsName": "Operator^O",
    "InstitutionName": "Hospital",
    "Manufacturer": "Maker",
    "SpecimenIdentifier": "S-1",
    "SOPInstanceUID": "1.2.3.1.2",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4",
    "InstanceNumber": "9",
    "ConceptNameCodeSequence": [{**_CODE, "CodeValue": "113000", "CodeMeaning": "Of Interest"}],
    "DocumentTitle": "Letter",
    "ContentLabel": "VIEW",
}
# What must be there besides for an attribute to matter.
_WITH: Mapping[str, Mapping[str, Any]] = {
    "PatientBreedDescription": {"PatientSpeciesDescription": "Canine species"},
    "TimezoneOffsetFromUTC": {"StudyTime": "101500"},
    "SeriesTime": {"SeriesDate": "20260203"},
    "ConceptNameCodeSequence": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.59"},
    "DocumentTitle": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"},
    "ContentLabel": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"},
}

_ABOUT_DOCUMENTS = (
    "Structured reports, and encapsulated documents that say whether they are verified, become DiagnosticReport;\n"
    "other encapsulated PDF and CDA become DocumentReference; dose reports and measurement groups become\n"
    "Observation; key objects and lists of computer-aided detection are instances only, a key object with its\n"
    "description as title. Status: PRELIMINARY is preliminary, PARTIAL is partial, COMPLETE is final if it is\n"
    "VERIFIED, amended if it replaces another, else preliminary. A report is also joined with the studies of its\n"
    "Current Requested Procedure Evidence (0040,A375), and is one resource with what messages say of it.\n"
)


def page() -> str:
    """Return the page."""
    rows = [(_tag(name), name, codes(elements)) for name, elements in mapped()]
    return (
        f"# From DICOM to FHIR\n\n{NOTE}\n"
        "Which elements of ImagingStudy and Patient change with an attribute, tried one at a time on an otherwise\n"
        "bare object. Everything is computed anew from all visible instances of a study; a Patient is made from a\n"
        "header once, and no header changes it afterwards. Times need an offset or `TRIPTYCH_ZONE`, else the date\n"
        "stands alone. Real studies and their golden values: "
        + f"{code(seen.MAPPING)}, {code(seen.GOLDEN)}.\n\n"
        + table(("Tag", "Attribute", "Elements"), rows)
        + "".join(_documents())
    )


def _documents() -> Iterator[str]:
    """Documents and requests, each kind with its table."""
    yield f"\n{_ABOUT_DOCUMENTS}Seen by {code(seen.DOCUMENTS)}.\n"
    for title, tried, base, told in papers_page.sections(_facts_of):
        rows = [(_tag(name), name, codes(found)) for name, found in _found(tried, base, told)]
        yield f"\n## {title}\n\n{table(('Tag', 'Attribute', 'Elements'), rows)}"


def _found(
    tried: Mapping[str, Any], base: Mapping[str, Any], told: papers_page.Told
) -> Iterator[tuple[str, list[str]]]:
    """Each attribute with the elements that it changes, of one kind of document."""
    for name, value in tried.items():
        whole = {**base, **papers_page.needed(name)}
        before, after = told(whole), told(whole | {name: value})
        kind = before["resourceType"]
        changed = {path for path, _ in {*_leaves(kind, before)} ^ {*_leaves(kind, after)}}
        yield name, _shortest(changed)


def documents_mapped() -> Iterator[tuple[str, list[str]]]:
    """Yield each attribute of documents and requests with the elements that it changes."""
    for _, tried, base, told in papers_page.sections(_facts_of):
        yield from _found(tried, base, told)


def _facts_of(values: Mapping[str, Any]) -> InstanceFacts:
    return _facts({**_BASE, **values})


def mapped() -> Iterator[tuple[str, list[str]]]:
    """Yield each attribute with the elements that it changes."""
    for name, value in _TRIED.items():
        base = {**_BASE, **_WITH.get(name, {})}
        changed = {path for path, _ in _told(base) ^ _told(base | {name: value})}
        yield name, _shortest(changed)


def _shortest(paths: Iterable[str]) -> list[str]:
    """The paths down to the first two members, each once: deeper ones are parts of the same."""
    depth = {True: 4, False: 3}
    cut = {".".join(path.split(".")[: depth[".series.instance" in path]]) for path in paths}
    return sorted(path for path in cut if not any(other.startswith(f"{path}.") for other in cut))


def _told(values: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Every leaf of the resources that a header makes, by its path."""
    facts = _facts(values)
    view = StudyView(id="s", uid=facts.study.uid, subject="Patient/p", instances=[facts])
    study = imaging_study.build(view, _SITE)
    person = patient.build(facts.patient, _SITE, id="p")
    return {*_leaves("ImagingStudy", study), *_leaves("Patient", person)}


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(f"{path}.{name}", member)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(path, one)
    else:
        yield path, str(value)


def _facts(values: Mapping[str, Any]) -> InstanceFacts:
    data_set = _data_set(values)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, data_set, enforce_file_format=True)
    return files.read(buffer.getvalue()).facts


def _data_set(values: Mapping[str, Any]) -> Dataset:
    data_set = Dataset()
    for name, value in values.items():
        is_items = isinstance(value, list)
        setattr(data_set, name, Sequence(map(_data_set, value)) if is_items else value)
    return data_set


def _tag(name: str) -> str:
    number = keyword_dict[name]
    return f"({number >> 16:04X},{number & 0xFFFF:04X})"
