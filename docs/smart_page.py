"""The page of what SMART clients may rely on: each promise is the name of the test that keeps it."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from docs.tables import NOTE, table

_TESTS = Path(__file__).parents[1] / "tests"
_FILES = (
    "conformance/test_smart_*.py",
    "server/test_oauth_*.py",
    "server/test_client_keys.py",
    "journeys/test_imaging_access.py",
)
# The part of the specifications that the number in a test's name stands for, in reading order.
PARTS = {
    "a1": "Discovery and registration (SMART App Launch 2.2, RFC 7591, RFC 7592)",
    "a2": "Authorization request, launch, login, pickers and consent",
    "a3": "Token request and response",
    "a4": "Scopes, of version 1 and 2, with questions",
    "a5": "OpenID Connect",
    "a6": "Refresh",
    "a7": "Introspection and revocation (RFC 7662, RFC 7009)",
    "a8": "Clients that prove themselves with a key",
    "a9": "Backend services",
    "a10": "Browsers of other origins (CORS)",
    "a15": "SMART Imaging Access",
}


def page() -> str:
    """Return the page."""
    found = sorted(set(_promises()))
    parts = [
        f"\n## {title}\n\n" + table(("Promise", "Seen by"), _rows(part, found))
        for part, title in PARTS.items()
    ]
    return (
        f"# What SMART clients may rely on\n\n{NOTE}\n"
        "How to connect an app is in [Connect a SMART app](../integrate/smart.md). Each line below is\n"
        "the name of a test that talks to the running server as an app or a browser would.\n"
        + "".join(parts)
    )


def _promises() -> Iterator[tuple[str, str]]:
    """Each test of the suites: the part that it belongs to, and its name."""
    for pattern in _FILES:
        for file in _TESTS.glob(pattern):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_a"):
                    part = node.name.split("_")[1]
                    if part in PARTS:
                        yield part, node.name


def _rows(part: str, found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for known, name in found:
        if known == part:
            words = name.removeprefix(f"test_{part}_").replace("_", " ")
            yield f"{words[0].upper()}{words[1:]}.", f"`{name}`"
