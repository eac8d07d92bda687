"""A reader of the Prometheus text format 0.0.4, strict where the format is: for tests of /metrics."""

import re
from dataclasses import dataclass, field

from tests.support.server import Server

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL},?)+)\}})? (\S+)")


@dataclass(slots=True)
class Exposition:
    """What was told: kinds by family, and values by name and labels."""

    kinds: dict[str, str] = field(default_factory=dict)
    values: dict[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)

    def sum(self, name: str, **labels: str) -> float:
        """The sum of a family's values whose labels hold these."""
        wanted = set(labels.items())
        return sum(
            value
            for (one, told), value in self.values.items()
            if one == f"triptych_{name}" and wanted <= told
        )


def read(text: str) -> Exposition:
    """Read an exposition. Raises ValueError with the line that breaks the format."""
    found = Exposition()
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in text.splitlines():
        words = line.split(" ", 3)
        if words[:2] == ["#", "TYPE"]:
            if words[2] in found.kinds or words[3] not in ("counter", "gauge"):
                raise ValueError(line)
            found.kinds[words[2]] = words[3]
        elif words[:2] != ["#", "HELP"]:
            _sample(line, found)
    return found


def _sample(line: str, found: Exposition) -> None:
    match = _SAMPLE.fullmatch(line)
    if match is None or match[1] not in found.kinds:
        raise ValueError(line)
    key = (match[1], frozenset(re.findall(_LABEL, match[2] or "")))
    if key in found.values:
        raise ValueError(f"twice: {line}")
    found.values[key] = float(match[match.re.groups])


def scrape(server: Server) -> Exposition:
    """What a server tells a monitor on its own machine."""
    answer = server.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(answer.text)
