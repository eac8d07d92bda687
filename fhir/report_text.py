"""The text of a report: as narrative, as plain text, and how one text became another (mapping 2.5)."""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any, Literal

from fhir.narrative import NAMESPACE
from hl7.report_facts import ADDENDUM, ReportFacts, Section

Json = dict[str, Any]
Change = Literal["same", "grown", "changed"]
PLAIN = "text/plain; charset=UTF-8"

# Characters that XML does not know: a narrative with one of them could not be read.
_NO_XML = dict.fromkeys(
    (*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)
)


def sections_of(report: ReportFacts) -> tuple[Section, ...]:
    """The parts of a report, with the notes of the report itself (NTE) as the last one."""
    notes = "\n".join(note.text for note in report.notes if note.text.strip())
    return (*report.sections, *([Section("note", "Note", notes)] if notes else []))


def plain(sections: Sequence[Section]) -> str:
    """The text with each title on a line of its own, where the text does not begin with it."""
    return "\n\n".join(f"{_heading(one)}{printable(one.text)}" for one in sections)


def narrative(sections: Sequence[Section], language: str) -> str:
    """The text as XHTML, everything in it escaped, in its language."""
    tag = f' lang="{language}" xml:lang="{language}"' if language else ""
    return f'<div xmlns="{NAMESPACE}"{tag}>{_blocks(sections)}</div>'


def extended(div: str, sections: Sequence[Section]) -> str:
    """A narrative of ours with further sections at its end."""
    return div.removesuffix("</div>") + _blocks(sections) + "</div>"


def dated(sections: Sequence[Section], when: str) -> tuple[Section, ...]:
    """The sections of an addendum, each with the time of its issue in the title."""
    return tuple(
        replace(one, title=f"{one.title} ({when})") if one.kind == ADDENDUM and when else one
        for one in sections
    )


def text_in(report: Json) -> str:
    """The plain text of a DiagnosticReport of ours; "" if it has none."""
    for form in report.get("presentedForm", []):
        if form.get("contentType") == PLAIN and "data" in form:
            return b64decode(form["data"]).decode()
    return ""


def change(old: str, new: str) -> Change:
    """How a text differs from an earlier one; blanks and empty lines do not count."""
    before, after = _lines(old), _lines(new)
    if before == after:
        return "same"
    return "grown" if before and after[: len(before)] == before else "changed"


def contains(text: str, part: str) -> bool:
    """Whether all lines of a part stand together in a text."""
    lines, wanted = "\n".join(_lines(text)), "\n".join(_lines(part))
    return f"\n{wanted}\n" in f"\n{lines}\n"


def _lines(text: str) -> list[str]:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line]


def _heading(section: Section) -> str:
    title = printable(section.title)
    said = section.text.casefold().startswith(section.title.casefold())
    return "" if not title or said else f"{title}\n"


def _blocks(sections: Sequence[Section]) -> str:
    return "".join(_block(one) for one in sections)


def _block(section: Section) -> str:
    heading = _heading(section).strip()
    title = f"<h3>{escape(heading, quote=False)}</h3>" if heading else ""
    return f"{title}<p>{markup(section.text)}</p>"


def markup(text: str) -> str:
    """Lines of text as markup, everything in them escaped."""
    return "<br/>".join(escape(line, quote=False) for line in printable(text).split("\n"))


def printable(text: str) -> str:
    """Text without the characters that XML does not know."""
    return text.translate(_NO_XML)
