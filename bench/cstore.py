"""C-STORE: objects received, written, synced, indexed and audited before each is answered."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench import objects, sender
from bench.harness import Contender, Line, Row, Run, Scale, compare, say
from bench.objects import Numbers, Template, draw
from bench.stand import HOST, Process, Stand

_DCMSEND = Path("/usr/bin/dcmsend")
_LIMIT = "write+fsync"


def _stream(name: str, size: str, associations: int) -> Row:
    plural = "association" if associations == 1 else "associations"
    title = f"C-STORE {size}, {associations} {plural}"
    return Row(name, title, "objects/s", limit=_LIMIT, times_peer=1.0, times_limit=0.6)


LARGE_1 = _stream("cstore-large-1", "0.5 MB", 1)
LARGE_4 = _stream("cstore-large-4", "0.5 MB", 4)
SMALL_1 = _stream("cstore-small-1", "20 KB", 1)
SMALL_4 = _stream("cstore-small-4", "20 KB", 4)
NAGLE = Row(
    "cstore-nagle",
    "C-STORE 20 KB, dcmsend as packaged",
    "objects/s",
    peer="storescp",
    limit=_LIMIT,
    times_peer=50.0,
)
HUGE = Row("cstore-huge", "C-STORE one 200 MB object", "MB/s", limit=_LIMIT, times_peer=4.0)
ROWS = (LARGE_1, LARGE_4, SMALL_1, SMALL_4, NAGLE, HUGE)


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    ours, orthanc, limit = stand.ours(), stand.orthanc(), stand.limit_scp()
    numbers = Numbers()
    plans = (
        (LARGE_1, objects.LARGE, scale.large, 1),
        (LARGE_4, objects.LARGE, scale.large, 4),
        (SMALL_1, objects.SMALL, scale.small, 1),
        (SMALL_4, objects.SMALL, scale.small, 4),
    )
    for row, size, count, associations in plans:
        if row in rows:
            load = _Load(draw(size), count, associations, numbers)
            yield compare(row, scale.repeats, [load.into(one) for one in (ours, orthanc, limit)])
    if NAGLE in rows and _DCMSEND.exists():
        nagle = _Nagle(stand.folder, draw(objects.SMALL), scale.nagle, numbers)
        storescp = stand.storescp()
        yield compare(NAGLE, scale.repeats, [nagle.into(one) for one in (ours, storescp, limit)])
    elif NAGLE in rows:
        say("dcmtk is missing: no row for its senders (make peers)")
    if HUGE in rows:
        huge = _Huge(draw(objects.LARGE, scale.frames), numbers)
        yield compare(HUGE, scale.repeats, [huge.into(one) for one in (ours, orthanc, limit)])


class _Load:
    """So many objects over so many associations, each with a study of its own."""

    def __init__(self, template: Template, count: int, associations: int, numbers: Numbers) -> None:
        self._template = template
        self._count = count
        self._associations = associations
        self._numbers = numbers

    def into(self, receiver: Process | None) -> Contender | None:
        if receiver is None:
            return None
        return Contender(lambda: self._run(receiver.ports["dimse"]), receiver.tree)

    def _run(self, port: int) -> Run:
        numbers = self._numbers.take(self._count)
        queues = [
            [(share[0], instance) for instance in share]
            for share in objects.deal(numbers, self._associations)
        ]
        seconds = sender.send(port, self._template, queues)
        return Run(self._count / seconds, self._count)


class _Huge(_Load):
    """One object, in megabytes a second."""

    def __init__(self, template: Template, numbers: Numbers) -> None:
        super().__init__(template, 1, 1, numbers)

    def _run(self, port: int) -> Run:
        return Run(super()._run(port).value * self._template.size / 1e6)


class _Nagle:
    """dcmtk's sender with Nagle's algorithm on, as it comes: header and body of a PDU apart."""

    def __init__(self, folder: Path, template: Template, count: int, numbers: Numbers) -> None:
        self._folder = folder
        self._template = template
        self._count = count
        self._numbers = numbers

    def into(self, receiver: Process | None) -> Contender | None:
        if receiver is None:
            return None
        return Contender(lambda: self._run(receiver.ports["dimse"]), receiver.tree)

    def _run(self, port: int) -> Run:
        instances = self._numbers.take(self._count)
        files = [self._folder / f"{instance}.dcm" for instance in instances]
        for file, instance in zip(files, instances, strict=True):
            head = self._template.numbered(instances[0], instance)
            file.write_bytes(head + self._template.pixels)
        plain = {name: text for name, text in os.environ.items() if name != "TCP_NODELAY"}
        command = [str(_DCMSEND), "--max-send-pdu", "131072", HOST, str(port), *map(str, files)]
        start = time.perf_counter()
        subprocess.run(command, env=plain, check=True, capture_output=True)
        seconds = time.perf_counter() - start
        for file in files:
            file.unlink()
        return Run(self._count / seconds, self._count)
