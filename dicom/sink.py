"""The seam between the doors that receive objects and whoever keeps them.

A door opens a Sink for each object, writes the bytes as they come, and either commits (the bytes
are durable and indexed when `commit` returns) or aborts. C-STORE, STOW-RS parts and imported
files use the same Sink.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Peer:
    """Who speaks on an association, as the peer table knows them.

    `may` holds the services allowed: echo, store, find, get, move, commit, worklist, mpps.
    `issuer` is the system of the patient numbers that it sends without an issuer, if known.
    """

    name: str
    organisation: int
    may: frozenset[str]
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What is known of an object before its first byte.

    DIMSE knows all of it from the command and the presentation context; then the bytes that
    follow are the bare data set and the Sink writes preamble and file meta itself. For STOW-RS
    and import the three UIDs are empty and the bytes are a whole Part 10 file. `study` is set
    where an address names the study that the object must belong to.
    """

    door: str
    peer: Peer
    sop_class: str = ""
    sop_instance: str = ""
    transfer_syntax: str = ""
    calling_ae: str = ""
    study: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a committed object.

    `duplicate` is true when the same bytes were already kept. `warnings` are pairs of a DIMSE
    warning status (0xB000 family) and a sentence; empty for plain success. `findings` say what is
    odd about the object itself, in sentences without patient data.
    """

    sop_class: str
    sop_instance: str
    study: str
    duplicate: bool = False
    warnings: tuple[tuple[int, str], ...] = ()
    series: str = ""
    findings: tuple[str, ...] = ()


class Sink(Protocol):
    """One object on its way in. Not thread safe; exactly one of commit and abort ends it."""

    def write(self, data: memoryview) -> None:
        """Take the next bytes. Raises Refused when they cannot be kept (full disk, size limit)."""

    def commit(self) -> Receipt:
        """Make the object durable and indexed, or raise Refused and keep nothing."""

    def abort(self) -> None:
        """Forget the object; nothing of it remains. Safe to call after a failed write or commit."""


SinkFactory = Callable[[StoreRequest], Sink]
