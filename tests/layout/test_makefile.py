"""The words of the house: explained, true in the README, and polite on a machine that lacks something."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.shell import finish
from tests.support.tree import ROOT, files_ending, read

WORDS = {
    "bench",
    "check",
    "ci",
    "clean",
    "crash",
    "docs",
    "fix",
    "help",
    "image-check",
    "journeys",
    "lock",
    "peers",
    "run",
    "setup",
    "test",
    "wheel",
}


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return finish("make", *arguments, cwd=cwd)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Return a folder that has the words but neither .venv nor anything else."""
    for name in ("Makefile", ".ci/setup", "requirements/run.txt", "requirements/test.txt"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(read(Path(name)))
        target.chmod((ROOT / name).stat().st_mode)
    return tmp_path


def test_make_alone_explains_every_word() -> None:
    explained = re.findall(r"^  make ([a-z-]+)  +\S", make().stdout, re.MULTILINE)
    assert set(explained) == WORDS


def test_every_make_word_in_the_docs_exists() -> None:
    named = {
        (path, word)
        for path in files_ending(".md")
        for word in re.findall(r"`make ([a-z-]+)", read(path))
        + re.findall(r"^make ([a-z-]+)", read(path), re.MULTILINE)
    }
    targets = set(re.findall(r"^([a-z-]+):", read(Path("Makefile")), re.MULTILINE))
    assert {(path, word) for path, word in named if word not in targets} == set()


def test_an_old_python_gets_one_sentence(fresh: Path) -> None:
    run = make("run", "PYTHON=/bin/false", cwd=fresh)
    assert run.returncode != 0
    assert run.stderr.splitlines()[0].startswith("Triptych needs Python 3.11 or newer")
    assert not (fresh / ".venv").exists()


def test_a_python_without_venv_gets_one_sentence(fresh: Path) -> None:
    """Debian splits venv from Python; the word that brings it is what a newcomer needs."""
    poor = fresh / "poor-python"
    poor.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n')
    poor.chmod(0o755)
    run = make("run", f"PYTHON={poor}", cwd=fresh)
    assert run.returncode != 0
    assert "apt-get install python3-venv" in run.stderr.splitlines()[0]
