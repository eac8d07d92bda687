"""The first operator of a new server: an address that `serve` prints makes one account, once.

Whoever reads the output of `serve` runs the machine, and so may name who runs the server. The
address is a secret of 256 bits of which a digest is kept. It lives an hour, a restart prints another
in its place, and it is worth nothing as soon as `home` has an operator.
"""

import json

from sqlalchemy import Connection

from server.errors import Gone
from server.flows import accounts, passwords
from server.flows.accounts import Account, Wanted
from server.flows.audit import Event
from server.flows.grants import digest, draw
from server.flows.sites import HOME, House
from server.store.accounts import has_role
from server.store.install import keep, take, value

LIFETIME = 3600 * 1_000_000
PATH = "/setup/"
_NAME = "setup"
_OVER = (
    "this address was used, is too old, or was never made: `serve` prints another when it starts"
)


def address(house: House, *, now: int) -> str:
    """A fresh address while `home` has no operator, else nothing. The one before is void."""
    secret = draw()
    kept = {"hash": digest(secret), "expires": now + LIFETIME}
    with house.database.write() as connection:
        if has_role(connection, HOME, "operator"):
            return ""
        keep(connection, _NAME, json.dumps(kept))
    return f"{house.config.base}{PATH}{secret}"


def check(house: House, secret: str, *, caller: str, now: int) -> None:
    """Raise Gone unless an address is good now."""
    with house.database.read() as connection:
        good = _kept(connection, secret, now)
    if not good:
        detail = "an address that makes the first operator is refused"
        house.auditor.note(
            Event(HOME, "login", "refuse", outcome="4", address=caller, detail=detail)
        )
        raise Gone(_OVER)


def _kept(connection: Connection, secret: str, now: int) -> str:
    """What is kept of an address that is good now, else nothing."""
    kept = value(connection, _NAME) or "{}"
    told = json.loads(kept)
    good = told.get("hash") == digest(secret) and told["expires"] > now
    return kept if good and not has_role(connection, HOME, "operator") else ""


def make(house: House, secret: str, name: str, password: str, *, caller: str, now: int) -> Account:
    """Make the first operator. Raises Gone, Invalid (name, password) or Conflict (the name).

    Of two at once one wins: the address is spent in the transaction that makes the account.
    """
    check(house, secret, caller=caller, now=now)
    wanted = Wanted(name, "operator", password=password)
    accounts.check(wanted)
    passwords.check(password)
    hashed = house.passwords.digest(password)
    with house.database.write() as connection:
        kept = _kept(connection, secret, now)
        if not kept or not take(connection, _NAME, kept):
            raise Gone(_OVER)
        made = accounts.keep(house, connection, wanted, hashed, now=now)
        detail = f"first operator: {made.id}"
        house.auditor.append(
            connection, Event(HOME, "login", "create", address=caller, detail=detail)
        )
    return made
