"""What a monitor is told: counts of every process, and what the tables say of how much waits.

No number here speaks of a person: labels are doors, roles, kinds, states and route templates alone.
"""

import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from server import VERSION
from server.config import Config
from server.flows.sites import COUNTERS, House
from server.store import counters, gauges, install
from server.store.counters import Sheet, key_of
from server.store.gauges import Waiting

_MICROS = 1_000_000
Labels = tuple[tuple[str, str], ...]
Value = tuple[Labels, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family: its name without `triptych_`, counter or gauge, and what it says.

    `scale` divides numbers that are counted in smaller units.
    """

    name: str
    kind: str
    help: str
    scale: int = 1


# What processes count, all of them together, from the start of the server on.
COUNTED = (
    Metric(
        "http_requests_total", "counter", "HTTP answers by door, route, method and status class."
    ),
    Metric("http_request_seconds_total", "counter", "Time from request to last byte.", _MICROS),
    Metric("received_bytes_total", "counter", "Bytes taken, by door."),
    Metric("sent_bytes_total", "counter", "Bytes that left, by door."),
    Metric("objects_received_total", "counter", "DICOM objects that arrived, by door and outcome."),
    Metric("hl7_received_total", "counter", "HL7 messages taken or refused."),
    Metric("hl7_applied_total", "counter", "HL7 messages worked on, by the state they came to."),
    Metric(
        "connections_total", "counter", "DICOM associations and HL7 connections that have ended."
    ),
    Metric("turned_away_total", "counter", "Connections beyond the limit of a door."),
    Metric("jobs_total", "counter", "Jobs worked on, by kind and outcome."),
    Metric("decodes_total", "counter", "Pictures that decoders were asked for, by outcome."),
)
# What they hold right now: processes that have ended hold nothing.
HELD = (
    Metric("connections_open", "gauge", "DICOM associations and HL7 connections that are open."),
    Metric("decodes_open", "gauge", "Pictures that decoders are at, or that wait for one."),
)
HEARTBEAT = Metric("worker_heartbeat_age_seconds", "gauge", "Since a worker last looked for work.")
PROCESSES = Metric("processes", "gauge", "Processes that run, by role.")
UNSIGNED = Metric("audit_unsigned_age_seconds", "gauge", "Age of the oldest audit event unsigned.")
DECODERS = Metric("decode_workers", "gauge", "Decoders that all HTTP processes have together.")
JOBS = Metric("jobs", "gauge", "Jobs that wait, run or are parked, by kind and state.")
JOBS_AGE = Metric("jobs_oldest_age_seconds", "gauge", "Age of the oldest of them.")
MESSAGES = Metric("hl7_messages", "gauge", "HL7 messages that wait, are held or are parked.")
MESSAGES_AGE = Metric("hl7_oldest_age_seconds", "gauge", "Age of the oldest of them.")
REVIEWS = Metric("reviews_open", "gauge", "What waits for a person to decide, by kind.")
REVIEWS_AGE = Metric("reviews_oldest_age_seconds", "gauge", "Age of the oldest of them.")
STUDIES = Metric("studies_stored", "gauge", "Studies that are indexed.")
OBJECTS = Metric("objects_stored", "gauge", "DICOM objects that are indexed.")
FREE = Metric("disk_free_bytes", "gauge", "Free on the disk that holds the data.")
RESERVE = Metric("disk_reserve_bytes", "gauge", "New objects are refused while less is free.")
BUILD = Metric("build_info", "gauge", "1, with the versions as labels.")

METRICS = (
    *COUNTED,
    *HELD,
    *(HEARTBEAT, PROCESSES, UNSIGNED, DECODERS, JOBS, JOBS_AGE, MESSAGES, MESSAGES_AGE),
    *(REVIEWS, REVIEWS_AGE, STUDIES, OBJECTS, FREE, RESERVE, BUILD),
)


def begin(config: Config) -> None:
    """Count from nothing: for a server that starts, and has the data folder to itself."""
    counters.clear(config.data / COUNTERS)


def gather(house: House, now: int) -> Iterator[tuple[Metric, list[Value]]]:
    """Every family with its numbers as they are now."""
    sheets = list(counters.sheets(house.config.data / COUNTERS))
    yield from _counted(sheets)
    yield from _living(house, [one for one in sheets if one.lives], now)
    yield from _waiting(house, now)
    usage = shutil.disk_usage(house.config.data)
    yield FREE, [((), usage.free)]
    yield RESERVE, [((), house.config.min_free_bytes)]


def _counted(sheets: list[Sheet]) -> Iterator[tuple[Metric, list[Value]]]:
    for metric in COUNTED:
        yield metric, _summed(metric, sheets)
    for metric in HELD:
        yield metric, _summed(metric, [one for one in sheets if one.lives])


def _summed(metric: Metric, sheets: list[Sheet]) -> list[Value]:
    found: dict[Labels, int] = {}
    for sheet in sheets:
        for (name, labels), number in sheet.numbers.items():
            if name == metric.name:
                found[labels] = found.get(labels, 0) + number
    return [(labels, number / metric.scale) for labels, number in sorted(found.items())]


def _living(house: House, sheets: list[Sheet], now: int) -> Iterator[tuple[Metric, list[Value]]]:
    """What is said of each process that runs. A worker that has ended has no heartbeat at all."""
    beats = {
        labels: (now - number) / _MICROS
        for sheet in sheets
        for (name, labels), number in sheet.numbers.items()
        if name == "heartbeat"
    }
    yield HEARTBEAT, sorted(beats.items())
    roles = [one.writer.split("-")[0] for one in sheets]
    yield PROCESSES, [(_role(role), roles.count(role)) for role in sorted({*roles})]
    yield DECODERS, [((), roles.count("web") * house.config.decode_workers)]
    lags: dict[str, float] = {}
    with house.database.read() as connection:
        for role, sheet in zip(roles, sheets, strict=True):
            age = _age(gauges.unsigned(connection, sheet.writer), now)
            lags[role] = max(age, lags.get(role, 0))
    yield UNSIGNED, [(_role(role), age) for role, age in sorted(lags.items())]


def _waiting(house: House, now: int) -> Iterator[tuple[Metric, list[Value]]]:
    with house.database.read() as connection:
        jobs, reviews = gauges.jobs(connection), gauges.reviews(connection)
        messages = gauges.messages(connection)
        _, studies, objects = house.stock = _stock(house, connection, now)
        schema = install.schema_version(connection) or ""
    yield from _both(JOBS, JOBS_AGE, ("kind", "state"), jobs, now)
    yield from _both(MESSAGES, MESSAGES_AGE, ("state",), messages, now)
    yield from _both(REVIEWS, REVIEWS_AGE, ("kind",), reviews, now)
    yield STUDIES, [((), studies)]
    yield OBJECTS, [((), objects)]
    versions = {"version": VERSION, "python": platform.python_version(), "schema": schema}
    yield BUILD, [(key_of("", versions)[1], 1)]


def _stock(house: House, connection: Connection, now: int) -> tuple[int, int, int]:
    """Studies and objects. All rows of studies are read: that may take a hundredth of the time."""
    if house.stock[0] > now:
        return house.stock
    began = time.monotonic_ns()
    studies, objects = gauges.stock(connection)
    return now + (time.monotonic_ns() - began) // 10, studies, objects


def _both(
    count: Metric, age: Metric, names: tuple[str, ...], waiting: Waiting, now: int
) -> Iterator[tuple[Metric, list[Value]]]:
    """How many wait, and how old the oldest is, 0 where none does."""

    def values(of: Callable[[int, int], float]) -> list[Value]:
        return [
            (tuple(zip(names, key, strict=False)), of(*one)) for key, one in sorted(waiting.items())
        ]

    yield count, values(lambda number, _: number)
    yield age, values(lambda _, oldest: _age(oldest, now))


def _role(role: str) -> Labels:
    return (("role", role),)


def _age(since: int, now: int) -> float:
    return max(0, now - since) / _MICROS if since else 0.0
