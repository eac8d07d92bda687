"""An archive for tests of the door alone: it finds and gives what a test has put on it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dicom.archive import Destination, Held, Question
from dicom.command import DESTINATION_UNKNOWN
from dicom.errors import Refused
from dicom.sink import Peer


@dataclass(slots=True)
class Shelf:
    """See dicom.archive.Archive. `asked` are the questions that came."""

    matches: list[dict[str, Any]] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    ended: int = 0

    def find(self, peer: Peer, address: str, question: Question) -> Iterator[Mapping[str, Any]]:
        """All that is there, whatever was asked."""
        self.asked.append(question)
        yield from self.matches

    def retrieve(self, peer: Peer, address: str, question: Question) -> "Shelf":
        """All that is there."""
        self.asked.append(question)
        return self

    def destination(self, peer: Peer, title: str) -> Destination:
        """Nobody is known."""
        raise Refused(DESTINATION_UNKNOWN, f"{title} is no peer here")

    @property
    def count(self) -> int:
        return len(self.held)

    @property
    def kinds(self) -> frozenset[tuple[str, str]]:
        return frozenset((one.sop_class, one.transfer_syntax) for one in self.held)

    def objects(self) -> Iterator[Held]:
        """Each object."""
        for one in self.held:
            yield one
            self.taken.append(one.sop_instance)

    def sent(self, size: int, *, whole: bool) -> None:
        """Nothing is counted here."""

    def end(self) -> None:
        """Somebody has finished."""
        self.ended += 1
