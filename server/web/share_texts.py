"""What the pages of Magic Links say, in every language: one JSON file of sentences for each."""

import json
from functools import lru_cache, partial
from pathlib import Path

from server.clock import moment

_FOLDER = Path(__file__).parent / "languages"
LANGUAGES = ("en", "es", "ca", "fr", "de", "pt", "ar")
_RIGHT_TO_LEFT = ("ar",)


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> dict[str, str]:
    """Every sentence in a language, by name."""
    found: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return found


def text(language: str, name: str, **values: object) -> str:
    """A sentence in a language, with its values put in."""
    return texts(language)[name].format(**values)


def in_every_language(*names: str) -> str:
    """Sentences in every language, one language a paragraph: for what leaves without its page."""
    said = (" ".join(text(one, name) for name in names) for one in LANGUAGES)
    return "\n\n".join(said) + "\n"


def day(language: str, told: str | int) -> str:
    """A DICOM date, a FHIR time or a moment of ours as a day, in words."""
    word = moment(told).strftime("%Y%m%d") if isinstance(told, int) else told[:10].replace("-", "")
    if len(word) != 8 or not word.isascii() or not word.isdigit():
        return str(told)
    months = texts(language)["months"].split()
    month = int(word[4:6])
    named = months[month - 1].replace("_", " ") if 1 <= month <= 12 else word[4:6]
    return text(language, "date", day=int(word[6:]), month=named, year=word[:4])


def spoken(language: str) -> dict[str, object]:
    """What a template takes to speak a language."""
    return {
        "lang": language,
        "dir": "rtl" if language in _RIGHT_TO_LEFT else "ltr",
        "t": partial(text, language),
        "day": partial(day, language),
    }
