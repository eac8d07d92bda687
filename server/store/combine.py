"""Shares one costly flush across callers: whatever waits when the last flush ends goes in the next.

Nobody waits for company: a lone caller flushes at once. One caller at a time leads; when its
flush ends it hands the lead to the first that came meanwhile, so no caller serves others for long.
"""

import threading
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def _shut() -> threading.Lock:
    """A lock for one to wait at and another to open: an Event costs twenty times as much."""
    gate = threading.Lock()
    gate.acquire()
    return gate


@dataclass(slots=True)
class Ticket(Generic[T, R]):
    """One caller's item and what became of it. `gate` opens when it is done, or has to lead.

    `context` is the caller's: who does another's work does it under that one's id.
    """

    item: T
    result: R | None = None
    error: BaseException | None = None
    done: bool = False
    gate: threading.Lock = field(default_factory=_shut)
    context: Context = field(default_factory=copy_context)


class Combiner(Generic[T, R]):
    """`run(item)` returns when a flush that contained the item has ended.

    `flush` gets the tickets of one round and sets `result` or `error` on each; if it raises,
    every ticket of the round gets that error.
    """

    def __init__(self, flush: Callable[[Sequence[Ticket[T, R]]], None], most: int = 64) -> None:
        self._flush = flush
        self._most = most
        self._mutex = threading.Lock()
        self._waiting: list[Ticket[T, R]] = []
        self._led = False

    def run(self, item: T) -> R:
        """Put the item into the next flush and return its result, or raise its error."""
        ticket: Ticket[T, R] = Ticket(item)
        with self._mutex:
            self._waiting.append(ticket)
            lead = not self._led
            self._led = True
        if not lead:
            ticket.gate.acquire()
        if not ticket.done:
            self._lead()
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]

    def _lead(self) -> None:
        """Flush one round, then wake its callers and the next leader."""
        with self._mutex:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            self._flush(batch)
        except BaseException as error:
            for ticket in batch:
                ticket.error = error
        finally:
            self._hand_over(batch)

    def _hand_over(self, batch: Sequence[Ticket[T, R]]) -> None:
        for ticket in batch:
            ticket.done = True
        with self._mutex:
            self._led = bool(self._waiting)
            heir = self._waiting[0] if self._waiting else None
        for ticket in batch:
            ticket.gate.release()
        if heir is not None:
            heir.gate.release()
