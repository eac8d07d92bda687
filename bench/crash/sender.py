"""One sender, a process of its own: sends objects until told to stop, whatever becomes of the server.

python -m bench.crash.sender dimse|stow NAME PORT FOLDER
"""

import itertools
import random
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from bench.crash.doors import Refused, Scu, Unanswered, Unreachable, Web
from bench.crash.journal import Journal
from bench.crash.objects import Made, make

_PAUSE = 0.2
_PACE = 0.02
# Some give up on an object that was not acknowledged, as a person would; the others send it again.
_STUBBORN = 0.7
_MOST_AT_ONCE = 4
_PAPERS = 5  # every fifth object is a signed report


class Sender:
    """Sends by one door; `deliver` gives the UIDs that were acknowledged."""

    def __init__(self, door: str, name: str, port: int, folder: Path) -> None:
        self._door = door
        self._name = name
        self._journal = Journal(folder / f"{name}.journal")
        self._scu = Scu(port, name)
        self._web = Web(port, folder / "token")
        self._dice = random.Random(name)  # noqa: S311 - chooses what to send
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask `run` to return after the present object."""
        self._stopping.set()

    def run(self) -> None:
        """Send until stopped."""
        objects = self._objects()
        while not self._stopping.is_set():
            count = 1 if self._door == "dimse" else self._dice.randint(1, _MOST_AT_ONCE)
            batch = list(itertools.islice(objects, count))
            for made in batch:
                self._journal.sending(made)
            while batch and not self._stopping.is_set():
                batch = self._attempt(batch)
            self._stopping.wait(_PACE)
        self._scu.close()
        self._journal.close()

    def _attempt(self, batch: list[Made]) -> list[Made]:
        """Send once; gives what is to be sent again."""
        try:
            uids = self._deliver(batch)
        except Unreachable:
            self._stopping.wait(_PAUSE)
            return batch
        except Unanswered:
            return batch if self._dice.random() < _STUBBORN else []
        except Refused as refusal:
            self._journal.refused(str(refusal))
            self._stopping.wait(_PAUSE)
            return batch
        self._journal.acknowledged(uids)
        return [made for made in batch if made.uid not in uids]

    def _deliver(self, batch: list[Made]) -> list[str]:
        if self._door == "stow":
            return self._web.store(batch)
        for made in batch:
            self._scu.store(made)
        return [made.uid for made in batch]

    def _objects(self) -> Iterator[Made]:
        """Small studies of this sender alone, and every fourth object for one that all share."""
        for number in itertools.count(1):
            shared = number % 4 == 0
            study = f"all-{number // 80}" if shared else f"{self._name}-{number // 16}"
            yield make(study, self._name, number, paper=number % _PAPERS == 0)


def main(words: list[str]) -> None:
    """Run a sender until SIGTERM, or until its parent closes our standard input."""
    door, name, port, folder = words
    sender = Sender(door, name, int(port), Path(folder))
    signal.signal(signal.SIGTERM, lambda *_: sender.stop())
    threading.Thread(target=_stop_at_the_end, args=(sender,), daemon=True).start()
    sender.run()


def _stop_at_the_end(sender: Sender) -> None:
    """Wait until our standard input ends, then stop."""
    sys.stdin.read()
    sender.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
