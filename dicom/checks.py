"""What must and what should be right in an object before it is kept."""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

from dicom import tags
from dicom.dataset import DataSet
from dicom.errors import Incomplete, MediaDirectory
from dicom.facts import InstanceFacts
from dicom.part10 import FileMeta

_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_IDENTIFYING = {
    "SOP Class UID (0008,0016)": tags.SOPClassUID,
    "SOP Instance UID (0008,0018)": tags.SOPInstanceUID,
    "Study Instance UID (0020,000D)": tags.StudyInstanceUID,
    "Series Instance UID (0020,000E)": tags.SeriesInstanceUID,
}
_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
# Broken generators write leading zeros, and some anonymisers hexadecimal hashes. What cannot
# stand in a path or in a FHIR id is refused all the same.
_ODD_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,63}")
# Longest value in characters of what becomes an identifier or a title (PS3.5 6.2).
_LONGEST = {
    "Patient ID (0010,0020)": (tags.PatientID, 64),
    "Accession Number (0008,0050)": (tags.AccessionNumber, 16),
    "Study ID (0020,0010)": (tags.StudyID, 16),
    "Study Description (0008,1030)": (tags.StudyDescription, 64),
    "Series Description (0008,103E)": (tags.SeriesDescription, 64),
    "Modality (0008,0060)": (tags.Modality, 16),
}
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?[0-5]\d|:?60)?)?(?:\.\d{1,6})?")


def refuse_directory(meta: FileMeta, data_set: DataSet | None = None) -> None:
    """Refuse a DICOMDIR (PS3.10 8.6), by its file meta or by its records."""
    records = data_set is not None and tags.DirectoryRecordSequence in data_set
    if records or meta.sop_class == _MEDIA_DIRECTORY:
        raise MediaDirectory("a media directory (DICOMDIR), not an instance")


def require_identity(data_set: DataSet) -> None:
    """Refuse what has no identity of its own (PS3.4 B.3.1); note UIDs of odd form."""
    for name, tag in _IDENTIFYING.items():
        uid = data_set.text(tag)
        if not uid:
            raise Incomplete(f"{name} is missing", where=name, expected="a UID")
        if _UID.fullmatch(uid) and len(uid) <= 64:
            continue
        if not _ODD_UID.fullmatch(uid):
            raise Incomplete(f"{name} is not a UID", where=name, expected="digits and dots, <= 64")
        data_set.source.warn(f"{name} is not a valid UID")


def note_findings(data_set: DataSet, meta: FileMeta, facts: InstanceFacts) -> None:
    """Warn of what is legal to keep but will trouble somebody later."""
    warn = data_set.source.warn
    _note_meta(meta, facts, warn)
    if data_set.charset.unknown:
        warn("Specific Character Set (0008,0005) names an unknown character set")
    if not facts.patient.number.value:
        warn("Patient ID (0010,0020) is missing")
    if not facts.series.modality:
        warn("Modality (0008,0060) is missing")
    for name, tag in _IDENTIFYING.items():
        if data_set.raw(tag).rstrip(b"\0") != data_set.text(tag).encode():
            warn(f"{name} is padded with blanks")
    for name, (tag, longest) in _LONGEST.items():
        if len(data_set.text(tag)) > longest:
            warn(f"{name} is longer than its VR allows")
    _note_times(facts, warn)


def _note_meta(meta: FileMeta, facts: InstanceFacts, warn: Callable[[str], None]) -> None:
    """File meta that is incomplete or speaks of another object."""
    if meta.offset and not (meta.sop_class and meta.sop_instance and meta.transfer_syntax):
        warn("file meta lacks elements that it must have")
    if meta.sop_instance and meta.sop_instance != facts.uid:
        warn("file meta names another SOP Instance UID than the data set")
    if meta.sop_class and meta.sop_class != facts.sop_class:
        warn("file meta names another SOP Class UID than the data set")


def _note_times(facts: InstanceFacts, warn: Callable[[str], None]) -> None:
    """Dates and times that the mapping will have to leave out."""
    dates = {
        "Study Date (0008,0020)": facts.study.date,
        "Series Date (0008,0021)": facts.series.date,
        "Patient's Birth Date (0010,0030)": facts.patient.birth_date,
    }
    for name, value in dates.items():
        if value and not _is_date(value):
            warn(f"{name} is not a date")
    times = {
        "Study Time (0008,0030)": facts.study.time,
        "Series Time (0008,0031)": facts.series.time,
    }
    for name, value in times.items():
        if value and not _TIME.fullmatch(value):
            warn(f"{name} is not a time")


@lru_cache(maxsize=1024)  # a series has one or two
def _is_date(value: str) -> bool:
    """YYYYMMDD, or YYYY.MM.DD as ACR-NEMA wrote it (PS3.5 6.2)."""
    digits = value.replace(".", "") if re.fullmatch(r"\d{4}\.\d\d\.\d\d", value) else value
    if not re.fullmatch(r"\d{8}", digits, re.ASCII):
        return False
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True
