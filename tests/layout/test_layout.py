"""The shape of the tree: small files, small functions, nothing that belongs to one machine."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tree import ROOT, TEXT, files_ending, project_files, read

FILE_LINES = 400
FUNCTION_LINES = 40
PYTHON = files_ending(".py")
# Generated once and never edited: records of what was done.
MIGRATIONS = "server/store/migrations/versions/*.py"
# Its whole content is fixed: it shares the name `fhir` with fhir.resources.
WITHOUT_DOCSTRING = {Path("fhir/__init__.py")}
# Written in halves, so that this file does not contain what it looks for.
HOSTS = ("pypi" + ".org", "python" + "hosted", "registry." + "npmjs", "deb." + "debian.org")
OPTIONS = ("--index" + "-url", "--extra-index" + "-url", "--find" + "-links")
MOCK = "unittest" + ".mock"
# A home folder, or the folder that holds this checkout (unless it lies at the top of the machine).
HOLDER = f"{ROOT.parent}/" if len(ROOT.parts) > 2 else "/home/"
PRIVATE_PATH = re.compile(rf"(?<![\w.]){re.escape(HOLDER)}|/(home|Users)/\w+/|(?<![\w.])/roo[t]/")
OURS = {"server", "fhir", "hl7", "dicom", "smart_apps"}
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def text_files() -> list[Path]:
    return [path for path in project_files() if path.suffix in TEXT]


def lines_with(needle: str | re.Pattern[str], paths: list[Path]) -> list[str]:
    pattern = needle if isinstance(needle, re.Pattern) else re.compile(re.escape(needle))
    return [
        f"{path}:{number}"
        for path in paths
        for number, line in enumerate(read(path).splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_code_file_is_longer_than_400_lines() -> None:
    code = [path for path in files_ending(".py", ".js", ".css") if not path.match(MIGRATIONS)]
    lengths = {path: len(read(path).splitlines()) for path in code}
    assert {path: length for path, length in lengths.items() if length > FILE_LINES} == {}


def test_no_function_is_longer_than_40_lines() -> None:
    too_long = [
        f"{path}:{node.lineno} {node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for path in PYTHON
        if not path.match(MIGRATIONS)
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]
    assert too_long == []


def test_the_first_line_of_every_module_says_what_it_is_for() -> None:
    silent = [
        path
        for path in PYTHON
        if path not in WITHOUT_DOCSTRING and not read(path).startswith('"""')
    ]
    assert silent == []


def test_folders_of_tests_are_no_packages() -> None:
    """A `tests/fhir/__init__.py` would hide the package `fhir`."""
    assert [path for path in PYTHON if path.match("tests/**/__init__.py")] == []


def test_apps_speak_http_and_are_never_imported() -> None:
    """A program that serves an app imports nothing of ours but its neighbours, by relative names."""
    assert {
        path: names & OURS
        for path in PYTHON
        for names in [imported(path)]
        if names & (OURS if path.parts[0] == "smart_apps" else {"smart_apps"})
    } == {}


def imported(path: Path) -> set[str]:
    """The top packages that a module imports by their full names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("needle", [*HOSTS, *OPTIONS])
def test_no_file_names_a_registry(needle: str) -> None:
    assert lines_with(needle, text_files()) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_with(PRIVATE_PATH, text_files()) == []


def test_no_test_replaces_the_real_thing_by_a_mock() -> None:
    assert lines_with(MOCK, PYTHON) == []


def test_nothing_is_marked_as_unfinished() -> None:
    assert lines_with(UNFINISHED, files_ending(".py", ".js", ".html", ".md")) == []


def test_no_sample_of_a_patient_is_committed() -> None:
    """Test data is made by code or comes from packages; vectors/ holds what was written by hand."""
    data = files_ending(".dcm", ".hl7", ".iso", ".zip")
    assert [path for path in data if "vectors" not in path.parts] == []
