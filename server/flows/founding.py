"""The first thing on any store: its tables, its key and the organisation `home`.

Apart from `recovery`, so that commands which only need this import little.
"""

from server.flows.sites import House
from server.store import install, migrate


def prepare(house: House, now: int) -> None:
    """Make or upgrade the tables; make the install key and the organisation `home` once."""
    migrate.migrate(house.database)
    with house.database.write() as connection:
        config = house.config
        home = {"issuer": config.issuer, "zone": config.zone, "realm": config.realm}
        install.prepare(connection, now=now, base=config.base, **home)
