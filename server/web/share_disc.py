"""The pages of a Magic Link's disc: plain files that a browser shows without a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from server.flows.album import Letter, Sheet
from server.flows.holding import Person
from server.web import pages as templates_of
from server.web.share_texts import spoken

_STATIC = Path(__file__).parent / "static"


def _static(*names: str) -> str:
    return "".join((_STATIC / name).read_text(encoding="utf-8") for name in names)


@dataclass(frozen=True, slots=True)
class DiscPages:
    """Writes the pages of a disc in one language. `made` is the moment of the copy."""

    language: str
    made: int

    def index(self, person: Person, sheets: Sequence[Sheet], letters: Sequence[Letter]) -> str:
        """The page that everything is found from."""
        studies = [(study, tuple(found)) for study, found in groupby(sheets, lambda one: one.study)]
        values = {"studies": studies, "letters": letters, "made": self.made}
        return self._page("disc_index.html", person, "VIEWER/", **values)

    def sheet(self, person: Person, sheet: Sheet) -> str:
        """The page of a series: a stack, or without a script one picture below the other."""
        return self._page("disc_series.html", person, "", sheet=sheet)

    def letter(self, person: Person, letter: Letter) -> str:
        """The page of a report."""
        values = {"report": letter.report, "documents": letter.documents}
        return self._page("disc_report.html", person, "../VIEWER/", **values)

    def files(self) -> Sequence[tuple[str, str]]:
        """The style sheet and the script that the pages share."""
        style = _static("pages.css", "link.css", "disc.css")
        return (("VIEWER/STYLE.CSS", style), ("VIEWER/STACK.JS", _static("stack.js")))

    def _page(self, template: str, person: Person, shared: str, **values: object) -> str:
        words = spoken(self.language) | {"style": f"{shared}STYLE.CSS", "person": person}
        return templates_of.templates().get_template(template).render(words | values)
