"""What the documents promise: generated pages are current, links lead somewhere, limits are kept."""

import re
from pathlib import Path

import pytest

from docs import mapping_page, seen
from docs.generate import REFERENCE, pages
from server.settings import PREFIX, SETTINGS
from tests.support.tree import ROOT, files_ending, project_files, read

LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)")
PAGES = files_ending(".md")


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_is_current(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == pages()[name], "run: make docs"


def test_every_test_that_a_page_names_exists() -> None:
    sources = [read(path) for path in files_ending(".py") if path.parts[0] == "tests"]
    written = {name for text in sources for name in re.findall(r"def (test_\w+)\(", text)}
    named = {name for path in PAGES for name in re.findall(r"`(test_\w+)`", read(path))}
    assert named
    assert (seen.tests() | named) - written == set()


def test_every_row_of_a_reference_table_says_what_saw_it() -> None:
    for name in ("addresses.md", "dicom.md", "errors.md", "fhir.md"):
        for text in re.split(r"\n\n", pages()[name]):
            head, *rows = [line for line in text.splitlines() if line.startswith("|")] or [""]
            if head.endswith("Seen by |"):
                assert [row for row in rows[1:] if "`test_" not in row] == [], name


def test_every_attribute_on_the_mapping_page_is_mapped_to_something() -> None:
    mapped = (*mapping_page.mapped(), *mapping_page.documents_mapped())
    assert [name for name, elements in mapped if not elements] == []


def test_every_setting_stands_on_the_settings_page() -> None:
    page = read(Path("docs/reference/settings.md"))
    assert [row.name for row in SETTINGS if f"`{PREFIX}{row.name}`" not in page] == []


def test_every_setting_named_in_a_page_exists() -> None:
    named = {
        (str(path), name)
        for path in PAGES
        for name in re.findall(r"TRIPTYCH_([A-Z_]+[A-Z])", read(path))
    }
    known = {row.name for row in SETTINGS} | {"SAMPLES", "NO_SKIPS", "SCREENSHOTS"}
    assert {
        (path, name) for path, name in named if name.removesuffix("_FILE") not in known
    } == set()


def test_every_relative_link_leads_to_a_file() -> None:
    dead = [
        f"{path}: {target}"
        for path in PAGES
        for target in LINK.findall(read(path))
        if not (ROOT / path.parent / target).exists()
    ]
    assert dead == []


def test_the_changelog_starts_with_unreleased() -> None:
    headings = re.findall(r"^## (.+)$", read(Path("CHANGELOG.md")), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


def test_decisions_are_short_and_numbered_without_gaps() -> None:
    decisions = sorted(path for path in project_files() if path.match("docs/decisions/*.md"))
    numbers = [int(path.name[:4]) for path in decisions]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [path for path in decisions if len(read(path).splitlines()) > 60] == []


def test_agents_page_stays_below_100_lines() -> None:
    assert len(read(Path("AGENTS.md")).splitlines()) <= 100
