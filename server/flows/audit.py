"""Audit: one hash chain for each writer, durable before what it speaks of leaves.

Reads open one event for each grant, person, study, door and purpose, good for at most fifteen
minutes, and close it with a second row that counts instances and bytes. Everything else is an
event of its own. Rows hold a salted reference to the person, so that erasing the salt cuts the
tie and leaves the chain whole.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, bindparam, func, insert, select

from server import clock, trace
from server.errors import Busy, Full
from server.store.combine import Combiner, Ticket
from server.store.db import Database
from server.store.install import keep, value
from server.store.prepared import Prepared, given
from server.store.tables import audit, audit_root, patient

log = logging.getLogger(__name__)

WINDOW = 15 * 60 * 1_000_000
_DRAIN_AT = 512
# Actions that are closed by a second row.
OPENED = ("read", "search")
_FIRST = "0" * 64
_spell = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_HEAD = Prepared(
    select(audit.c.seq, audit.c.hash)
    .where(audit.c.writer == bindparam("writer"))
    .order_by(audit.c.seq.desc())
    .limit(1)
)
_ADD = Prepared(insert(audit))
_SALT = Prepared(select(patient.c.salt).where(given(patient, "organisation", "id")))


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `patient` is a Patient id; the row keeps only a salted digest.

    `action` is read, search, create, update, delete, refuse, login, execute, close or egress;
    `outcome` is 0 (success), 4 (refused or wrong input), 8 (our failure), as R4 AuditEvent.outcome.
    """

    organisation: int
    door: str
    action: str
    outcome: str = "0"
    grant: str = ""
    client: str = ""
    patient: str = ""
    study: str = ""
    purpose: str = ""
    address: str = ""
    detail: str = ""
    opened: int = 0
    count: int = 0
    bytes: int = 0


_COLUMNS = tuple(field.name for field in fields(Event) if field.name != "patient")


@dataclass(slots=True)
class _Open:
    """A read event that is still counting."""

    event: Event
    at: int
    count: int = 0
    bytes: int = 0
    busy: int = 0


class Reading:
    """An open event of one request: `sent` counts what left, `end` closes the request."""

    def __init__(self, opened: _Open, mutex: threading.Lock, drain: list[_Open] | None) -> None:
        self._open = opened
        self._mutex = mutex
        self._drain = drain

    def sent(self, size: int, count: int = 0) -> None:
        with self._mutex:
            self._open.bytes += size
            self._open.count += count

    def end(self) -> None:
        with self._mutex:
            self._open.busy -= 1
            if self._drain is not None:
                self._drain.append(self._open)


