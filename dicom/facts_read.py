"""Facts of one instance out of its data set: what the index, the mapping and the worklist need."""

from collections.abc import Iterable

from dicom import tags
from dicom.dataset import DataSet
from dicom.document_read import (
    ENCAPSULATED,
    KEY_OBJECT_SELECTION,
    STRUCTURED_REPORTS,
    read_document,
)
from dicom.facts import (
    Code,
    InstanceFacts,
    Issuer,
    Number,
    PatientFacts,
    Pixels,
    Request,
    SeriesFacts,
    StudyFacts,
)
from dicom.macros import codes, first, people, text_or_meaning

# Document titles and descriptions that say what an object is (mapping: instance.title).
_KEY_OBJECT_DESCRIPTION = "113012"
_PRESENTATION_STATES = "1.2.840.10008.5.1.4.1.1.11."

# Laterality written as a region modifier (PS3.16 CID 244, SNOMED CT and its SRT spelling).
_SIDES = {
    "7771000": "L",
    "G-A101": "L",
    "24028007": "R",
    "G-A100": "R",
    "51440002": "B",
    "G-A102": "B",
    "66459002": "U",
}


def read_facts(data_set: DataSet, transfer_syntax: str, pixels: Pixels) -> InstanceFacts:
    """All facts of one instance. Its warnings are the caller's to add."""
    text = data_set.text
    sop_class = text(tags.SOPClassUID)
    return InstanceFacts(
        uid=text(tags.SOPInstanceUID),
        sop_class=sop_class,
        transfer_syntax=transfer_syntax,
        patient=_patient(data_set),
        study=_study(data_set),
        series=_series(data_set),
        number=text(tags.InstanceNumber),
        title=_title(data_set, sop_class),
        offset_from_utc=text(tags.TimezoneOffsetFromUTC),
        acquisition=_acquisition(data_set),
        content_date=text(tags.ContentDate),
        content_time=text(tags.ContentTime),
        image_laterality=_image_laterality(data_set),
        requests=_requests(data_set),
        pixels=pixels,
        document=read_document(data_set, sop_class),
    )


def _patient(data_set: DataSet) -> PatientFacts:
    """Patient module (PS3.3 C.7.1.1)."""
    text = data_set.text
    return PatientFacts(
        name=text(tags.PatientName),
        number=_patient_number(data_set),
        others=_other_numbers(data_set),
        birth_date=text(tags.PatientBirthDate),
        sex=text(tags.PatientSex),
        removed=text(tags.PatientIdentityRemoved).upper() == "YES",
        species=text_or_meaning(
            data_set, tags.PatientSpeciesDescription, tags.PatientSpeciesCodeSequence
        ),
        breed=text_or_meaning(
            data_set, tags.PatientBreedDescription, tags.PatientBreedCodeSequence
        ),
    )


def _patient_number(item: DataSet) -> Number:
    """PatientID with its issuer and qualifiers (PS3.3 table 10-18)."""
    value = item.text(tags.PatientID)
    if not value:
        return Number()
    qualifiers = item.first(tags.IssuerOfPatientIDQualifiersSequence)
    issuer = _issuer(qualifiers, item.text(tags.IssuerOfPatientID))
    return Number(value, issuer, item.text(tags.TypeOfPatientID))


def _other_numbers(data_set: DataSet) -> tuple[Number, ...]:
    """Other Patient IDs, those of the retired (0010,1000) marked RETIRED: they lack an issuer."""
    found = [_patient_number(item) for item in data_set.items(tags.OtherPatientIDsSequence)]
    retired = [Number(value, kind="RETIRED") for value in data_set.texts(tags.OtherPatientIDs)]
    return tuple(number for number in found + retired if number.value)


