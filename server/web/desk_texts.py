"""What the desk says, in every language: one JSON file of sentences for each."""

import json
from functools import lru_cache, partial
from pathlib import Path

from server.web import share_texts
from server.web.share_texts import LANGUAGES

_FOLDER = Path(__file__).parent / "languages" / "desk"


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> dict[str, str]:
    """Every sentence in a language, by name."""
    found: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return found


def text(language: str, name: str, **values: object) -> str:
    """A sentence in a language, with its values put in."""
    return texts(language)[name].format(**values)


def said(language: str, family: str, name: str) -> str:
    """A word of a family, as `state.open`; the word itself where the desk has no other for it."""
    return texts(language).get(f"{family}.{name}", name)


def spoken(language: str) -> dict[str, object]:
    """What a template takes to speak a language."""
    return share_texts.spoken(language) | {
        "t": partial(text, language),
        "said": partial(said, language),
    }