class Auditor:
    """The audit writer of one process. Safe for threads."""

    def __init__(self, database: Database, writer: str) -> None:
        self.writer = writer
        self._database = database
        self._mutex = threading.Lock()
        self._windows: dict[Event, _Open] = {}
        self._draining: list[_Open] = []
        self._egress: dict[tuple[int, str], int] = {}
        self._salts: dict[tuple[int, str], str] = {}
        self._combiner: Combiner[tuple[Event, int], int] = Combiner(self._flush, most=512)

    def note(self, event: Event) -> int:
        """Record an event; it is on disk when this returns. Gives its number in the chain."""
        return self._combiner.run((event, clock.now()))

    def append(self, connection: Connection, event: Event) -> int:
        """Record an event in the caller's own write transaction."""
        return _extend(connection, self.writer, [(self._row(connection, event), clock.now())])

    def reading(self, event: Event) -> Reading:
        """Enter the window of a read, opening it durably if none is open."""
        now = clock.now()
        with self._mutex:
            window = self._windows.get(event)
            if window is not None and window.at + WINDOW > now:
                window.busy += 1
                return Reading(window, self._mutex, None)
        fresh = _Open(replace(event, opened=self.note(event)), now, busy=1)
        with self._mutex:
            stale = self._windows.get(event)
            self._windows[event] = fresh
            if stale is not None:
                self._draining.append(stale)
        return Reading(fresh, self._mutex, None)

    def single(self, event: Event) -> Reading:
        """An event of its own, such as a search, durable now and closed when its answer has left."""
        opened = replace(event, opened=self.note(event))
        if len(self._draining) >= _DRAIN_AT:
            self._drain()
        return Reading(_Open(opened, clock.now(), busy=1), self._mutex, self._draining)

    def left(self, organisation: int, door: str, size: int) -> None:
        """Count bytes that left by a door, seen at the door and not by whoever sent them."""
        key = (organisation, door)
        with self._mutex:
            self._egress[key] = self._egress.get(key, 0) + size

    def tend(self) -> None:
        """Close windows that have ended and sign the head of the chain: call once a minute.

        A disk that is full or a database that is busy is no reason to end: the next minute tries
        again.
        """
        try:
            self._tend(clock.now())
        except (Full, Busy) as error:
            log.error("the audit chain waits: %s", error)

    def _tend(self, now: int) -> None:
        with self._mutex:
            ended = [key for key, window in self._windows.items() if window.at + WINDOW <= now]
            self._draining += [self._windows.pop(key) for key in ended]
        self._drain()
        with self._database.write() as connection:
            _sign(connection, self.writer, now)

    def _drain(self) -> None:
        """Close the events whose requests have all ended."""
        with self._mutex:
            closing = [window for window in self._draining if not window.busy]
            self._draining[:] = [window for window in self._draining if window.busy]
        self._close(closing)

    def close(self) -> None:
        """Close every window, at the end of the process."""
        with self._mutex:
            closing = [*self._draining, *self._windows.values()]
            self._draining.clear()
            self._windows.clear()
        self._close(closing)

    def _close(self, windows: Sequence[_Open]) -> None:
        """Write what events came to, and with it what the doors counted.

        A request ends after its bytes were counted at the door: so no chain ever holds more
        bytes in closed events than its doors have seen.
        """
        with self._mutex:
            egress, self._egress = self._egress, {}
        events = [replace(w.event, action="close", count=w.count, bytes=w.bytes) for w in windows]
        events += [Event(org, door, "egress", bytes=size) for (org, door), size in egress.items()]
        if not events:
            return
        try:
            with self._database.write() as connection:
                rows = [(self._row(connection, event), clock.now()) for event in events]
                _extend(connection, self.writer, rows)
        except Exception:
            self._keep(windows, egress)
            raise

    def _keep(self, windows: Sequence[_Open], egress: dict[tuple[int, str], int]) -> None:
        """Try again later with what could not be written."""
        with self._mutex:
            self._draining += windows
        for (organisation, door), size in egress.items():
            self.left(organisation, door, size)

    def _flush(self, tickets: Sequence[Ticket[tuple[Event, int], int]]) -> None:
        with self._database.write() as connection:
            rows = [(t.context.run(self._row, connection, t.item[0]), t.item[1]) for t in tickets]
            last = _extend(connection, self.writer, rows)
        for back, ticket in enumerate(reversed(tickets)):
            ticket.result = last - back

    def _row(self, connection: Connection, event: Event) -> dict[str, Any]:
        """The event's columns, with the salted reference in place of the patient.

        An event that is closed tells of many requests: it is told under none.
        """
        row = {name: getattr(event, name) for name in _COLUMNS}
        row["trace"] = "" if event.action in ("close", "egress") else trace.current()
        person = event.patient
        row["person"] = self.person(connection, event.organisation, person) if person else ""
        return row

    def person(self, connection: Connection, organisation: int, patient_id: str) -> str:
        """The salted reference that stands for a Patient in the chain."""
        key = (organisation, patient_id)
        salt = self._salts.get(key)
        if salt is None:
            row = _SALT.row(connection, {"organisation": organisation, "id": patient_id})
            salt = self._salts[key] = row.salt if row else ""
        return hashlib.sha256(f"{salt}|{patient_id}".encode()).hexdigest()


def _extend(connection: Connection, writer: str, rows: Sequence[tuple[dict[str, Any], int]]) -> int:
    """Append rows to a writer's chain; returns the last number."""
    seq, digest = _head(connection, writer)
    for row, at in rows:
        seq += 1
        full = {"writer": writer, "seq": seq, "at": at, **row}
        digest = link(digest, full)
        _ADD.run(connection, full | {"hash": digest})
    return seq


def link(previous: str, row: dict[str, Any]) -> str:
    """The digest that chains a row to the one before it."""
    return hashlib.sha256((previous + _spell(row)).encode()).hexdigest()


