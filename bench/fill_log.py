"""Fills the message log below the door: applied orders, each as the door and the worker leave one.

A message that came in by the door is the seed; its copies have other numbers. What it made in FHIR
is not copied, and no audit: a new message looks into neither.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from bench.reports import order
from hl7.message import parse
from server import clock
from server import config as settings
from server.flows import founding, messages
from server.flows.feeds import Connecting
from server.flows.sites import HOME, House, open_house
from server.flows.worker import Worker
from server.store.hl7_tables import message, message_effect

SEED = 9_000_000
_BATCH = 1_000
Row = dict[str, Any]


def fill(data: Path, first: int, count: int) -> None:
    """Log `count` messages, numbered from `first`."""
    house = open_house(settings.load({"TRIPTYCH_DATA": str(data)}), "fill")
    try:
        founding.prepare(house, clock.now())
        row, effects = seed(house)
        for start in range(first, first + count, _BATCH):
            numbers = range(start, min(start + _BATCH, first + count))
            with house.database.write() as connection:
                _write(connection, row, effects, numbers)
    finally:
        house.close()


def seed(house: House) -> tuple[Row, list[Row]]:
    """The message that is copied, and its effects, after it came in and was applied."""
    caller = messages.greet(house, Connecting("127.0.0.1"))
    if caller is None:
        raise RuntimeError("the door is closed to us")
    messages.receive(house, caller, order(SEED))
    worker = Worker(house)
    while worker.step():
        pass
    with house.database.read() as connection:
        row = connection.execute(select(message)).mappings().one()
        effects = connection.execute(select(message_effect)).mappings()
        return dict(row), [dict(one) for one in effects]


def _write(connection: Connection, row: Row, effects: list[Row], numbers: range) -> None:
    rows = [copy(row, number) for number in numbers]
    connection.execute(insert(message), rows)
    connection.execute(insert(message_effect), list(_effects(effects, rows, numbers)))


def copy(row: Row, number: int) -> Row:
    """The seed's row with another number."""
    raw = order(number)
    old, new = f"O{SEED}".encode(), f"O{number}".encode()
    return row | {
        "organisation": HOME,
        "id": row["id"] - SEED + number,
        "control_id": f"O{number}",
        "fingerprint": parse(raw).fingerprint(),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "raw": raw,
        "ack": row["ack"].replace(old, new),
    }


def _effects(effects: list[Row], rows: list[Row], numbers: range) -> Iterator[Row]:
    """What each copy would have written, under ids of its own."""
    for row, number in zip(rows, numbers, strict=True):
        for one in effects:
            yield one | {"message": row["id"], "id": f"{one['id']}{number}"[-64:]}
