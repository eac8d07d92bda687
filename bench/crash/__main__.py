"""`python -m bench.crash`: kill a process of a busy server, many times, and look for losses.

Senders stream objects through both doors and note what was acknowledged. Each round kills one
process, or all, at a chosen moment, waits until the server is whole again, and asks for what was
promised since. At the end everything is asked for. Ends with 1 when a promise was broken.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.crash import aim, check
from bench.crash.doors import Refused, Unanswered
from bench.crash.journal import Memory
from bench.crash.objects import PAPER
from bench.crash.victim import VICTIMS, Trouble, Victim, until

_DOORS = {"dimse": ("dimse",), "stow": ("stow",), "both": ("dimse", "stow")}
_SENDERS = 2  # for each door
_LIVELY = 8  # objects that each door takes before the next kill
_SAMPLE = 20  # older objects that each round asks for again


@dataclass(slots=True)
class Run:
    """One run of the bench: the server, its senders, what they remember, what went wrong."""

    victim: Victim
    folder: Path
    doors: tuple[str, ...]
    dice: random.Random
    memory: Memory = field(default_factory=Memory)
    senders: list[subprocess.Popen[bytes]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    checked: int = 0
    unfinished: int = 0

    def start(self) -> None:
        """Start the server, then the senders."""
        self.victim.start()
        for door in self.doors:
            port = self.victim.dimse if door == "dimse" else self.victim.http
            for number in range(1, _SENDERS + 1):
                words = [door, f"{door}{number}".upper(), str(port), str(self.folder)]
                self.senders.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "bench.crash.sender", *words],
                        stdin=subprocess.PIPE,
                    )
                )

    def round(self, name: str) -> str:
        """Kill once; gives what happened, in a line."""
        self._await_traffic()
        moment = self.dice.choice(list(aim.AIMS))
        doomed = self.victim.choose(name)
        aim.wait(moment, self.victim.data, self.dice)
        killed = time.monotonic()
        self.victim.kill(doomed)
        left = len(list((self.victim.data / "blobs" / "tmp").iterdir()))
        self.unfinished += left if name in ("everything", "supervisor") else 0
        before = self.victim.recovered
        self.victim.await_health()
        seconds = time.monotonic() - killed
        new = self._check()
        found = self.victim.recovered - before
        return (
            f"{name}, {moment}: whole again after {seconds:.1f} s, {left} unfinished, "
            f"{found} recovered, {new} promises kept"
        )

    def _await_traffic(self) -> None:
        """Wait until every door has acknowledged some more objects."""
        before = self._tally()

        def lively() -> bool:
            now = self._tally()
            return all(now[door] - before[door] >= _LIVELY for door in self.doors)

        until(lively, "objects acknowledged by every door")

    def _tally(self) -> Counter[str]:
        """How many objects each door has acknowledged by now."""
        self.memory.update(self.folder)
        sent = self.memory.sent
        return Counter(sent[uid].sender[:-1].lower() for uid in self.memory.acknowledged)

    def _check(self) -> int:
        """Ask for what was promised since the last round, and for some of the older."""
        self.memory.update(self.folder)
        fresh = self.memory.acknowledged[self.checked :]
        older = self.memory.acknowledged[: self.checked]
        uids = fresh + self.dice.sample(older, min(_SAMPLE, len(older)))
        self.faults += check.objects(self.victim.web, [self.memory.sent[uid] for uid in uids])
        self.checked += len(fresh)
        return len(fresh)

    def finish(self) -> None:
        """Stop the senders, then see whether everything is as it was promised."""
        self.stop_senders()
        self.memory.update(self.folder)
        self.victim.await_health()
        self._await_settled()
        self.victim.await_health()
        seen = check.studies(self.victim.web, self.memory)
        for study in seen:
            self.faults += study.faults()
        self.victim.await_health()
        stray = [entry for study in seen for entry in study.unpromised]
        promised = [self.memory.sent[uid] for uid in self.memory.acknowledged]
        self.faults += check.objects(self.victim.web, promised + stray)
        self.victim.stop()
        self.victim.start()  # tidies up what the last children that died have left
        self.victim.stop()
        self.faults += check.store(self.victim.data)
        self.faults += self.victim.run("verify")["faults"]
        self._summary(seen, {entry.uid for entry in stray})

    def _await_settled(self) -> None:
        """Wait until all studies that are there have settled and all documents been read, or too long."""

        def all_settled() -> bool:
            web = self.victim.web
            studies = sum(1 for _ in web.pages("/studies"))
            papers = sum(1 for _ in web.pages(f"/instances?SOPClassUID={PAPER}"))
            settled = web.total("ImagingStudy?_tag=settled") == studies
            return settled and web.total("DiagnosticReport?status=final") == papers

        with suppress(Trouble):  # whichever has not is a fault of its own
            until(all_settled, "every study settled and every document read", 60)

    def _summary(self, studies: list[check.Study], stray: set[str]) -> None:
        """What there was, and how often each window was hit."""
        refusals = Counter(self.memory.refusals)
        untold = len(stray - check.recovered(self.victim.data))
        print(
            f"{len(self.memory.sent)} objects sent in {len(studies)} studies, "
            f"{len(self.memory.acknowledged)} acknowledged; "
            f"serve was started {self.victim.restarts} times again.\n"
            f"Killed in mid-write: {self.unfinished} unfinished files. "
            f"Between file and row: {self.victim.recovered} files found and indexed. "
            f"Between row and answer: {untold} kept that nobody was told of."
        )
        for reason, count in refusals.most_common():
            print(f"Refused {count} times: {reason}")

    def stop_senders(self) -> None:
        """Tell the senders to stop, and wait for them."""
        for sender in self.senders:
            if sender.stdin is not None:
                sender.stdin.close()
        for sender in self.senders:
            sender.wait(60)
        self.senders.clear()


def rounds(run: Run, times: int) -> None:
    """Kill as often as asked, every kind of process in turn, in an order of chance."""
    names: list[str] = []
    for number in range(1, times + 1):
        if not names:
            names = list(VICTIMS)
            run.dice.shuffle(names)
        print(f"kill {number:4d}/{times}  {run.round(names.pop())}", flush=True)
        if run.faults:
            return


def main() -> int:
    """Run the bench; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="how many kills (200)")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(1 << 32)))
    parser.add_argument("--door", choices=_DOORS, default="both")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and leave nothing running
    print(f"seed {chosen.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="triptych-crash-"))
    dice = random.Random(chosen.seed)  # noqa: S311 - chooses moments, guards nothing
    run = Run(Victim(folder), folder, _DOORS[chosen.door], dice)
    try:
        run.start()
        rounds(run, chosen.times)
        run.finish()
    except (Trouble, Refused, Unanswered) as trouble:
        run.faults.append(f"{type(trouble).__name__}: {trouble}")
    finally:
        run.stop_senders()
        run.victim.abandon()
    return report(run, folder)


def report(run: Run, folder: Path) -> int:
    """Say how it ended; what is needed to understand a fault is kept."""
    if not run.faults:
        shutil.rmtree(folder)
        print("Every promise was kept.")
        return 0
    for fault in run.faults[:50]:
        print(fault)
    print(f"{len(run.faults)} promises broken. Everything is kept in {folder}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
