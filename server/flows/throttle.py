"""Wrong answers by where they come from: a neighbourhood of addresses, and all together.

Beside the count that each link and each account keeps, so that nobody guesses at many of them. It
counts what was wrong, lately; what was right is not slowed down.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from sqlalchemy import Connection

from server.errors import Busy
from server.flows.sites import House
from server.store import shares

# A quarter of an hour.
WINDOW = 15 * 60 * 1_000_000


def block(address: str) -> str:
    """The neighbourhood of an address: what one guesser commonly commands."""
    try:
        known = ip_address(address)
    except ValueError:
        return "nowhere"
    return str(ip_network(f"{known}/{24 if known.version == 4 else 48}", strict=False))


def lately(house: House, *keys: str, now: int) -> Mapping[str, int]:
    """What was counted lately, by key."""
    with house.database.read() as connection:
        return shares.failures(connection, keys, now=now)


def check(house: House, most: Mapping[str, int], *, now: int) -> None:
    """Raise Busy where one of these keys has had as many wrong answers lately as it may have."""
    found = lately(house, *most, now=now)
    if any(found.get(key, 0) >= limit for key, limit in most.items()):
        raise Busy("too many wrong answers: try again in a quarter of an hour", retry=900)


def count(connection: Connection, *keys: str, now: int, window: int = WINDOW) -> None:
    """Count a wrong answer under each of these keys."""
    for key in keys:
        shares.count_failure(connection, key, now=now, until=now + window)