def _issuer(item: DataSet | None, namespace: str = "") -> Issuer:
    """An HL7v2 Hierarchic Designator (PS3.3 table 10-17), its namespace perhaps given apart."""
    if item is None:
        return Issuer(namespace) if namespace else Issuer()
    return Issuer(
        namespace or item.text(tags.LocalNamespaceEntityID),
        item.text(tags.UniversalEntityID),
        item.text(tags.UniversalEntityIDType),
    )


def _number(item: DataSet, value_tag: int, issuer_tag: int) -> Number:
    """A number whose issuer stands in a sequence beside it."""
    value = item.text(value_tag)
    return Number(value, _issuer(item.first(issuer_tag))) if value else Number()


def _accession(item: DataSet) -> Number:
    return _number(item, tags.AccessionNumber, tags.IssuerOfAccessionNumberSequence)


def _study(data_set: DataSet) -> StudyFacts:
    """General Study (PS3.3 C.7.2.1) and what an instance says of its visit and procedure."""
    text = data_set.text
    return StudyFacts(
        uid=text(tags.StudyInstanceUID),
        date=text(tags.StudyDate),
        time=text(tags.StudyTime),
        number=text(tags.StudyID),
        accession=_accession(data_set),
        description=text(tags.StudyDescription),
        referrer=first(
            people(
                data_set,
                tags.ReferringPhysicianName,
                tags.ReferringPhysicianIdentificationSequence,
            )
        ),
        readers=people(
            data_set,
            tags.NameOfPhysiciansReadingStudy,
            tags.PhysiciansReadingStudyIdentificationSequence,
        ),
        procedures=codes(data_set, tags.ProcedureCodeSequence),
        procedure_text=text(tags.RequestedProcedureDescription),
        admission=_number(data_set, tags.AdmissionID, tags.IssuerOfAdmissionIDSequence),
        reasons=codes(data_set, tags.ReasonForPerformedProcedureCodeSequence),
        location=text(tags.InstitutionalDepartmentName) or text(tags.PerformedLocation),
    )


def _series(data_set: DataSet) -> SeriesFacts:
    """General Series (PS3.3 C.7.3.1) and General Equipment (C.7.5.1)."""
    text = data_set.text
    return SeriesFacts(
        uid=text(tags.SeriesInstanceUID),
        number=text(tags.SeriesNumber),
        modality=text(tags.Modality),
        description=text(tags.SeriesDescription),
        date=text(tags.SeriesDate),
        time=text(tags.SeriesTime),
        body_part=text(tags.BodyPartExamined),
        region=_region(data_set),
        laterality=text(tags.Laterality),
        performers=people(
            data_set,
            tags.PerformingPhysicianName,
            tags.PerformingPhysicianIdentificationSequence,
        ),
        operators=people(data_set, tags.OperatorsName, tags.OperatorIdentificationSequence),
        institution=text(tags.InstitutionName),
        institution_codes=codes(data_set, tags.InstitutionCodeSequence),
        retrieve_url=data_set.whole(tags.RetrieveURL),
        manufacturer=text(tags.Manufacturer),
        model=text(tags.ManufacturerModelName),
        serial=text(tags.DeviceSerialNumber),
        station=text(tags.StationName),
        device_uid=text(tags.DeviceUID),
        software=data_set.texts(tags.SoftwareVersions),
        specimen=_specimen(data_set),
    )


def _anatomies(data_set: DataSet) -> Iterable[DataSet]:
    """Where an anatomic region may stand: at the top, else in the functional groups."""
    yield data_set
    for groups in (tags.SharedFunctionalGroupsSequence, tags.PerFrameFunctionalGroupsSequence):
        for group in data_set.items(groups):
            yield from group.items(tags.FrameAnatomySequence)


def _region(data_set: DataSet) -> tuple[Code, ...]:
    """Anatomic Region Sequence (0008,2218), that of the frames when all share one."""
    found = (codes(place, tags.AnatomicRegionSequence) for place in _anatomies(data_set))
    regions = list(dict.fromkeys(codes for codes in found if codes))
    return regions[0] if len(regions) == 1 else ()


