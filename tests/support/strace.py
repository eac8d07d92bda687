"""System calls of a running server as strace tells them, and what a durable store has to do."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = "mkdir,write,pwrite64,fsync,fdatasync,rename,writev,sendto,sendmsg"

_START = re.compile(r"^(\d+) +(\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>")
_DESCRIPTOR = re.compile(r"^\d+<(.*?)>(?:,|\)| <unfinished)")
_PATHS = re.compile(r'"([^"]*)"')
_WRITES = ("write", "pwrite64", "writev")


@dataclass(slots=True)
class Call:
    """One system call: what it was on, and the lines in which it began and ended."""

    name: str
    on: str
    began: int
    ended: int = -1
    new: str = ""


def calls(lines: Iterable[str]) -> list[Call]:
    """The calls of a log made with -f and -yy, in the order in which they began."""
    found: list[Call] = []
    open_: dict[str, Call] = {}
    for number, line in enumerate(lines):
        if resumed := _RESUMED.match(line):
            call = open_.pop(resumed[1], None)
            if call is not None:
                call.ended = number
        elif start := _START.match(line):
            call = _call(start[2], start[3], number)
            found.append(call)
            if line.rstrip().endswith("<unfinished ...>"):
                open_[start[1]] = call
            else:
                call.ended = number
    return found


def _call(name: str, arguments: str, number: int) -> Call:
    descriptor = _DESCRIPTOR.match(arguments)
    if descriptor:
        return Call(name, descriptor[1], number)
    paths = _PATHS.findall(arguments)
    return Call(name, paths[0] if paths else "", number, new=paths[1] if len(paths) > 1 else "")


def answers(found: Sequence[Call], port: int) -> list[Call]:
    """The calls that send something from a port of ours over TCP."""
    return [call for call in found if re.match(rf"TCP:\[[^>]*:{port}->", call.on)]


def complaints(found: Sequence[Call], port: int, data: Path) -> list[str]:
    """What was not done, or not done in time, before the first answer left a port."""
    sent = answers(found, port)
    if not sent:
        return ["no answer was sent"]
    before = [call for call in found if 0 <= call.ended < sent[0].began]
    steps = _Steps(before, data / "blobs")
    return steps.complaints()


class _Steps:
    """The calls that ended before the answer, asked one by one in the order that makes it durable."""

    def __init__(self, before: Sequence[Call], blobs: Path) -> None:
        self._before = before
        self._blobs = str(blobs)
        self._wrong: list[str] = []

    def complaints(self) -> list[str]:
        unfinished = f"{self._blobs}/tmp/"
        written = self._last(_WRITES, lambda on: on.startswith(unfinished), -1, "write of the file")
        synced = self._last(
            ("fsync", "fdatasync"),
            lambda on: on.startswith(unfinished),
            written,
            "sync of the file",
        )
        renamed = self._last(("rename",), lambda on: on.startswith(unfinished), synced, "rename")
        folder = next((str(Path(c.new).parent) for c in self._before if c.name == "rename"), "")
        kept = self._last(("fsync",), lambda on: on == folder, renamed, "sync of the folder")
        row = self._last(_WRITES, lambda on: on.endswith("-wal"), kept, "write of the row")
        self._last(("fdatasync", "fsync"), lambda on: on.endswith("-wal"), row, "sync of the row")
        return self._wrong + self._folders()

    def _last(
        self, names: tuple[str, ...], fits: Callable[[str], bool], after: int, what: str
    ) -> int:
        """The line in which the last such call ended; it must have begun after another ended."""
        fitting = [c for c in self._before if c.name in names and fits(c.on)]
        if not fitting or fitting[-1].began < after:
            self._wrong.append(f"missing, or too early or too late: {what}")
            return after
        return fitting[-1].ended

    def _folders(self) -> list[str]:
        """Every new folder has to be synced into its parent."""
        return [
            f"new folder not synced into its parent: {Path(made.on).name}"
            for made in self._before
            if made.name == "mkdir" and not self._is_synced(made)
        ]

    def _is_synced(self, made: Call) -> bool:
        parent = str(Path(made.on).parent)
        return any(
            c.name == "fsync" and c.on == parent and c.began > made.ended for c in self._before
        )
