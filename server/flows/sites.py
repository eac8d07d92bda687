"""What flows share in one process: the database, the blobs, and each organisation's site."""

import os
import threading
import uuid
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from dicom.decode_pool import Pool
from fhir import identifiers
from server.config import Config
from server.errors import Missing
from server.flows.audit import Auditor
from server.flows.darkroom import Darkroom
from server.flows.keys import ClientKeys
from server.flows.passwords import Passwords
from server.flows.patients import Site
from server.store.blobs import LocalBlobs
from server.store.counters import Counters
from server.store.db import Database
from server.store.install import HOME, keep, organisations, value
from server.store.tables import issuer

__all__ = ["HOME", "House", "address", "keep_address", "load_site", "open_house"]

# Where below the data folder the processes count.
COUNTERS = "counters"
_FRESH = 5_000_000


@dataclass(slots=True)
class House:
    """The stores of one process and the settings they run with."""

    config: Config
    database: Database
    blobs: LocalBlobs
    auditor: Auditor
    darkroom: Darkroom
    keys: ClientKeys = field(default_factory=ClientKeys)
    passwords: Passwords = field(default_factory=Passwords)
    counters: Counters = field(default_factory=Counters)
    stock: tuple[int, int, int] = (0, 0, 0)  # good until when: studies, objects
    _sites: dict[int, tuple[int, Site]] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def site(self, connection: Connection, organisation: int, now: int) -> Site:
        """An organisation's site, at most five seconds old."""
        with self._mutex:
            known = self._sites.get(organisation)
        if known is not None and known[0] + _FRESH > now:
            return known[1]
        site = load_site(connection, organisation, self.config.base)
        with self._mutex:
            self._sites[organisation] = (now, site)
        return site

    def close(self) -> None:
        """Close the audit windows, every connection and the decoders."""
        self.darkroom.close()
        self.auditor.close()
        self.database.close()
        self.counters.close()


def keep_address(house: House) -> None:
    """Remember the address at which this server is reached now, for commands beside it."""
    with house.database.write() as connection:
        keep(connection, "address", house.config.base)


def address(house: House) -> str:
    """The address at which the server is reached, or was when it last ran."""
    if house.config.base_url:
        return house.config.base
    with house.database.read() as connection:
        return value(connection, "address") or house.config.base


def load_site(connection: Connection, organisation: int, base: str) -> Site:
    """Read an organisation's settings and issuer table."""
    found = organisations(connection).get(organisation)
    if found is None:
        raise Missing(f"there is no organisation {organisation}")
    table = select(issuer.c.namespace, issuer.c.system).where(issuer.c.organisation == organisation)
    return Site(
        organisation=organisation,
        name=found.name,
        key=value(connection, "key") or "",
        mapping=identifiers.Site(
            base=value(connection, "base") or base,
            systems={row.namespace: row.system for row in connection.execute(table)},
            default=found.issuer,
            zone=found.zone,
            realm=found.realm,
        ),
    )


def open_house(config: Config, role: str) -> House:
    """Open the stores for a process; `role` begins the name of its audit chain."""
    database = Database(config.database)
    blobs = LocalBlobs(config.data / "blobs", config.min_free_bytes)
    writer = f"{role}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    decoders = Pool(config.decode_workers, config.decode_memory, config.decode_seconds)
    counters = Counters(None if role == "command" else config.data / COUNTERS, writer)
    darkroom = Darkroom(decoders, counters)
    return House(config, database, blobs, Auditor(database, writer), darkroom, counters=counters)
