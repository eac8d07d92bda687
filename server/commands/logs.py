"""How a log line is written: as text for people, or as one JSON object for machines.

No line holds an address, a query or an id of a path: what speaks of a request names its route.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from server import trace

# What a line may say beside its words, where whoever logs gives it.
_MORE = ("route", "status", "ms")


class Text(logging.Formatter):
    """Time, role, level, logger, the id of the request if there is one, and the words."""

    def __init__(self, role: str) -> None:
        super().__init__(f"%(asctime)s {role} %(levelname)s %(name)s: %(traced)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        id_ = trace.current()
        record.traced = f"[{id_}] " if id_ else ""
        return super().format(record)


class Json(logging.Formatter):
    """One JSON object a line; a traceback is one of its strings."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "role": self._role,
            "level": record.levelname,
            "logger": record.name,
            "request": trace.current(),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _MORE if hasattr(record, name)}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value != ""})
