"""The desk's words: every language says everything, with the same blanks, and nothing unused."""

import json
import re
from pathlib import Path
from string import Formatter

import pytest

from server.app import ROUTES
from server.flows import factors, handing, inbox, operate, oversight, queue, reviewing, worker
from server.web.share_texts import LANGUAGES
from tests.support.tree import ROOT

WEB = ROOT / "server" / "web"
TABLES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((WEB / "languages" / "desk").glob("*.json"))
}
ENGLISH = TABLES["en"]
# Found by a word of ours that is not written out in a page.
FAMILIES = {"nav", "error", "done", "span", "accept", "refuse", "factor"}


def sources() -> str:
    """Templates and handlers of the desk."""
    files = [*WEB.glob("templates/desk*.html"), *WEB.glob("desk*.py")]
    return "".join(path.read_text(encoding="utf-8") for path in files)


def blanks(sentence: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(sentence) if name)


def test_the_languages_are_those_that_the_pages_offer() -> None:
    assert set(TABLES) == set(LANGUAGES)


@pytest.mark.parametrize("language", sorted(TABLES))
def test_every_sentence_is_there_with_its_blanks(language: str) -> None:
    table = TABLES[language]
    assert list(table) == list(ENGLISH)
    assert [name for name, text in table.items() if not text.strip()] == []
    assert {name: blanks(text) for name, text in table.items()} == {
        name: blanks(text) for name, text in ENGLISH.items()
    }


def test_every_sentence_is_used_and_every_one_used_is_there() -> None:
    text = sources()
    used = set(re.findall(r"\bt\(\s*\"([\w.-]+[\w])\"", text))
    families = FAMILIES | set(re.findall(r"\bsaid\(\"([a-z-]+)\"", text))
    assert {name for name in used if not name.startswith("sheet.")} - set(ENGLISH) == set()
    unused = {name for name in ENGLISH if name not in used and name.split(".")[0] not in families}
    assert unused == set()


def test_there_is_a_word_for_every_kind_and_state_that_there_may_be() -> None:
    doors = {route.door for route in ROUTES} - {"ops", "apps"} | {
        "dimse",
        "mllp",
        "command",
        "import",
    }
    assert set(oversight.DOORS) == doors
    families = {
        "review": reviewing.KINDS,
        "accept": {kind.name for kind in reviewing.KINDS.values()},
        "state": queue.STATES,
        "message": inbox.STATES,
        "door": oversight.DOORS,
        "factor": factors.FACTORS,
        "factor.hint": handing.OFFERED,
        "span": handing.SPANS,
        "job": {*worker.HANDLERS, *worker.OUTBOX},
        "jobs-state": operate.JOB_STATES,
    }
    said = {f"{family}.{name}" for family, names in families.items() for name in names}
    assert said - set(ENGLISH) == set()


def test_every_page_of_the_desk_has_a_frame() -> None:
    pages = list(Path(WEB / "templates").glob("desk_*.html"))
    framed = [path for path in pages if '{% extends "desk.html" %}' in path.read_text()]
    assert {path.name for path in pages} - {path.name for path in framed} == {"desk_parts.html"}