def _image_laterality(data_set: DataSet) -> tuple[str, ...]:
    """Every side that image, frames or region modifiers name (0020,0062), (0020,9072)."""
    sides = [data_set.text(tags.ImageLaterality)]
    for place in _anatomies(data_set):
        sides.append(place.text(tags.FrameLaterality))
        for region in place.items(tags.AnatomicRegionSequence):
            modifiers = codes(region, tags.AnatomicRegionModifierSequence)
            sides += [_SIDES.get(code.value, "") for code in modifiers]
    return tuple(dict.fromkeys(side for side in sides if side))


def _specimen(data_set: DataSet) -> str:
    """Identifier of the specimen, else of its container (PS3.3 C.7.6.22)."""
    specimen = data_set.first(tags.SpecimenDescriptionSequence)
    inner = specimen.text(tags.SpecimenIdentifier) if specimen is not None else ""
    return (
        inner or data_set.text(tags.SpecimenIdentifier) or data_set.text(tags.ContainerIdentifier)
    )


def _acquisition(data_set: DataSet) -> str:
    """Acquisition DateTime (0008,002A), else date and time joined as a DT value."""
    whole = data_set.text(tags.AcquisitionDateTime)
    if whole:
        return whole
    date = data_set.text(tags.AcquisitionDate)
    return date + data_set.text(tags.AcquisitionTime) if date else ""


def _requests(data_set: DataSet) -> tuple[Request, ...]:
    """Orders that the series (0040,0275) or the document (0040,A370) answers."""
    items = data_set.items(tags.RequestAttributesSequence)
    items = items + data_set.items(tags.ReferencedRequestSequence)
    return tuple(request for request in map(_request, items) if request != Request())


def _request(item: DataSet) -> Request:
    """Request Attributes macro (PS3.3 table 10-9) or a Referenced Request item (C.17.2)."""
    text = item.text
    return Request(
        study=text(tags.StudyInstanceUID),
        accession=_accession(item),
        placer=_number(
            item,
            tags.PlacerOrderNumberImagingServiceRequest,
            tags.OrderPlacerIdentifierSequence,
        ),
        filler=_number(
            item,
            tags.FillerOrderNumberImagingServiceRequest,
            tags.OrderFillerIdentifierSequence,
        ),
        procedure_id=text(tags.RequestedProcedureID),
        procedure=codes(item, tags.RequestedProcedureCodeSequence),
        procedure_text=text(tags.RequestedProcedureDescription),
        requester=first(
            people(
                item,
                tags.RequestingPhysician,
                tags.RequestingPhysicianIdentificationSequence,
            )
        ),
        reason_text=text(tags.ReasonForTheRequestedProcedure),
        reasons=codes(item, tags.ReasonForRequestedProcedureCodeSequence),
    )


def _title(data_set: DataSet, sop_class: str) -> str:
    """What a document, report or presentation state calls itself; images have no title."""
    if sop_class == KEY_OBJECT_SELECTION:
        return _key_object_description(data_set) or _concept(data_set)
    if sop_class.startswith(STRUCTURED_REPORTS):
        return _concept(data_set)
    if sop_class.startswith(ENCAPSULATED):
        return data_set.whole(tags.DocumentTitle) or _concept(data_set)
    if sop_class.startswith(_PRESENTATION_STATES):
        return data_set.text(tags.ContentLabel)
    return ""


def _concept(data_set: DataSet) -> str:
    """Meaning of the document title code (0040,A043)."""
    return next((code.meaning for code in codes(data_set, tags.ConceptNameCodeSequence)), "")


def _key_object_description(data_set: DataSet) -> str:
    """Text of the Key Object Description content item (PS3.16 TID 2010)."""
    for item in data_set.items(tags.ContentSequence):
        names = codes(item, tags.ConceptNameCodeSequence)
        if any(name.value == _KEY_OBJECT_DESCRIPTION for name in names):
            return item.whole(tags.TextValue)
    return ""
