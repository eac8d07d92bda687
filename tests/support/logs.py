"""Searches the logs of every server that tests started for what must not be in a log."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_FILES: list[Path] = []
_SECRETS: set[str] = set()

# Names and numbers of the people whom tests make up.
PEOPLE = frozenset(
    [
        "Liddell",
        "Cratchit",
        "ALICE",
        "BOB^",
        "WILMA",
        "Serra",
        "Júlia",
        "DEMO-1001",
        "Chainsmith",
        "Lüdenscheidt",
        "UV59569735",
        "STOW-1",
        "OTHER-1",
        "SENDER-0",
        "Nakamura",
    ]
)
# A word of a shared sample must be this long to be nobody's port, count or time.
_SHORTEST = 6
_BEARER = re.compile(r"Bearer\s+[\w.~+/-]{16,}", re.IGNORECASE)


def watch(file: Path) -> None:
    """Have a log searched when all tests have run."""
    _FILES.append(file)


def keep_out(secret: str) -> str:
    """Have all logs searched for a secret; gives it back."""
    _SECRETS.add(secret)
    return secret


def findings() -> list[str]:
    """What stands in a watched log and must not: file, line and kind, never the word itself."""
    words = [*_SECRETS, *PEOPLE, *_sampled()]
    return [
        f"{file}:{number}: {kind}"
        for file in _FILES
        if file.exists()
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        for kind in _kinds(line, words)
    ]


def _kinds(line: str, words: Iterable[str]) -> Iterator[str]:
    if _BEARER.search(line):
        yield "a bearer token"
    for word in words:
        if word in line:
            yield "a token" if word in _SECRETS else "a patient's name or number"


def _sampled() -> set[str]:
    """Names and numbers of the people in the shared samples."""
    root = os.environ.get("TRIPTYCH_SAMPLES", "")
    index = Path(root, "index.json")
    if not root or not index.exists():
        return set()
    told = json.loads(index.read_text())["files"]
    found = {str(record.get(key, "")) for record in told for key in ("PatientID", "PatientName")}
    return {word for word in found if len(word) >= _SHORTEST and not word.isdigit()}
