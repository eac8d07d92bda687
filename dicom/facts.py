"""Facts of one DICOM instance, read once at ingest and kept as JSON beside its row.

Values are as DICOM spells them (dates YYYYMMDD, times HHMMSS.F, names with ^ and =), decoded to
text and stripped of padding; absent or empty text is "". The FHIR side maps them.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issued a number: namespace (LO or 0040,0031) and universal id with its type (HD)."""

    namespace: str = ""
    universal_id: str = ""
    universal_type: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """A patient number, accession or order number with its issuer."""

    value: str = ""
    issuer: Issuer = Issuer()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded entry (PS3.3 table 8.8-1). `scheme_uid` from (0008,010C) or (0008,0110)."""

    value: str = ""
    scheme: str = ""
    meaning: str = ""
    scheme_uid: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A person by PN value, with the id codes of a Person Identification macro if there are any."""

    name: str = ""
    codes: tuple[Code, ...] = ()
    institution: str = ""


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """Patient module (PS3.3 C.7.1.1). `removed` is Patient Identity Removed = YES."""

    name: str = ""
    number: Number = Number()
    others: tuple[Number, ...] = ()
    birth_date: str = ""
    sex: str = ""
    removed: bool = False
    species: str = ""
    breed: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One item of Request Attributes (0040,0275) or Referenced Request (0040,A370)."""

    study: str = ""
    accession: Number = Number()
    placer: Number = Number()
    filler: Number = Number()
    procedure_id: str = ""
    procedure: tuple[Code, ...] = ()
    procedure_text: str = ""
    requester: Person = Person()
    reason_text: str = ""
    reasons: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """General Study and what else is said of the whole study by one instance."""

    uid: str = ""
    date: str = ""
    time: str = ""
    number: str = ""
    accession: Number = Number()
    description: str = ""
    referrer: Person = Person()
    readers: tuple[Person, ...] = ()
    procedures: tuple[Code, ...] = ()
    procedure_text: str = ""
    admission: Number = Number()
    reasons: tuple[Code, ...] = ()
    location: str = ""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """General Series and General Equipment."""

    uid: str = ""
    number: str = ""
    modality: str = ""
    description: str = ""
    date: str = ""
    time: str = ""
    body_part: str = ""
    region: tuple[Code, ...] = ()
    laterality: str = ""
    performers: tuple[Person, ...] = ()
    operators: tuple[Person, ...] = ()
    institution: str = ""
    institution_codes: tuple[Code, ...] = ()
    retrieve_url: str = ""
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    station: str = ""
    device_uid: str = ""
    software: tuple[str, ...] = ()
    specimen: str = ""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Image Pixel module and what a frame reader needs. Zero or "" when there is no image.

    `keyword` is PixelData, FloatPixelData or DoubleFloatPixelData; `offset` and `length` place
    its value in the blob (length -1: encapsulated, running to the end of the fragments).
    """

    frames: int = 0
    rows: int = 0
    columns: int = 0
    samples: int = 0
    bits_allocated: int = 0
    photometric: str = ""
    keyword: str = ""
    offset: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One content item of a structured report (PS3.3 C.17.3.2), in the order of the document.

    `depth` is 0 below the root. `text` is what TEXT, PNAME, DATE, TIME, DATETIME and UIDREF say,
    and the number of a NUM; `code` is the value of a CODE, else the unit of a NUM; `absent` is the
    qualifier of a NUM without a number.
    """

    depth: int = 0
    relationship: str = ""
    kind: str = ""
    concept: Code = Code()
    text: str = ""
    code: Code = Code()
    absent: Code = Code()


@dataclass(frozen=True, slots=True)
class Enclosed:
    """An encapsulated document (PS3.3 C.24.2): where its bytes lie, without the padding byte.

    Of a deflated object `offset` counts in the inflated data set. `sha1` is hexadecimal.
    """

    media_type: str = ""
    offset: int = 0
    length: int = 0
    sha1: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """What a report or encapsulated document says, and who answers for it (PS3.3 C.17.2, C.24.1).

    `verified` is the latest Verification DateTime, `evidence` the studies of the current
    procedure, `predecessors` the SOP Instance UIDs of earlier versions. `cut` says that there are
    more content items than were kept.
    """

    title: Code = Code()
    completion: str = ""
    verification: str = ""
    preliminary: str = ""
    verified: str = ""
    verifiers: tuple[Person, ...] = ()
    authors: tuple[Person, ...] = ()
    predecessors: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    number: str = ""
    items: tuple[Item, ...] = ()
    cut: bool = False
    enclosed: Enclosed = Enclosed()


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """Everything the index, the mapping and the frame reader need of one instance."""

    uid: str
    sop_class: str
    transfer_syntax: str
    patient: PatientFacts
    study: StudyFacts
    series: SeriesFacts
    number: str = ""
    title: str = ""
    offset_from_utc: str = ""
    acquisition: str = ""
    content_date: str = ""
    content_time: str = ""
    image_laterality: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()
    pixels: Pixels = Pixels()
    document: Document = Document()
    warnings: tuple[str, ...] = field(default_factory=tuple)
