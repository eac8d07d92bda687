"""What a user has allowed to which apps, and taking it back."""

from dataclasses import dataclass
from typing import Any

from server.clock import moment
from server.errors import Missing
from server.flows.accounts import Account
from server.flows.audit import Event
from server.flows.sites import House
from server.store import approvals, memories


@dataclass(frozen=True, slots=True)
class Allowed:
    """One app's approval, as its user sees it. `remembered`: it is not asked for again.

    An app may be remembered and read nothing now: then `scope` is what it gets the next time.
    """

    id: str
    app: str
    scope: str
    day: str
    remembered: bool


def of(house: House, account: Account, *, now: int) -> list[Allowed]:
    """What holds now, the latest first; then what is only remembered."""
    with house.database.read() as connection:
        rows = approvals.of_account(connection, account.id, now=now)
        kept = memories.of_account(connection, account.id, now=now)
    known, alive = {row.client for row in kept}, {row.client for row in rows}
    found = [_allowed(row, row.client in known) for row in rows]
    return found + [_allowed(row, True) for row in kept if row.client not in alive]


def _allowed(row: Any, remembered: bool) -> Allowed:
    day = moment(row.created).date().isoformat()
    return Allowed(row.id, row.client_name, row.scope, day, remembered)


def end(house: House, account: Account, id_: str, *, address: str, now: int) -> None:
    """Take an approval back: at once, with every token of it, and ask again from now on.

    Raises Missing for another user's.
    """
    with house.database.write() as connection:
        row = approvals.row(connection, id_)
        if row is None:
            kept = memories.of_account(connection, account.id, now=now)
            row = next((one for one in kept if one.id == id_), None)
        if row is None or row.account != account.id:
            raise Missing("there is no such app here")
        forgotten = memories.forget(connection, account.id, row.client)
        if approvals.end(connection, id_, now=now) or forgotten:
            event = Event(
                account.organisation,
                "login",
                "delete",
                client=row.client,
                address=address,
                detail=f"{account.id} takes back what it allowed",
            )
            house.auditor.append(connection, event)
