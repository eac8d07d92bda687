"""A structured report as text: its content items in sections, and these as a page (mapping 1.8)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape

from dicom.facts import Code, Document, Item
from fhir.datetimes import fhir_date
from fhir.names import display_name
from fhir.report_text import markup, printable
from fhir.text import clean
from hl7.report_facts import IMPRESSION, Section

HTML = "text/html; charset=UTF-8"
LOINC_IMPRESSION = "19005-8"
# Conclusions, Conclusion, Impressions, Impression (PS3.16 annex D), and LOINC's word for them.
_CONCLUSIONS = frozenset({"121076", "121077", "121072", "121073", LOINC_IMPRESSION})
# What names the part of a report that a text is: as the title of one line it says nothing.
_PARTS = frozenset({"121060", "121071", "121073", "121075", "121077", "121111", *_CONCLUSIONS})
_LANGUAGE = "121049"
# Schemes whose codes are language tags as FHIR has them (BCP 47).
_TAGS = ("RFC", "IETF", "ISO639_1", "ISO639-1")
_IMAGE_LIBRARY = "111028"
_ABOUT = frozenset({"HAS OBS CONTEXT", "HAS CONCEPT MOD", "HAS ACQ CONTEXT"})
_CONTEXT = "About this report"
_CUT = "This report is longer than what is shown here. The DICOM document holds all of it."


@dataclass(frozen=True, slots=True)
class Told:
    """What the content of a report says: its sections, and the codes of its conclusion."""

    sections: tuple[Section, ...] = ()
    conclusion: str = ""
    codes: tuple[Code, ...] = ()
    language: str = ""


def told(document: Document) -> Told:
    """Read the content items of a report."""
    reader = _Reader()
    for item in document.items:
        reader.take(item)
    sections = reader.finish()
    if document.cut:
        sections.append(Section("note", "Note", _CUT))
    conclusion = "\n".join(reader.conclusion)
    return Told(tuple(sections), conclusion, tuple(reader.codes), reader.language)


@dataclass(slots=True)
class _Reader:
    """Walks the items once; `path` holds the containers around the present one, by depth.

    `begun` says that a container has begun of which nothing was told yet.
    """

    path: list[tuple[int, str, bool]] = field(default_factory=list)
    parts: list[tuple[str, str, list[str]]] = field(default_factory=list)
    context: list[str] = field(default_factory=list)
    conclusion: list[str] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    language: str = ""
    skipped: int | None = None
    begun: bool = False

    def take(self, item: Item) -> None:
        """Take the next item."""
        if self.skipped is not None and item.depth > self.skipped:
            return
        self.skipped = None
        while self.path and self.path[-1][0] >= item.depth:
            self.path.pop()
        if item.concept.value == _IMAGE_LIBRARY:
            self.skipped = item.depth
        elif item.kind == "CONTAINER":
            concludes = self._concludes() or item.concept.value in _CONCLUSIONS
            self.path.append((item.depth, clean(item.concept.meaning), concludes))
            self.begun = True
        elif item.depth == 0 and item.relationship in _ABOUT:
            self._about(item)
        else:
            self._line(item)

    def finish(self) -> list[Section]:
        """All sections, what was said of the report itself as the last one."""
        made = [Section(kind, title, "\n".join(lines)) for kind, title, lines in self.parts]
        if self.context:
            made.append(Section("context", _CONTEXT, "\n".join(self.context)))
        return made

    def _concludes(self) -> bool:
        return bool(self.path) and self.path[-1][2]

    def _about(self, item: Item) -> None:
        if item.concept.value == _LANGUAGE:
            scheme = item.code.scheme.upper()
            coded = scheme.startswith(_TAGS)
            self.language = item.code.value if coded else ""
            self.skipped = item.depth
        elif line := _line(item, ""):
            self.context.append(line)

    def _line(self, item: Item) -> None:
        title = self.path[-1][1] if self.path else ""
        concludes = self._concludes() or item.concept.value in _CONCLUSIONS
        if concludes and item.kind == "CODE" and item.relationship == "CONTAINS":
            self.codes.append(item.code)
        line = _line(item, title)
        if not line:
            return
        if concludes and item.kind == "TEXT":
            self.conclusion.append(line)
        if concludes and not self.path:
            title = clean(item.concept.meaning)
        key = (IMPRESSION if concludes else "", title)
        if self.begun or not self.parts or self.parts[-1][:2] != key:
            self.parts.append((*key, []))
        self.begun = False
        self.parts[-1][2].append(line)


def _line(item: Item, title: str) -> str:
    """One item as text, after its name where that says more than the title of its section."""
    value, name = value_of(item), clean(item.concept.meaning)
    if not value:
        return ""
    plain = item.kind == "TEXT" and item.concept.value in _PARTS
    if not name or plain or (item.kind == "TEXT" and name.casefold() == title.casefold()):
        return value
    return f"{name}: {value}"


def value_of(item: Item) -> str:
    """The value of an item as a reader understands it; "" for pictures, places and UIDs."""
    match item.kind:
        case "TEXT" | "TIME" | "DATETIME":
            return "\n".join(clean(item.text).splitlines())
        case "CODE":
            return clean(item.code.meaning or item.code.value)
        case "NUM":
            unit = "" if item.code.value == "1" else clean(item.code.value or item.code.meaning)
            number = clean(item.text) or clean(item.absent.meaning)
            return f"{number} {unit}".strip() if item.text else number
        case "DATE":
            return fhir_date(item.text) or clean(item.text)
        case "PNAME":
            return display_name(item.text)
    return ""


def page(title: str, status: str, sections: Iterable[Section], language: str) -> str:
    """The report as a page of its own: headings in order, everything escaped, nothing that runs."""
    tag = f' lang="{escape(language)}"' if language else ""
    heading = escape(printable(clean(title)) or "Report")
    parts = "".join(_sections(sections))
    state = f"<p><strong>{escape(status)}</strong></p>" if status else ""
    return (
        f'<!DOCTYPE html>\n<html{tag}><head><meta charset="UTF-8"/><title>{heading}</title></head>'
        f"<body><main><h1>{heading}</h1>{state}{parts}</main></body></html>\n"
    )


def _sections(sections: Iterable[Section]) -> Iterator[str]:
    for one in sections:
        heading = printable(one.title).strip()
        yield "<section>" + (f"<h2>{escape(heading)}</h2>" if heading else "")
        yield f"<p>{markup(one.text)}</p></section>"
