"""The checker: whether the server keeps its promises, seen from outside, in plain words.

It has code of its own: HTTP for what the doors answer, SQLite and files, read only, for what lies
below. It shares nothing with the server.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.crash.doors import Web
from bench.crash.journal import Entry, Memory

_SETTLED = "settled"


def objects(web: Web, entries: Iterable[Entry]) -> list[str]:
    """What is wrong with acknowledged objects: each has to come back, byte for byte."""
    faults = []
    by_study: dict[str, list[Entry]] = {}
    for entry in entries:
        by_study.setdefault(entry.study, []).append(entry)
    for study, wanted in by_study.items():
        found = web.objects(study)
        for entry in wanted:
            data = found.get(entry.uid)
            if data is None:
                faults.append(f"LOST: {entry.uid}, acknowledged to {entry.sender}, is not there")
            elif hashlib.sha256(data).hexdigest() != entry.sha256:
                faults.append(f"CHANGED: {entry.uid}, sent by {entry.sender}, has other bytes")
    return faults


class Study:
    """What the doors say of one study, beside what was sent and promised."""

    def __init__(self, web: Web, uid: str, sent: list[Entry], promised: set[str]) -> None:
        self.uid = uid
        self.sent = {entry.uid: entry for entry in sent}
        self.promised = promised & set(self.sent)
        self.rows = list(web.pages(f"/studies/{uid}/instances"))
        self.studies = list(web.pages(f"/studies?StudyInstanceUID={uid}"))
        self.records = web.resources(f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{uid}")
        papers = [one.uid for one in sent if one.document and one.uid in self.found]
        self.reports = {one: _reports(web, one) for one in papers}

    @property
    def found(self) -> Counter[str]:
        """The SOP Instance UIDs that QIDO-RS lists, with how often it does."""
        return Counter(_value(row, "00080018") for row in self.rows)

    @property
    def is_settled(self) -> bool:
        """Whether the record says that the study has settled."""
        tags = [tag["code"] for record in self.records for tag in record["meta"].get("tag", [])]
        return _SETTLED in tags

    @property
    def unpromised(self) -> list[Entry]:
        """What is there although its acknowledgement never arrived."""
        return [self.sent[uid] for uid in self.found if uid in self.sent.keys() - self.promised]

    def faults(self) -> list[str]:
        """What is wrong with the study, as searches and its ImagingStudy tell it."""
        if not self.promised and not self.found:
            return []
        wrong = [*self._index(), *self._counts(), *self._papers()]
        if len(self.records) != 1:
            return [*wrong, self._say(f"has {len(self.records)} ImagingStudies")]
        return wrong + self._record(self.records[0])

    def _index(self) -> list[str]:
        found = self.found
        lost = [
            f"LOST: {uid} was acknowledged and QIDO-RS lacks it"
            for uid in self.promised - set(found)
        ]
        twins = [f"TWICE: {uid} is listed {n} times" for uid, n in found.items() if n > 1]
        strange = [f"STRANGE: {uid} was never sent" for uid in set(found) - set(self.sent)]
        return lost + twins + strange

    def _counts(self) -> list[str]:
        if len(self.studies) != 1:
            return [self._say(f"is listed {len(self.studies)} times by QIDO-RS")]
        series = {self.sent[uid].series for uid in self.found if uid in self.sent}
        told = (_value(self.studies[0], "00201206"), _value(self.studies[0], "00201208"))
        return self._differ("QIDO-RS", told, (len(series), len(self.found)))

    def _papers(self) -> list[str]:
        """Each document is one report, and comes back byte for byte."""
        many = [
            self._say(f"has {len(documents)} reports of document {uid}")
            for uid, documents in self.reports.items()
            if len(documents) != 1
        ]
        changed = [
            f"CHANGED: the document of {uid} has other bytes"
            for uid, documents in self.reports.items()
            if any(digest != self.sent[uid].document for digest in documents)
        ]
        return many + changed

    def _record(self, record: dict[str, Any]) -> list[str]:
        uids = {one["uid"] for series in record["series"] for one in series["instance"]}
        told = (record["numberOfSeries"], record["numberOfInstances"])
        wrong = self._differ("its ImagingStudy", told, (len(record["series"]), len(self.found)))
        if uids != set(self.found):
            wrong.append(self._say("has an ImagingStudy with other instances than QIDO-RS"))
        if not self.is_settled:
            wrong.append(self._say("has not settled"))
        return wrong

    def _differ(self, who: str, told: tuple[Any, Any], right: tuple[int, int]) -> list[str]:
        if told == right:
            return []
        return [self._say(f"counts (series, instances) {told} in {who}, and {right} are right")]

    def _say(self, words: str) -> str:
        return f"WRONG: study {self.uid} {words}"


def _reports(web: Web, uid: str) -> list[str]:
    """The digest of the document of each report that a SOP instance has become."""
    found = web.resources(f"DiagnosticReport?identifier=urn:dicom:uid|urn:oid:{uid}")
    addresses = [one["presentedForm"][0]["url"] for one in found]
    return [hashlib.sha256(web.document(address)).hexdigest() for address in addresses]


def _value(row: dict[str, Any], tag: str) -> Any:
    return row[tag]["Value"][0]


def studies(web: Web, memory: Memory) -> list[Study]:
    """Every study that was sent, as it is seen now."""
    promised = set(memory.acknowledged)
    return [Study(web, uid, sent, promised) for uid, sent in memory.studies().items()]


def recovered(data: Path) -> set[str]:
    """The objects that were found between file and row, and indexed at the next start."""
    with closing(_opened(data)) as database:
        return {
            uid for (uid,) in database.execute("SELECT uid FROM instance WHERE door = 'recovery'")
        }


def _opened(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{data / 'triptych.db'}?mode=ro", uri=True)


def store(data: Path) -> list[str]:
    """What is wrong below the doors of a server that has stopped: rows, files, leftovers."""
    with closing(_opened(data)) as database:
        rows = dict(database.execute("SELECT blob, size FROM instance"))
        parked = database.execute("SELECT count(*) FROM job WHERE state = 'parked'").fetchone()[0]
        reviews = database.execute("SELECT count(*) FROM review").fetchone()[0]
    root = data / "blobs"
    files = {str(p.relative_to(root)): p.stat().st_size for p in root.rglob("*") if p.is_file()}
    litter = [name for name in files if name.startswith("tmp/")]
    faults = [
        f"MISSING: a row names {name}, which is not there" for name in rows.keys() - files.keys()
    ]
    faults += [
        f"SHORT: {n} has not the size of its row"
        for n in rows.keys() & files.keys()
        if rows[n] != files[n]
    ]
    faults += [f"UNINDEXED: {name} has no row" for name in files.keys() - rows.keys() - set(litter)]
    faults += [f"LITTER: {name}" for name in litter]
    faults += [f"{parked} jobs are parked"] if parked else []
    faults += [f"{reviews} review items, where nobody contradicted anybody"] if reviews else []
    return faults
