"""How the server is: what arrived by the hour, what waits, how full the disk is, and what it runs with."""

import platform
import shutil
import sqlite3
from dataclasses import dataclass

from sqlalchemy import func, select

from server import VERSION
from server.flows import access, operate
from server.flows.access import Grant
from server.flows.sites import HOME, House
from server.settings import PREFIX, SETTINGS
from server.store import jobs
from server.store.hl7_tables import message
from server.store.tables import study

HOUR = 3600 * 1_000_000
HOURS = 48


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What came in one hour: when it began, how many messages, how many new studies."""

    at: int
    messages: int
    studies: int


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that holds the data, in bytes; `spare` is what must stay free to take objects."""

    used: int
    free: int
    spare: int


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in force. Of a secret only whether there is one."""

    name: str
    value: str
    usual: bool
    help: str


def arrivals(house: House, grant: Grant, now: int) -> list[Arrivals]:
    """What came to the organisation in each of the last 48 hours, the oldest first."""
    access.in_role(grant, "operator")
    begin = (now // HOUR - HOURS + 1) * HOUR
    counts = []
    with house.database.read() as connection:
        for table, column in ((message, message.c.id), (study, study.c.arrived)):
            hour = (column // HOUR).label("hour")
            query = select(hour, func.count()).where(
                table.c.organisation == grant.organisation, column >= begin
            )
            counts.append({int(row[0]): row[1] for row in connection.execute(query.group_by(hour))})
    return [
        Arrivals(at * HOUR, *(one.get(at, 0) for one in counts))
        for at in range(begin // HOUR, now // HOUR + 1)
    ]


def waiting(house: House, grant: Grant) -> list[tuple[str, dict[str, int]]]:
    """How many jobs of each kind stand in each state."""
    access.in_role(grant, "operator")
    with house.database.read() as connection:
        depth = jobs.depth(connection, grant.organisation)
    kinds = dict.fromkeys(kind for kind, _ in sorted(depth))
    return [
        (kind, {state: count for (of, state), count in depth.items() if of == kind})
        for kind in kinds
    ]


def runs_it(grant: Grant) -> bool:
    """Whether somebody is of the organisation that runs the server, and may see how it stands."""
    return grant.role == "operator" and grant.organisation == HOME


def disk(house: House) -> Disk:
    """The disk under the data."""
    usage = shutil.disk_usage(house.config.data)
    return Disk(usage.used, usage.free, house.config.min_free_bytes)


def versions(house: House) -> list[tuple[str, str]]:
    """What the server is made of, by name."""
    return [
        ("Triptych", VERSION),
        ("Python", platform.python_version()),
        ("SQLite", sqlite3.sqlite_version if house.database.sqlite else "-"),
        ("tables", operate.schema_version(house) or "-"),
        ("system", f"{platform.system()} {platform.release()}"),
    ]


def settings(house: House) -> list[Setting]:
    """Every setting with its value, secrets left out."""
    return [_setting(house, one.name, one.kind, one.default, one.help) for one in SETTINGS]


def _setting(house: House, name: str, kind: str, default: str, help_: str) -> Setting:
    value = str(getattr(house.config, name.lower()))
    usual = value == str(default)
    if kind == "secret":
        value = "***" if value else ""
    return Setting(PREFIX + name, value, usual, help_)
