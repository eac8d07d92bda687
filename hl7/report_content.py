"""What the OBX of one report add up to: text, conclusion codes, results, documents, flags."""

from collections.abc import Iterable

from hl7 import attachments
from hl7.carriers import level_of
from hl7.errors import BadText
from hl7.facts import Note, ObservationFacts
from hl7.faults import Fault, at, warning
from hl7.message import Segment
from hl7.observations import (
    CODED,
    TEXT,
    ObservationValue,
    read_observation,
    read_values,
    value_text,
    value_type,
)
from hl7.report_facts import IMPRESSION, Attachment, ConclusionCode, Line, Mark, Pointer
from hl7.report_text import is_scale, part_of, title_of
from hl7.types import Concept

RESULTS = "results"
# OBX-11 that speaks of an earlier result, and that which has nothing to show here.
_MARKS = frozenset({"D", "W", "U", "X"})
WITHOUT_CONTENT = frozenset({"D", "W", "N", "O"})
# ANS table of restrictions (France): whoever reads OBX has to honour them.
_RESTRICTIONS = "METADMPMSS"
_YES = frozenset({"Y", "O", "YES", "OUI", "TRUE", "1"})


class Content:
    """Collects OBX by OBX; the lists are the content of the report."""

    def __init__(self, limit: int) -> None:
        self.lines: list[Line] = []
        self.conclusion_codes: list[ConclusionCode] = []
        self.observations: list[ObservationFacts] = []
        self.attachments: list[Attachment] = []
        self.pointers: list[Pointer] = []
        self.restrictions: list[str] = []
        self.access: list[str] = []
        self.releases: list[str] = []
        self.marks: list[Mark] = []
        self.warnings: list[Fault] = []
        self._limit = limit

    def take(self, obx: Segment, notes: Iterable[Note]) -> None:
        """Add what one OBX and its notes say."""
        question = Concept.read(obx.field(3))
        if obx.text(3, 3).strip().upper() == _RESTRICTIONS:
            if obx.text(5).strip().upper() in _YES:
                self.restrictions.append(question.code)
            return
        if level_of(obx):
            return
        status = obx.text(11).strip().upper()
        if status in _MARKS:
            self.marks.append(Mark(status, question, obx.text(4).strip()))
        if status in WITHOUT_CONTENT:
            return
        self.access.append(obx.text(13).strip())
        self.releases.append(obx.text(26).strip())
        self._dispatch(obx, question, tuple(notes))

    def _dispatch(self, obx: Segment, question: Concept, notes: tuple[Note, ...]) -> None:
        kind = value_type(obx)
        if kind in TEXT:
            self._take_text(obx, question)
        elif kind == "ED":
            self._take_document(obx, question)
        elif kind == "RP":
            self._take_pointer(obx, question)
        else:
            self._take_result(obx, question, notes)
        for note in notes:
            last = self.lines[-1] if self.lines else Line("", "", "")
            self.lines.append(Line(last.kind, last.title, note.text, last.status))

    def _add_line(self, obx: Segment, question: Concept, kind: str, title: str, text: str) -> None:
        status, sub_id = obx.text(11).strip().upper(), obx.text(4).strip()
        self.lines.append(Line(kind, title, text, status, question, sub_id))

    def _take_text(self, obx: Segment, question: Concept) -> None:
        """A line for each repetition; one without text is a blank line of the section before it."""
        text = "\n".join(line.rstrip() for line in obx.lines(5))
        kind = part_of(question)
        title = title_of(question, kind)
        if not text and self.lines:
            kind, title = self.lines[-1].kind, self.lines[-1].title
        self._add_line(obx, question, kind, title, text)

    def _take_document(self, obx: Segment, question: Concept) -> None:
        try:
            documents = attachments.decode(obx, self._limit)
        except BadText as error:
            self.warnings.append(warning(at(obx, 5), str(error)))
            return
        status = obx.text(11).strip().upper()
        self.attachments += (
            Attachment(data, content_type, question.text, status, question)
            for data, content_type in documents
        )

    def _take_pointer(self, obx: Segment, question: Concept) -> None:
        for value in obx.repetitions(5):
            application = value.text(2).strip()
            self.pointers.append(Pointer(value.text(1).strip(), application, question.text))

    def _take_result(self, obx: Segment, question: Concept, notes: tuple[Note, ...]) -> None:
        values, found = read_values(obx)
        self.warnings += found
        if not values:
            return
        kind = part_of(question)
        if value_type(obx) in CODED and (kind == IMPRESSION or is_scale(question)):
            self.conclusion_codes += (
                ConclusionCode(question, value)
                for value in values
                if isinstance(value, Concept) and value.code
            )
        else:
            self.observations.append(read_observation(obx, values, notes))
        self._add_line(obx, question, *_as_text(obx, question, kind, values))


def _as_text(
    obx: Segment, question: Concept, kind: str, values: tuple[ObservationValue, ...]
) -> tuple[str, str, str]:
    """Kind, title and text of a value: under the heading of its part, else beside its name."""
    units = Concept.read(obx.field(6))
    text = ", ".join(value_text(value, units) for value in values)
    if kind:
        return kind, title_of(question, kind), text
    return RESULTS, "", f"{question.text or question.code}: {text}"
