"""What the senders remember: each object before it is sent, and again, synced, when acknowledged."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.crash.objects import Made


class Journal:
    """One sender's memory, a file of lines."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def sending(self, made: Made) -> None:
        """Remember an object that may arrive from now on."""
        document = hashlib.sha256(made.document).hexdigest() if made.document else ""
        line = {"study": made.study, "series": made.series, "uid": made.uid, "sha": made.sha256}
        self._write("sending", **line, document=document)

    def acknowledged(self, uids: Iterable[str]) -> None:
        """Remember, on disk, what the server has promised to keep."""
        for uid in uids:
            self._write("acknowledged", uid=uid)
        os.fsync(self._file.fileno())

    def refused(self, reason: str) -> None:
        """Remember that the server was there and did not take something."""
        self._write("refused", reason=reason)

    def _write(self, event: str, **more: str) -> None:
        self._file.write(json.dumps({"event": event} | more).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class Entry:
    """An object that was sent, with the digest of the document in it."""

    study: str
    series: str
    uid: str
    sha256: str
    sender: str
    document: str = ""


@dataclass(slots=True)
class Memory:
    """Everything that the journals of a folder say."""

    sent: dict[str, Entry] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    _read: dict[Path, int] = field(default_factory=dict)

    def update(self, folder: Path) -> None:
        """Read the lines that were added since the last time."""
        for path in sorted(folder.glob("*.journal")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                for line in file:
                    if line.endswith(b"\n"):
                        self._take(json.loads(line), path.stem)
                        self._read[path] = self._read.get(path, 0) + len(line)

    def _take(self, line: dict[str, Any], sender: str) -> None:
        if line["event"] == "sending":
            study, series, uid, sha256 = (line[name] for name in ("study", "series", "uid", "sha"))
            entry = Entry(study, series, uid, sha256, sender, line["document"])
            self.sent[entry.uid] = entry
        elif line["event"] == "acknowledged":
            self.acknowledged.append(line["uid"])
        else:
            self.refusals.append(f"{sender}: {line['reason']}")

    def studies(self) -> dict[str, list[Entry]]:
        """What was sent, by study."""
        found: dict[str, list[Entry]] = {}
        for entry in self.sent.values():
            found.setdefault(entry.study, []).append(entry)
        return found
