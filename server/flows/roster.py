"""Finding a patient at the desk: one box for a name, a number or a birth date."""

import re
from dataclasses import dataclass
from typing import Any

from fhir import wire
from server.errors import Invalid
from server.flows import searching
from server.flows.access import Grant
from server.flows.actors import DESK
from server.flows.audit import Reading
from server.flows.picking import named
from server.flows.sites import House

PAGE = 25
_LONGEST = 100
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[./ ](\d{1,2})[./ ](\d{4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Number:
    """A number that names a patient, and whose it is."""

    system: str
    value: str
    use: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One patient in a list."""

    id: str
    name: str
    birth_date: str
    gender: str
    numbers: tuple[Number, ...]
    active: bool


def find(house: House, grant: Grant, text: str, cursor: str) -> tuple[list[Line], str, Reading]:
    """The patients whom a text may mean, where the next page begins, and the event of the search.

    What has a digit is a birth date or a number, else it is the beginnings of names. A number that
    names nobody is looked for as a name as well.
    """
    text = " ".join(text.split())
    if not text or len(text) > _LONGEST:
        raise Invalid(f"look for a name, a number or a birth date of at most {_LONGEST} characters")
    found = _search(house, grant, _words(text), cursor)
    if not found[0] and not cursor and "identifier" in dict(_words(text)) and "|" not in text:
        found[2].end()
        found = _search(house, grant, _names(text), cursor)
    return found


def _words(text: str) -> list[tuple[str, str]]:
    """The search of FHIR that a text means."""
    day, day_first = _DAY.fullmatch(text), _DAY_FIRST.fullmatch(text)
    if day:
        return [("birthdate", "-".join(day.groups()))]
    if day_first:
        date, month, year = day_first.groups()
        return [("birthdate", f"{year}-{month:0>2}-{date:0>2}")]
    if any(char.isdigit() for char in text) or "|" in text:
        return [("identifier", _escaped(text, "\\,$"))]
    return _names(text)


def _names(text: str) -> list[tuple[str, str]]:
    return [("name", _escaped(word, "\\,|$")) for word in text.replace("^", " ").split()]


def _escaped(text: str, special: str) -> str:
    """A value of a search parameter in which nothing has a meaning of its own (R4 search 3.1.1.4)."""
    return "".join(f"\\{char}" if char in special else char for char in text)


def _search(
    house: House, grant: Grant, words: list[tuple[str, str]], cursor: str
) -> tuple[list[Line], str, Reading]:
    words = [*words, ("_sort", "family,birthdate")]
    words += [("_cursor", cursor)] if cursor else []
    query = searching.understood(house, "Patient", words)
    page, reading = searching.search(house, grant, query, count=PAGE, door=DESK)
    return [line(wire.read(one.text)) for one in page.matches], page.next, reading


def line(body: dict[str, Any]) -> Line:
    """A Patient as one line."""
    numbers = [
        Number(one.get("system", ""), one["value"], one.get("use", ""))
        for one in body.get("identifier", [])
        if "value" in one
    ]
    return Line(
        body["id"],
        named(body),
        body.get("birthDate", ""),
        body.get("gender", ""),
        tuple(numbers),
        body.get("active", True) is not False,
    )
