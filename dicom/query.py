"""Matching keys of QIDO-RS and C-FIND: which there are, and what a value asks (PS3.4 C.2.2.2)."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from dicom.errors import DicomError
from dicom.json_model import tag_of

LEVELS = ("study", "series", "instance")
# Most UIDs of one retrieval.
MOST_UIDS = 1000

# A pattern costs more with every * in it; nobody types more than this.
MOST_WILDCARDS = 5
_LONGEST_NAME = 200
_DAYS_END = "235959.999999"

_DATE = re.compile(r"\d{8}", re.ASCII)
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?", re.ASCII)
_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,10}", re.ASCII)


class BadQuery(DicomError):
    """A search asks for what is no matching key, or in a form that the key's VR does not have."""


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute that can be matched: its tag in hexadecimal, keyword, VR and level."""

    tag: str
    keyword: str
    vr: str
    level: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of these (single value, UID list, list of codes)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wild:
    """The value fits a pattern in which * is any text and ? any character."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Between:
    """The value lies between two, both included; an empty end is open."""

    low: str
    high: str


Match = OneOf | Wild | Between

_TABLE = (
    Key("0020000D", "StudyInstanceUID", "UI", "study"),
    Key("00080020", "StudyDate", "DA", "study"),
    Key("00080030", "StudyTime", "TM", "study"),
    Key("00080050", "AccessionNumber", "SH", "study"),
    Key("00080061", "ModalitiesInStudy", "CS", "study"),
    Key("00080090", "ReferringPhysicianName", "PN", "study"),
    Key("00081030", "StudyDescription", "LO", "study"),
    Key("00100010", "PatientName", "PN", "study"),
    Key("00100020", "PatientID", "LO", "study"),
    Key("00100021", "IssuerOfPatientID", "LO", "study"),
    Key("00100030", "PatientBirthDate", "DA", "study"),
    Key("00100040", "PatientSex", "CS", "study"),
    Key("00200010", "StudyID", "SH", "study"),
    Key("0020000E", "SeriesInstanceUID", "UI", "series"),
    Key("00080021", "SeriesDate", "DA", "series"),
    Key("00080060", "Modality", "CS", "series"),
    Key("0008103E", "SeriesDescription", "LO", "series"),
    Key("00180015", "BodyPartExamined", "CS", "series"),
    Key("00200011", "SeriesNumber", "IS", "series"),
    Key("00080018", "SOPInstanceUID", "UI", "instance"),
    Key("00080016", "SOPClassUID", "UI", "instance"),
    Key("00200013", "InstanceNumber", "IS", "instance"),
)
KEYS = {key.tag: key for key in _TABLE}


def at_level(level: str) -> tuple[Key, ...]:
    """The keys that a search at this level may match: its own and those above it.

    A search for patients is one for the studies that they are known by.
    """
    level = "study" if level == "patient" else level
    return tuple(key for key in _TABLE if LEVELS.index(key.level) <= LEVELS.index(level))


def match(key: Key, text: str) -> Match | None:
    """What a key's value asks, None when it matches everything. Raises BadQuery."""
    text = text.strip()
    if not text.strip("*"):
        return None
    if key.vr in ("DA", "TM"):
        return _moment(key, text)
    if key.vr == "UI":
        return OneOf(_listed(key, text, _UID, "UIDs, separated by commas"))
    if key.vr == "IS":
        numbers = _listed(key, text, _INTEGER, "a whole number")
        return OneOf(tuple(str(int(number)) for number in numbers))
    if key.vr == "PN":
        text = fold(_first_group(text))
    return _text(key, text)


def _first_group(name: str) -> str:
    """The first component group of a name that says something."""
    return next((group for group in name.split("=") if group.strip(" *^")), "*")


def _text(key: Key, text: str) -> Match | None:
    if not text.strip("*"):
        return None
    if "*" in text or "?" in text:
        pattern = re.sub(r"\*+", "*", text)
        if pattern.count("*") > MOST_WILDCARDS:
            raise BadQuery(f"{key.keyword} may hold at most {MOST_WILDCARDS} *", where=key.tag)
        return Wild(pattern)
    values = re.split(r"[\\,]", text) if key.vr == "CS" else [text]
    return OneOf(tuple(value.strip() for value in values if value.strip()))


