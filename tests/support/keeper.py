"""A Sink for tests of the doors: keeps each object as a file of exactly the bytes written."""

import threading
from dataclasses import dataclass
from pathlib import Path

from dicom.sink import Receipt, StoreRequest


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that was committed."""

    request: StoreRequest
    path: Path

    @property
    def data(self) -> bytes:
        """Return the bytes as they were written."""
        return self.path.read_bytes()


class Keeper:
    """A SinkFactory. `troubles` maps open, write, commit or abort to what happens there instead."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.kept: list[Kept] = []
        self.open = 0
        self.aborted = 0
        self.longest = 0
        self.written = threading.Event()
        self.troubles: dict[str, Exception] = {}
        self.warnings: tuple[tuple[int, str], ...] = ()
        self._lock = threading.Lock()

    def __call__(self, request: StoreRequest) -> "KeeperSink":
        """Open a sink."""
        self.trouble("open")
        with self._lock:
            self.open += 1
            number = self.open + self.aborted + len(self.kept)
        return KeeperSink(self, request, self.folder / f"{number}-{id(request)}")

    def trouble(self, step: str) -> None:
        """Raise what this step is to fail with, if anything."""
        if step in self.troubles:
            raise self.troubles[step]

    def ended(self, kept: Kept | None) -> None:
        """Count a sink that was committed or aborted."""
        with self._lock:
            self.open -= 1
            if kept is None:
                self.aborted += 1
            else:
                self.kept.append(kept)


class KeeperSink:
    """One object on its way into a file."""

    def __init__(self, keeper: Keeper, request: StoreRequest, path: Path) -> None:
        self._keeper = keeper
        self._request = request
        self._path = path
        self._file = path.open("xb")

    def write(self, data: memoryview) -> None:
        """Append to the file."""
        self._keeper.trouble("write")
        self._file.write(data)
        self._keeper.longest = max(self._keeper.longest, len(data))
        self._keeper.written.set()

    def commit(self) -> Receipt:
        """Close the file and count the object as kept."""
        self._keeper.trouble("commit")
        self._file.close()
        self._keeper.ended(Kept(self._request, self._path))
        request, warnings = self._request, self._keeper.warnings
        return Receipt(request.sop_class, request.sop_instance, "", warnings=warnings)

    def abort(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink()
        self._keeper.ended(None)
        self._keeper.trouble("abort")
