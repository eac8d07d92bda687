"""The sample data of `demo`: only in a store that holds nothing else, and only on this machine."""

from dataclasses import dataclass

from sqlalchemy import Connection, Table, literal, select

from server.config import BadSetting, Config
from server.errors import Conflict
from server.flows.sites import House
from server.store import install, jobs, people
from server.store.fhir_tables import resource
from server.store.hl7_tables import message
from server.store.tables import study

_MARK = "demo"
_CLAIMED, _FILLED = "claimed", "filled"
_UNDONE = ("pending", "running", "parked")


@dataclass(frozen=True, slots=True)
class Undone:
    """What the worker still has to do, and whether it has given something up."""

    waiting: int
    parked: int


def claim_for_demo(house: House) -> None:
    """Mark an empty store as a demo. Raises Conflict for one that holds other data."""
    with house.database.write() as connection:
        if install.value(connection, _MARK) is not None:
            return
        if any(_holds(connection, table) for table in (study, message, resource)):
            raise Conflict(
                f"{house.config.data} holds data that is not the demo's: "
                "choose another TRIPTYCH_DATA, or run `serve`"
            )
        install.keep(connection, _MARK, _CLAIMED)


def _holds(connection: Connection, table: Table) -> bool:
    return connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None


def refuse_exposed(config: Config) -> None:
    """A demo holds data and passwords that everybody may see: it stays on this machine."""
    if not config.loopback:
        raise BadSetting(
            f"a demo serves loopback only, and TRIPTYCH_HOST is {config.host}: "
            "run `serve` with another TRIPTYCH_DATA for a server that others reach"
        )


def refuse_exposed_demo(house: House) -> None:
    """Refuse to serve a store that was marked as a demo beyond loopback."""
    with house.database.read() as connection:
        marked = install.value(connection, _MARK)
    if marked is not None:
        refuse_exposed(house.config)


def is_filled(house: House) -> bool:
    """Whether all sample data was sent and applied."""
    with house.database.read() as connection:
        return install.value(connection, _MARK) == _FILLED


def mark_filled(house: House) -> None:
    """Remember that it was."""
    with house.database.write() as connection:
        install.keep(connection, _MARK, _FILLED)


def undone(house: House) -> Undone:
    """How many jobs are still to be done."""
    with house.database.read() as connection:
        depth = jobs.depth(connection)
    counts = dict.fromkeys(_UNDONE, 0)
    for (_, state), count in depth.items():
        counts[state] = counts.get(state, 0) + count
    return Undone(counts["pending"] + counts["running"], counts["parked"])


def patient_with(house: House, organisation: int, system: str, value: str) -> str:
    """The id of the Patient with a number, empty if there is none."""
    with house.database.read() as connection:
        return people.patient_with(connection, organisation, system, value) or ""
