"""What opens a Magic Link besides its address: a birth date, a PIN, a code that works once, or
being signed in as the person whom it is for.
"""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import permutations
from typing import Any

from server.flows import passwords
from server.flows.patients import load_facts
from server.flows.sites import House

NAMED = "named-person"
DAY = 86_400 * 1_000_000
_CODE = 12
_PIN = 6
_DATE = 8


@dataclass(frozen=True, slots=True)
class Factor:
    """One way to prove who one is: the letter that begins its links, and how long one may live.

    The letter lets a page ask the right question without looking whether there is such a link.
    """

    name: str
    letter: str
    longest: int


# A birth date is known to relatives and quickly guessed: not for long (rules of Magic Links).
FACTORS = {
    one.name: one
    for one in (
        Factor("birth-date", "b", 30 * DAY),
        Factor("pin", "p", 365 * DAY),
        Factor("otp", "o", 365 * DAY),
        Factor(NAMED, "n", 365 * DAY),
    )
}


def draw_token(factor: str) -> str:
    """The secret of a link's address: 160 bits behind the factor's letter."""
    return FACTORS[factor].letter + secrets.token_urlsafe(20)


def asked_by(token: str) -> str:
    """The factor that a link's address asks for, whether there is such a link or not."""
    return next((one.name for one in FACTORS.values() if one.letter == token[:1]), "pin")


def draw_code() -> str:
    """A code of 12 digits, for who was told it and has no link: digits are said alike everywhere."""
    return f"{secrets.randbelow(10**_CODE):0{_CODE}d}"


def draw_pin() -> str:
    """A PIN, or a code that works once."""
    return f"{secrets.randbelow(10**_PIN):0{_PIN}d}"


def spoken(code: str) -> str:
    """A code in groups, as it is said and written."""
    return " ".join(code[at : at + 4] for at in range(0, len(code), 4))


def code_digest(key: str, code: str) -> str:
    """What is kept of a code. It is short, so that finding it from its digest must be costly."""
    salt = bytes.fromhex(key)
    return hashlib.scrypt(digits(code).encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=32).hex()


def digits(text: str) -> str:
    """The digits of a text in any script, at most 32, as ASCII."""
    found = (str(unicodedata.digit(char, "")) for char in text[: passwords.LONGEST])
    return "".join(found)[:32]


def birth_dates(text: str) -> set[str]:
    """The dates, as YYYYMMDD, that somebody may mean: in any order that is a date."""
    plain = "".join(_plain(char) for char in text[:64])
    words = plain.split()
    if len(words) == 1 and len(words[0]) == _DATE:
        word = words[0]
        return {*_dates((word[:2], word[2:4], word[4:])), *_dates((word[:4], word[4:6], word[6:]))}
    return set(_dates(tuple(words))) if len(words) == 3 else set()


def _plain(char: str) -> str:
    digit = unicodedata.digit(char, None)
    return " " if digit is None else str(digit)


def _dates(words: tuple[str, ...]) -> Iterator[str]:
    """Year first or last, of four digits; day and month in either order."""
    for year, month, day in permutations(words):
        if len(year) == 4 and len(month) <= 2 and len(day) <= 2 and year != words[1]:
            try:
                yield date(int(year), int(month), int(day)).strftime("%Y%m%d")
            except ValueError:
                continue


def fits(house: House, row: Any, facts: str, answer: str, person: str = "") -> bool:
    """Whether an answer is the one of a link; of no link none is, and that takes as long to say.

    `person` is the account that is signed in: a link of a named person asks for nothing else.
    """
    kept = row.answer if row is not None else ""
    said = house.passwords.verify(kept, digits(answer))
    if row is not None and row.factor == NAMED:
        return bool(person) and person == row.person
    if row is None or row.factor != "birth-date":
        return said
    born = load_facts(facts).birth_date
    return bool(born) and born in birth_dates(answer)
