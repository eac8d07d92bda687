"""What a Magic Link's disc shows to who has nothing but a browser: pages, pictures, reports.

Pictures are made one at a time, as they leave, and of a large series only some, evenly: a disc of
a thousand slices must not take minutes. Names say nothing of the person or of the examination.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from dicom.errors import DicomError
from server.errors import Gone, Missing
from server.flows import holding, pictures, pixels
from server.flows.access import Grant
from server.flows.contents import Content
from server.flows.holding import Person, ReportShown, SeriesShown, StudyShown
from server.flows.sites import House

# Most pictures of a series, and of a disc as long as each series has its few.
MOST = 200
MOST_OF_DISC = 1000
FEWEST = 5
# A series is left when so many of its pictures could not be made: each may take a while.
_PATIENCE = 3
# Documents that open without danger from a folder: a page of its sender's would run scripts there.
_ENDINGS = {
    "application/pdf": "PDF",
    "image/jpeg": "JPG",
    "image/png": "PNG",
    "text/plain": "TXT",
}

# Name, length and bytes of a file on the disc.
File = tuple[str, int, Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A picture on the disc: its file, and which it is of its series."""

    file: str
    number: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A series on the disc: its name there, and those of its pictures that are shown."""

    name: str
    study: StudyShown
    series: SeriesShown
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A document on the disc: its file and its title."""

    file: str
    title: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A report on the disc: its name there, and its documents."""

    name: str
    report: ReportShown
    documents: tuple[Document, ...]


class Pages(Protocol):
    """Writes the pages, in the holder's language."""

    def index(self, person: Person, sheets: Sequence[Sheet], letters: Sequence[Letter]) -> str:
        """The page that everything is found from."""

    def sheet(self, person: Person, sheet: Sheet) -> str:
        """The page of a series."""

    def letter(self, person: Person, letter: Letter) -> str:
        """The page of a report."""

    def files(self) -> Sequence[tuple[str, str]]:
        """Name and text of what the pages share."""


def files(house: House, grant: Grant, person: Person, pages: Pages) -> Iterator[File]:
    """Everything that is seen without a program for DICOM, the page that leads to it last."""
    sheets, letters = list[Sheet](), list[Letter]()
    for name, text in pages.files():
        yield _text(name, text)
    for sheet, rows in _sheets(house, grant):
        leaves = list[Leaf]()
        for leaf, data in _pictures(house, grant, sheet, rows):
            leaves.append(leaf)
            yield f"VIEWER/{leaf.file}", len(data), [data]
        sheets.append(Sheet(sheet.name, sheet.study, sheet.series, tuple(leaves)))
        yield _text(f"VIEWER/{sheet.name}.HTM", pages.sheet(person, sheets[-1]))
    for letter, contents in _letters(house, grant):
        for document, content in zip(letter.documents, contents, strict=True):
            yield f"REPORTS/{document.file}", content.length, content.chunks()
        letters.append(letter)
        yield _text(f"REPORTS/{letter.name}.HTM", pages.letter(person, letter))
    yield _text("INDEX.HTM", pages.index(person, sheets, letters))


def _text(name: str, text: str) -> File:
    data = text.encode()
    return name, len(data), [data]


def _sheets(house: House, grant: Grant) -> Iterator[tuple[Sheet, Sequence[Any]]]:
    """Each series with its chosen pictures: instance and frame by number."""
    known = holding.studies(house, grant)
    every = [(study, series) for study in known for series in study.series]
    most = max(FEWEST, min(MOST, MOST_OF_DISC // max(1, len(every))))
    for nth, (study, series) in enumerate(every, 1):
        try:
            rows = pixels.select(house, grant, study.uid, series.uid).rows
        except (Missing, Gone):  # it has gone while the disc was being written
            continue
        framed = [(row, frame) for row in rows for frame in range(1, (row.frames or 0) + 1)]
        chosen = [(number, *framed[number - 1]) for number in spread(len(framed), most)]
        yield Sheet(f"SE{nth:06d}", study, series, ()), chosen


def spread(count: int, most: int) -> Sequence[int]:
    """At most so many of the numbers from 1 to `count`, evenly, the first and the last with them."""
    if count <= most:
        return range(1, count + 1)
    return [1 + step * (count - 1) // (most - 1) for step in range(most)]


def _pictures(
    house: House, grant: Grant, sheet: Sheet, chosen: Sequence[Any]
) -> Iterator[tuple[Leaf, bytes]]:
    """The pictures of a series that can be made."""
    failed = 0
    for number, row, frame in chosen:
        if failed >= _PATIENCE:
            return
        failed += 1
        with suppress(DicomError, Missing):
            made = pictures.small(house, grant, row, frame)
            failed -= 1
            yield Leaf(f"{sheet.name}/IM{number:06d}.JPG", number), made.data


def _letters(house: House, grant: Grant) -> Iterator[tuple[Letter, list[Content]]]:
    """The reports that may be read now, with those of their documents that open anywhere."""
    kept = holding.documents(house, grant)
    shown = [one for one in holding.reports(house, grant) if one.state == "shown"]
    nth = 0
    for number, report in enumerate(shown, 1):
        documents, contents = list[Document](), list[Content]()
        for one in report.documents:
            if one.id in kept and one.content_type in _ENDINGS:
                nth += 1
                file = f"DO{nth:06d}.{_ENDINGS[one.content_type]}"
                documents.append(Document(file, one.title))
                contents.append(kept[one.id])
        yield Letter(f"RE{number:06d}", report, tuple(documents)), contents
