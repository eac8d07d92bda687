"""The README's first five minutes, pasted as a reader would paste them, into a running demo."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.server import environment
from tests.support.shell import output
from tests.support.tree import ROOT, read

pytestmark = [pytest.mark.journey, pytest.mark.slow]

SECTION = read(Path("README.md")).partition("## The first five minutes")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
ANSWERS = re.findall(r"^```(?:json|text)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Demo:
    """A running `demo`: its environment, ports, and the three lines that it tells people to paste."""

    environment: dict[str, str]
    ports: dict[str, int]
    lines: list[str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    settings = environment(tmp_path_factory.mktemp("demo"), {})
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "demo"],
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = until_it_invites(process)
        ready = re.search(r"^ready (.+)$", said, re.MULTILINE)
        assert ready is not None, said
        yield Demo(settings, json.loads(ready[1]), re.findall(r"^  (curl .+)$", said, re.MULTILINE))
    finally:
        process.terminate()
        assert process.wait(60) == 0
        if process.stdout is not None:
            process.stdout.close()


def until_it_invites(process: subprocess.Popen[str]) -> str:
    """Return what the demo says up to its last line for the reader, or up to its end."""
    said = []
    for line in process.stdout or ():
        said.append(line)
        if line.startswith("Ctrl-C"):
            break
    return "".join(said)


def pasted(demo: Demo, *blocks: str) -> list[str]:
    """Paste blocks into one shell, with this demo's ports and Python; returns each block's output."""
    script = "\necho '<next>'\n".join(blocks)
    script = script.replace(":8080/", f":{demo.ports['http']}/")
    script = script.replace(" 11112", f" {demo.ports['dimse']}")
    script = script.replace(".venv/bin/python", shlex.quote(sys.executable))
    printed = output("bash", "-euo", "pipefail", "-c", script, cwd=ROOT, **demo.environment)
    return printed.split("<next>\n")


def matches(expected: str, printed: str) -> bool:
    """Whether an answer of the README is what was printed; `…` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("…"))
    return re.search(pattern, printed, re.DOTALL) is not None


def test_every_step_answers_as_the_readme_shows(demo: Demo) -> None:
    assert len(COMMANDS) == len(ANSWERS) > 0
    for command, expected, printed in zip(COMMANDS, ANSWERS, pasted(demo, *COMMANDS), strict=True):
        assert matches(expected, printed), f"{command}\nprinted\n{printed}\nnot\n{expected}"


def test_the_lines_that_the_demo_prints_work(demo: Demo, tmp_path: Path) -> None:
    record, index, picture = demo.lines
    assert json.loads(pasted(demo, record)[0])["total"] == 1
    assert json.loads(pasted(demo, index)[0])
    picture = picture.replace("head.jpg", str(tmp_path / "head.jpg"))
    pasted(demo, picture)
    assert (tmp_path / "head.jpg").read_bytes().startswith(b"\xff\xd8")
