"""What a user has allowed to which apps, and taking it back."""

from dataclasses import dataclass

from server.clock import moment
from server.errors import Missing
from server.flows.accounts import Account
from server.flows.audit import Event
from server.flows.sites import House
from server.store import approvals


@dataclass(frozen=True, slots=True)
class Allowed:
    """One app's approval, as its user sees it."""

    id: str
    app: str
    scope: str
    day: str


def of(house: House, account: Account, *, now: int) -> list[Allowed]:
    """What holds now, the latest first."""
    with house.database.read() as connection:
        rows = approvals.of_account(connection, account.id, now=now)
    return [
        Allowed(row.id, row.client_name, row.scope, moment(row.created).date().isoformat())
        for row in rows
    ]


def end(house: House, account: Account, id_: str, *, address: str, now: int) -> None:
    """Take an approval back: at once, with every token of it. Raises Missing for another user's."""
    with house.database.write() as connection:
        row = approvals.row(connection, id_)
        if row is None or row.account != account.id:
            raise Missing("there is no such app here")
        if approvals.end(connection, id_, now=now):
            event = Event(
                account.organisation,
                "login",
                "delete",
                client=row.client,
                address=address,
                detail=f"{account.id} takes back what it allowed",
            )
            house.auditor.append(connection, event)