def _head(connection: Connection, writer: str) -> tuple[int, str]:
    row = _HEAD.row(connection, {"writer": writer})
    return (row.seq, row.hash) if row else (0, _FIRST)


def _sign(connection: Connection, writer: str, now: int) -> None:
    """Sign the head of the chain unless it is signed already."""
    seq, digest = _head(connection, writer)
    where = (audit_root.c.writer == writer) & (audit_root.c.seq == seq)
    if seq == 0 or connection.execute(select(audit_root.c.seq).where(where)).first():
        return
    signature = signing_key(connection).sign(f"{writer}|{seq}|{digest}".encode()).hex()
    connection.execute(
        insert(audit_root).values(writer=writer, seq=seq, at=now, hash=digest, signature=signature)
    )


def signing_key(connection: Connection) -> Any:
    """The Ed25519 key that signs the roots, made once for the installation."""
    stored = value(connection, "audit-key")
    if stored is not None:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(stored))
    key = Ed25519PrivateKey.generate()
    keep(connection, "audit-key", key.private_bytes_raw().hex())
    return key


def verify(connection: Connection) -> list[str]:
    """Every break in every chain and every false signature, in words; empty when all is whole."""
    broken: list[str] = []
    digests: dict[str, tuple[int, str]] = {}
    query = select(audit).order_by(audit.c.writer, audit.c.seq)
    for row in connection.execute(query).mappings():
        full = {key: val for key, val in row.items() if key != "hash"}
        seq, digest = digests.get(row["writer"], (0, _FIRST))
        if row["seq"] != seq + 1 or link(digest, full) != row["hash"]:
            broken.append(f"{row['writer']}: the chain breaks at {row['seq']}")
        digests[row["writer"]] = (row["seq"], row["hash"])
    broken += reconcile(connection)
    return broken + _false_signatures(connection)


def _false_signatures(connection: Connection) -> list[str]:
    """Signatures that are false, or are of another chain than the one that stands there."""
    same = (audit.c.writer == audit_root.c.writer) & (audit.c.seq == audit_root.c.seq)
    query = select(audit_root, audit.c.hash.label("chained")).outerjoin(audit, same)
    roots = connection.execute(query).fetchall()
    if not roots:
        return []
    public, false = signing_key(connection).public_key(), []
    for root in roots:
        if root.chained != root.hash:
            false.append(f"{root.writer}: the chain is not the one that was signed at {root.seq}")
        message = f"{root.writer}|{root.seq}|{root.hash}".encode()
        try:
            public.verify(bytes.fromhex(root.signature), message)
        except (InvalidSignature, ValueError):
            false.append(f"{root.writer}: the signature at {root.seq} is false")
    return false


def reconcile(connection: Connection) -> list[str]:
    """Where the bytes of closed events are not those that left by a door, in words.

    Never more may be told than was seen; as much, when a writer has no event open. A process that
    was killed leaves its last events open: what they sent stays unknown.
    """
    return [
        f"{writer}: {told} bytes in closed events, {seen} bytes left by {door}"
        for (writer, _, door), (told, seen, is_open) in sorted(_balance(connection).items())
        if told > seen or (told < seen and not is_open)
    ]


def _balance(connection: Connection) -> dict[tuple[str, int, str], tuple[int, int, bool]]:
    """By writer, organisation and door: bytes told, bytes seen, and whether events are open."""
    key = (audit.c.writer, audit.c.organisation, audit.c.door)
    query = select(*key, audit.c.action, func.sum(audit.c.bytes), func.count()).where(
        audit.c.action.in_((*OPENED, "close", "egress"))
    )
    sums: dict[tuple[str, int, str], dict[str, tuple[int, int]]] = {}
    for *names, action, size, count in connection.execute(query.group_by(*key, audit.c.action)):
        sums.setdefault((names[0], names[1], names[2]), {})[action] = (int(size or 0), count)
    none = (0, 0)
    return {
        door: (
            found.get("close", none)[0],
            found.get("egress", none)[0],
            sum(found.get(action, none)[1] for action in OPENED) > found.get("close", none)[1],
        )
        for door, found in sums.items()
    }
