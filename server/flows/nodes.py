"""What is joined with what: studies, orders and reports, with the keys they are found by."""

from dataclasses import dataclass

from server.store.links import Key


@dataclass(frozen=True, slots=True)
class Node:
    """A study, order or report with its patient and keys."""

    type: str
    id: str
    patient: str
    keys: frozenset[Key]

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"

    def shares(self, other: "Node", kind: str) -> bool:
        """Whether both have an equal key of a kind."""
        mine = [key for key in self.keys if key.kind == kind]
        return any(key.fits(one) for key in mine for one in other.keys)
