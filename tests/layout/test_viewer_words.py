"""The viewer's words: every language says everything, with the same blanks, and nothing unused."""

import json
import re
from pathlib import Path

import pytest

from tests.support.tree import files_ending, read

FOLDER = Path("smart_apps/viewer")
TABLES = {
    path.stem: json.loads(read(path)) for path in files_ending(".json") if FOLDER in path.parents
}
ENGLISH = TABLES["en"]


def sources() -> str:
    """Page and scripts of the viewer."""
    return "".join(read(path) for path in files_ending(".js", ".html") if FOLDER in path.parents)


def test_the_languages_are_those_that_the_page_offers() -> None:
    offered = re.search(r"LANGUAGES = \{(.*)\}", sources())
    assert offered is not None
    assert set(re.findall(r"(\w\w): ", offered[1])) == set(TABLES)


@pytest.mark.parametrize("language", sorted(TABLES))
def test_every_sentence_is_there_with_its_blanks(language: str) -> None:
    table = TABLES[language]
    assert list(table) == list(ENGLISH)
    assert [key for key, text in table.items() if not text.strip()] == []
    blanks = {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in table.items()}
    assert blanks == {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in ENGLISH.items()}


def test_every_sentence_is_used_and_every_one_used_is_there() -> None:
    text = sources()
    used = set(re.findall(r"\bt\(\"([\w.-]+)\"", text))
    used |= set(re.findall(r"data-(?:word|label)=\"([\w.-]+)\"", text))
    for pair in re.findall(r"\bt\([^\"]*\? \"([\w.]+)\" : \"([\w.]+)\"\)", text):
        used |= set(pair)
    # Sentences found by a kind: `side.${side}`.
    families = set(re.findall(r"\bt\(`([a-z]+)\.\$\{", text))
    assert used - set(ENGLISH) == set()
    unused = {key for key in ENGLISH if key not in used and key.split(".")[0] not in families}
    assert unused == set()