def _listed(key: Key, text: str, form: re.Pattern[str], expected: str) -> tuple[str, ...]:
    values = tuple(part.strip() for part in re.split(r"[\\,]", text) if part.strip())
    if not values or not all(form.fullmatch(value) for value in values):
        raise BadQuery(f"{key.keyword} must be {expected}", where=key.tag)
    return values


def _moment(key: Key, text: str) -> Match:
    """A date or time, or a range of them; a time stands for all that begin with it."""
    form, expected = (_DATE, "YYYYMMDD") if key.vr == "DA" else (_TIME, "HHMMSS")
    low, dash, high = (part.strip() for part in text.partition("-"))
    ends = [end for end in (low, high) if end]
    if not ends or not all(form.fullmatch(end) for end in ends):
        raise BadQuery(
            f"{key.keyword} must be {expected} or a range {expected}-{expected}", where=key.tag
        )
    if key.vr == "DA":
        return Between(low, high) if dash else OneOf((low,))
    high = high if dash else low
    # 1015 includes 10:15:59.
    return Between(low, high and high + _DAYS_END[len(high) :])


def fold(name: str) -> str:
    """A person name as it is compared: without case, accents, width and empty last components."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in plain if not "\u0300" <= letter <= "\u036f")
    parts = unicodedata.normalize("NFKC", plain).split("^")
    return "^".join(" ".join(part.split()) for part in parts).rstrip("^")[:_LONGEST_NAME]


def name_groups(name: str) -> tuple[str, ...]:
    """The component groups of a PN value, folded, each once: any of them may be asked for."""
    groups = (fold(group) for group in name.split("="))
    return tuple(dict.fromkeys(group for group in groups if group))


def person_name(text: str) -> dict[str, str]:
    """A PN value as DICOM JSON wants it, by component group (PS3.18 F.2.2)."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {group: part for group, part in groups if part}


_STUDY_WORDS = """
    StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence ReferringPhysicianName
    ReferringPhysicianIdentificationSequence ConsultingPhysicianName TimezoneOffsetFromUTC
    StudyDescription ProcedureCodeSequence PhysiciansOfRecord NameOfPhysiciansReadingStudy
    PhysiciansReadingStudyIdentificationSequence AdmittingDiagnosesDescription
    AdmittingDiagnosesCodeSequence ReferencedStudySequence PatientName PatientID IssuerOfPatientID
    TypeOfPatientID IssuerOfPatientIDQualifiersSequence PatientBirthDate PatientBirthTime PatientSex
    OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientAge PatientSize PatientWeight
    EthnicGroup Occupation AdditionalPatientHistory PregnancyStatus PatientComments
    PatientSpeciesDescription PatientSpeciesCodeSequence PatientBreedDescription
    PatientBreedCodeSequence ResponsiblePerson ResponsibleOrganization PatientIdentityRemoved
    StudyInstanceUID StudyID AdmissionID IssuerOfAdmissionIDSequence ReasonForPerformedProcedureCodeSequence
"""
_SERIES_WORDS = """
    SeriesDate SeriesTime Modality PresentationIntentType Manufacturer InstitutionName
    InstitutionAddress InstitutionCodeSequence StationName SeriesDescription
    SeriesDescriptionCodeSequence InstitutionalDepartmentName PerformingPhysicianName OperatorsName
    ManufacturerModelName AnatomicRegionSequence BodyPartExamined DeviceSerialNumber DeviceUID
    SoftwareVersions ProtocolName PatientPosition SeriesInstanceUID SeriesNumber FrameOfReferenceUID
    PositionReferenceIndicator Laterality PerformedProcedureStepStartDate
    PerformedProcedureStepStartTime PerformedProcedureStepID PerformedProcedureStepDescription
    PerformedProtocolCodeSequence RequestAttributesSequence
"""


@cache
def attributes(level: str) -> frozenset[str]:
    """Tags that belong to this level or one above it; those of an instance are all others too."""
    words = _STUDY_WORDS if level == "study" else _STUDY_WORDS + _SERIES_WORDS
    return frozenset(tag_of(word) or "" for word in words.split())
