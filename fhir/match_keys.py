"""What tokens, names and references are compared by, on both sides: in index rows and in searches."""

import re

from fhir.identifiers import bare_uid
from fhir.search_params import Param
from fhir.text import fold

_REFERENCE = re.compile(
    r"(?P<base>https?://\S+/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.-]{1,64})(/_history/\S+)?",
    re.ASCII,
)
_SOUNDS = {
    letter: digit
    for digit, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), start=1)
    for letter in letters
}


def token_key(param: Param, value: str) -> str:
    """What a code or value is compared by: UIDs bare, identifiers exact, codes without case."""
    if param.flavour == "contact":
        return _contact_key(value)
    key = bare_uid(value.strip())
    return key if param.flavour in ("identifier", "exact") else key.casefold()


def string_key(param: Param, value: str) -> str:
    """What a text is compared by: folded, or by its sound."""
    return sound(value) if param.flavour == "phonetic" else fold(value)


def local_reference(reference: str, base: str) -> tuple[str, str] | None:
    """Type and id of a reference into this server, whatever its spelling; None for any other."""
    match = _REFERENCE.fullmatch(reference)
    if match is None or match["base"] not in (None, f"{base.rstrip('/')}/"):
        return None
    return match["type"], match["id"]


def sound(text: str) -> str:
    """The Soundex of each word, equal for names that sound alike; other scripts stay as they are."""
    words = (word for word in fold(text).split() if word[0].isalpha())
    return " ".join(_soundex(word) if word.isascii() else word for word in words)


def _soundex(word: str) -> str:
    digits = ""
    previous = _SOUNDS.get(word[0])
    for letter in word[1:]:
        digit = _SOUNDS.get(letter)
        if digit and digit != previous:
            digits += str(digit)
        if letter not in "hw":
            previous = digit
    return f"{word[0]}{digits}000"[:4]


def _contact_key(value: str) -> str:
    """A mail address without case; of a telephone number its digits and a leading plus."""
    text = value.strip().casefold().removeprefix("mailto:").removeprefix("tel:")
    if any(letter.isalpha() for letter in text):
        return text
    return "".join(letter for letter in text if letter.isdigit() or letter == "+")
