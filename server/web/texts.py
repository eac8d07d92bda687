"""What the pages of people who log in say, in every language: one JSON file of sentences for each."""

import json
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from flask import Response, request

from server.web.share_texts import LANGUAGES

_FOLDER = Path(__file__).parent / "languages" / "people"
_COOKIE = "triptych-language"
_YEAR = 365 * 86_400


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> dict[str, str]:
    """Every sentence in a language, by name."""
    found: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return found


def text(language: str, name: str, **values: object) -> str:
    """A sentence in a language, with its values put in."""
    return texts(language)[name].format(**values)


def speaker(language: str) -> Callable[..., str]:
    """What gives each sentence in a language."""
    return partial(text, language)


def language() -> str:
    """The reader's language: as chosen here before, else as the browser says, else English."""
    for chosen in (request.args.get("lang", ""), request.cookies.get(_COOKIE, "")):
        if chosen in LANGUAGES:
            return chosen
    asked = (tag.partition("-")[0].lower() for tag in request.accept_languages.values())
    return next((one for one in asked if one in LANGUAGES), "en")


def remember(response: Response) -> None:
    """Name the language of a page, and keep what was chosen by `?lang=` for the next ones."""
    chosen = language()
    response.headers["Content-Language"] = chosen
    if request.args.get("lang", "") == chosen:
        response.set_cookie(_COOKIE, chosen, max_age=_YEAR, samesite="Lax", path="/")
