"""How much work SQLite does: its virtual machine's steps and its plans, instead of anybody's clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from server.store.db import Database

_GRAIN = 100


@dataclass(slots=True)
class Effort:
    """What the statements of a block took: steps of the virtual machine, and their plans."""

    steps: int = 0
    plans: list[str] = field(default_factory=list)


@contextmanager
def measured(database: Database) -> Iterator[Effort]:
    """Count what readers of a database do in a block."""
    effort = Effort()

    def step() -> int:
        effort.steps += _GRAIN
        return 0

    def before(
        _connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        raw = cursor.connection
        if statement.startswith("SELECT"):
            rows = raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            effort.plans += [str(row[3]) for row in rows]
        raw.set_progress_handler(step, _GRAIN)

    def after(
        _connection: Any, cursor: Any, _statement: str, _parameters: Any, _context: Any, _many: bool
    ) -> None:
        cursor.connection.set_progress_handler(None, 0)

    event.listen(database.reader, "before_cursor_execute", before)
    event.listen(database.reader, "after_cursor_execute", after)
    try:
        yield effort
    finally:
        event.remove(database.reader, "before_cursor_execute", before)
        event.remove(database.reader, "after_cursor_execute", after)
