"""A small reader of DICOM facts for tests of the mapping: only the attributes those tests look at."""

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom.facts import (
    Code,
    InstanceFacts,
    Issuer,
    Number,
    PatientFacts,
    Pixels,
    SeriesFacts,
    StudyFacts,
)


def read_facts(path: Path) -> InstanceFacts:
    """The facts of one file, as `dicom.files` would tell them."""
    ds = dcmread(path, stop_before_pixels=True)
    return InstanceFacts(
        uid=str(ds.SOPInstanceUID),
        sop_class=str(ds.SOPClassUID),
        transfer_syntax=str(ds.file_meta.TransferSyntaxUID),
        patient=_patient(ds),
        study=_study(ds),
        series=_series(ds),
        number=_text(ds, "InstanceNumber"),
        title=next((code.meaning for code in _codes(ds, "ConceptNameCodeSequence")), ""),
        offset_from_utc=_text(ds, "TimezoneOffsetFromUTC"),
        image_laterality=tuple(filter(None, [_text(ds, "ImageLaterality")])),
        pixels=Pixels(frames=1 if "Rows" in ds else 0),
    )


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    return "" if value is None else str(value).strip()


def _codes(ds: Dataset, keyword: str) -> tuple[Code, ...]:
    keywords = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
    return tuple(Code(*(_text(item, each) for each in keywords)) for item in ds.get(keyword) or ())


def _patient(ds: Dataset) -> PatientFacts:
    qualifiers = ds.get("IssuerOfPatientIDQualifiersSequence") or [Dataset()]
    issuer = Issuer(
        _text(ds, "IssuerOfPatientID"),
        _text(qualifiers[0], "UniversalEntityID"),
        _text(qualifiers[0], "UniversalEntityIDType"),
    )
    return PatientFacts(
        name=_text(ds, "PatientName"),
        number=Number(_text(ds, "PatientID"), issuer),
        birth_date=_text(ds, "PatientBirthDate"),
        sex=_text(ds, "PatientSex"),
        removed=_text(ds, "PatientIdentityRemoved") == "YES",
    )


def _study(ds: Dataset) -> StudyFacts:
    return StudyFacts(
        uid=str(ds.StudyInstanceUID),
        date=_text(ds, "StudyDate"),
        time=_text(ds, "StudyTime"),
        number=_text(ds, "StudyID"),
        accession=Number(_text(ds, "AccessionNumber")),
        description=_text(ds, "StudyDescription"),
        procedures=_codes(ds, "ProcedureCodeSequence"),
        procedure_text=_text(ds, "RequestedProcedureDescription"),
    )


def _series(ds: Dataset) -> SeriesFacts:
    return SeriesFacts(
        uid=str(ds.SeriesInstanceUID),
        number=_text(ds, "SeriesNumber"),
        modality=_text(ds, "Modality"),
        description=_text(ds, "SeriesDescription"),
        date=_text(ds, "SeriesDate"),
        time=_text(ds, "SeriesTime"),
        body_part=_text(ds, "BodyPartExamined"),
        region=_codes(ds, "AnatomicRegionSequence"),
        laterality=_text(ds, "Laterality"),
        institution=_text(ds, "InstitutionName"),
        manufacturer=_text(ds, "Manufacturer"),
        model=_text(ds, "ManufacturerModelName"),
        station=_text(ds, "StationName"),
    )
