"""The sentences of the pages of people who log in: every language says all of them."""

import re
from pathlib import Path
from string import Formatter

import pytest

from server.errors import Fault
from server.web.share_texts import LANGUAGES
from server.web.texts import texts
from tests.support.tree import ROOT

TEMPLATES = ROOT / "server" / "web" / "templates"


def blanks(sentence: str) -> set[str]:
    """The values that a sentence takes."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_what_the_login_pages_say_in_english(language: str) -> None:
    english, own = texts("en"), texts(language)
    assert list(own) == list(english)
    assert [name for name in english if blanks(own[name]) != blanks(english[name])] == []


def pages() -> list[Path]:
    """The templates of people who log in, and what they include."""
    found = sorted(TEMPLATES.glob("*.html"))
    mine = [path for path in found if '{% extends "people.html" %}' in path.read_text()]
    return [*mine, TEMPLATES / "people.html", TEMPLATES / "new_password.html"]


def test_no_page_says_what_no_catalogue_holds() -> None:
    said = {
        name for path in pages() for name in re.findall(r'\bt\("([^"]+[^".])"', path.read_text())
    }
    assert said - set(texts("en")) == set()
    assert len(said) > 40


def test_the_pages_say_of_an_error_what_the_table_of_errors_says() -> None:
    kinds: list[type[Fault]] = [Fault, *Fault.__subclasses__()]
    told = {f"plain.{one.answer.http}": one.answer.patient for one in kinds}
    english = {name: said for name, said in texts("en").items() if name.startswith("plain.")}
    assert {name: told[name] for name in english} == english
