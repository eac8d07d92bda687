"""Facts of reports: text in sections, conclusion, documents, results, and what they belong to."""

from dataclasses import dataclass
from itertools import groupby

from hl7.facts import (
    NO_UIDS,
    Header,
    Note,
    ObservationFacts,
    OrderFacts,
    PatientFacts,
    Uids,
    VisitFacts,
)
from hl7.faults import Fault
from hl7.moments import NEVER, Moment
from hl7.types import NO_ORDER, NOTHING_CODED, Concept, OrderNumber, Person

IMPRESSION = "impression"
ADDENDUM = "addendum"


@dataclass(frozen=True, slots=True)
class Line:
    """What one OBX adds to the text. `kind` is the part of the report, "" for its body."""

    kind: str
    title: str
    text: str
    status: str = ""
    code: Concept = NOTHING_CODED
    sub_id: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Neighbouring lines of one part of the report."""

    kind: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document in the message (ED), decoded. `content_type` is what the bytes are."""

    data: bytes
    content_type: str
    title: str = ""
    status: str = ""
    code: Concept = NOTHING_CODED


@dataclass(frozen=True, slots=True)
class Pointer:
    """A document elsewhere (RP). Nothing here fetches it."""

    address: str
    application: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class ConclusionCode:
    """A coded impression, or the category of a known scale such as BI-RADS."""

    question: Concept
    answer: Concept


@dataclass(frozen=True, slots=True)
class Mark:
    """An OBX that says something about an earlier one: D, W, U or X in OBX-11."""

    status: str
    code: Concept
    sub_id: str = ""


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """One report and the orders it answers, of which the first is the main one.

    `status` is OBR-25 as sent, and where that is empty what OBX-11 implies: F or P. `restrictions`
    name the privacy flags that are set, `access` and `releases` all values of OBX-13 and OBX-26.
    """

    orders: tuple[OrderFacts, ...]
    status: str = ""
    status_implied: bool = False
    number: OrderNumber = NO_ORDER
    code: Concept = NOTHING_CODED
    started: Moment = NEVER
    ended: Moment = NEVER
    issued: Moment = NEVER
    interpreters: tuple[Person, ...] = ()
    assistants: tuple[Person, ...] = ()
    technicians: tuple[Person, ...] = ()
    transcriptionists: tuple[Person, ...] = ()
    lines: tuple[Line, ...] = ()
    conclusion_codes: tuple[ConclusionCode, ...] = ()
    observations: tuple[ObservationFacts, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    pointers: tuple[Pointer, ...] = ()
    uids: Uids = NO_UIDS
    restrictions: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def sections(self) -> tuple[Section, ...]:
        """The text in its parts, in the order of the message."""
        parts = groupby(self.lines, key=lambda line: (line.kind, line.title))
        sections = (
            Section(kind, title, "\n".join(line.text for line in lines).strip("\n"))
            for (kind, title), lines in parts
        )
        return tuple(section for section in sections if section.text)

    @property
    def text(self) -> str:
        """The whole report as plain text, each section under its title."""
        return "\n\n".join(_headed(section) for section in self.sections)

    @property
    def conclusion(self) -> str:
        """The impression alone; "" where none is marked as such."""
        return "\n\n".join(one.text for one in self.sections if one.kind == IMPRESSION)

    @property
    def addendum_only(self) -> bool:
        """Whether all text is an addendum, which is added to the earlier text."""
        kinds = {section.kind for section in self.sections}
        return kinds == {ADDENDUM}

    @property
    def wrong(self) -> bool:
        """Whether the sender says that a result was filed under the wrong patient."""
        return any(mark.status == "W" for mark in self.marks)


def _headed(section: Section) -> str:
    """Put the title above the text, unless the text begins with it."""
    title = section.title
    if not title or section.text.casefold().startswith(title.casefold()):
        return section.text
    return f"{title}\n{section.text}"


@dataclass(frozen=True, slots=True)
class PatientReports:
    """The reports about one patient. `responses` only say what became of an order."""

    patient: PatientFacts | None = None
    visit: VisitFacts | None = None
    reports: tuple[ReportFacts, ...] = ()
    responses: tuple[OrderFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportMessage:
    """ORU."""

    header: Header
    patients: tuple[PatientReports, ...] = ()
    warnings: tuple[Fault, ...] = ()
