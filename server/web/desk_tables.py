"""Tables of the desk as its one template for tables takes them: rows of cells under their heads."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Act:
    """A button that stands in a cell: where its form goes, what it says, and what it carries."""

    address: str
    label: str
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a text that may lead somewhere, lines below it (texts and where they lead, "" for
    nowhere), a mark, a button.
    """

    text: str = ""
    href: str = ""
    lines: tuple[str | tuple[str, str], ...] = ()
    mark: str = ""
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `empty` is said in its place when it has no rows."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str


def table(
    caption: str, heads: Iterable[str], rows: Iterable[Iterable[Cell | str]], empty: str
) -> Table:
    """A table of cells; a bare text is a cell of its own."""
    made = tuple(
        tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows
    )
    return Table(caption, tuple(heads), made, empty)
