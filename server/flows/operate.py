"""What operators and probes ask of the stores."""

from server.flows.sites import House
from server.store import migrate


def schema_version(house: House) -> str | None:
    """The migration that the database stands at, None when it has no tables."""
    return migrate.version(house.database)
