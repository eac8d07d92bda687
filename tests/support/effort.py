"""How much work SQLite does: its virtual machine's steps and its plans, instead of anybody's clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from server.store.db import Database

_GRAIN = 100


@dataclass(slots=True)
class Effort:
    """What the statements of a block took: steps of the virtual machine, and their plans."""

    steps: int = 0
    plans: list[str] = field(default_factory=list)


@contextmanager
def measured(database: Database) -> Iterator[Effort]:
    """Count what a reader of a database does in a block that reads in one transaction at a time."""
    effort = Effort()
    asked: list[str] = []
    with database.read() as connection:  # the one that the next reader will be given
        raw: Any = connection.connection.driver_connection

    def step() -> int:
        effort.steps += _GRAIN
        return 0

    raw.set_progress_handler(step, _GRAIN)
    raw.set_trace_callback(asked.append)
    try:
        yield effort
    finally:
        raw.set_trace_callback(None)
        raw.set_progress_handler(None, 0)
    for statement in asked:
        if statement.startswith(("SELECT", "(SELECT")):
            plan = raw.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            effort.plans += [str(row[3]) for row in plan]
