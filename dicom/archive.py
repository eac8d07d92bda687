"""The seam between the door that searches and retrieves, and whoever keeps the objects (PS3.4 C).

The door reads identifiers and counts sub-operations; the archive knows who may have what.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dicom import convert
from dicom.sink import Peer

PATIENT, STUDY, SERIES, IMAGE = "PATIENT", "STUDY", "SERIES", "IMAGE"


@dataclass(frozen=True, slots=True)
class Model:
    """A query/retrieve SOP class: the service, and the levels of its information model."""

    service: str
    levels: tuple[str, ...]


_BASE = "1.2.840.10008.5.1.4.1.2"
_SERVICES = {"1": "find", "2": "move", "3": "get"}
_ROOTS = {"1": (PATIENT, STUDY, SERIES, IMAGE), "2": (STUDY, SERIES, IMAGE)}
# Patient Root and Study Root (PS3.4 C.6).
MODELS = {
    f"{_BASE}.{root}.{number}": Model(service, levels)
    for root, levels in _ROOTS.items()
    for number, service in _SERVICES.items()
}


@dataclass(frozen=True, slots=True)
class Question:
    """An identifier, read: the level, and the text of every key, "" where any value will do."""

    level: str
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """An object that can be sent: what it is, and its data set without preamble and file meta.

    `data` takes the transfer syntax wanted: that of the object, or the other uncompressed one. It
    raises Refused, before its first byte, for one that cannot be read.
    """

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: Callable[[str], Iterable[bytes]]


def ways(held: Held) -> tuple[tuple[str, str], ...]:
    """SOP class and transfer syntax in which an object can go out, as it is kept first."""
    syntaxes = (held.transfer_syntax, convert.other(held.transfer_syntax))
    return tuple((held.sop_class, one) for one in syntaxes if one)


class Retrieval(Protocol):
    """The objects that were asked for, one after the other. `end` is called whatever happened."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def kinds(self) -> frozenset[tuple[str, str]]:
        """Their SOP classes, each with its transfer syntaxes."""

    def objects(self) -> Iterator[Held]:
        """Each object, in the order of its series."""

    def sent(self, size: int, *, whole: bool) -> None:
        """Count bytes as they leave, and an object when the other side has taken it."""

    def end(self) -> None:
        """Close the account."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a C-MOVE sends."""

    ae: str
    host: str
    port: int


class Archive(Protocol):
    """Whoever answers searches and retrievals. All of it raises Refused with a DIMSE status.

    `address` is where the peer calls from.
    """

    def find(self, peer: Peer, address: str, question: Question) -> Iterator[Mapping[str, Any]]:
        """The matches as DICOM JSON, with the keys that were asked for."""

    def retrieve(self, peer: Peer, address: str, question: Question) -> Retrieval:
        """The objects below the unique keys of a question."""

    def destination(self, peer: Peer, title: str) -> Destination:
        """Who has an AE title."""
