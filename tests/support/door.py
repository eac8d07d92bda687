"""A real DIMSE door on a loopback port, with a Keeper behind it, for as long as a test needs it."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dicom.rules import Calling, Event, Limits, Rules
from dicom.scp import Door
from dicom.sink import Peer
from tests.support.keeper import Keeper

AE_TITLE = "TRIPTYCH"
PATIENCE = 20.0  # how long a test waits for what has to come before it counts as missing
ENGINES = ("receiver", "pynetdicom")


class House:
    """The door, what it kept, what it reported, and the peers it knows by calling AE title."""

    def __init__(
        self, folder: Path, engine: str = "receiver", host: str = "127.0.0.1", **rules: Any
    ) -> None:
        self.engine = engine
        self.keeper = Keeper(folder)
        self.calls: list[Calling] = []
        self.peers: dict[str, Peer] = {}
        self._events: queue.Queue[Event] = queue.Queue()
        settings: dict[str, Any] = {
            "limits": Limits(),
            "own_receiver": engine == "receiver",
        } | rules
        self.door = Door(
            host,
            0,
            Rules(AE_TITLE, self.identify, self.keeper, self._events.put, **settings),
        )

    @property
    def port(self) -> int:
        """Return the port that the door found for itself."""
        return self.door.port

    def identify(self, calling: Calling) -> Peer | None:
        """Know everybody but STRANGER; `peers` says what a title may, others echo and store."""
        self.calls.append(calling)
        if calling.calling_ae == "STRANGER":
            return None
        everybody = Peer(calling.calling_ae, 1, frozenset({"echo", "store"}))
        return self.peers.get(calling.calling_ae, everybody)

    def next_event(self) -> Event:
        """Wait for the next end of a connection."""
        return self._events.get(timeout=PATIENCE)


@contextmanager
def running_house(folder: Path, engine: str = "receiver", **rules: Any) -> Iterator[House]:
    """Start a door whose storage is served by the engine named, and stop it at the end."""
    house = House(folder, engine, **rules)
    house.door.start()
    try:
        yield house
    finally:
        house.door.stop(PATIENCE)
