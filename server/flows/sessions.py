"""Sessions of people who logged in: a random secret in a cookie, a row here with its digest."""

from dataclasses import dataclass

from sqlalchemy import Connection

from server.flows.accounts import Account, of_row, welcome
from server.flows.audit import Event
from server.flows.grants import digest, draw
from server.flows.sites import House
from server.store import accounts, approvals

IDLE = 3600 * 1_000_000
LONGEST = 12 * IDLE
_SELDOM = 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is good now. `id` is the digest; `authenticated` when its user logged in."""

    id: str
    account: Account
    authenticated: int


def begin(
    house: House, account: Account, *, address: str, now: int, place: str = "", by: str = ""
) -> str:
    """Open a session for somebody who has just logged in; gives its secret, once.

    It is good in its `place` alone: a page of its own window, or a frame. `by` is who says that the
    person is signed in, where that is not the person.
    """
    secret = draw()
    hash_ = digest(place + secret)
    times = {"authenticated": now, "seen": now, "expires": now + LONGEST}
    values = {"hash": hash_, "account": account.id, "address": address[:64], **times}
    event = Event(
        account.organisation,
        "login",
        "login",
        grant=hash_[:16],
        address=address,
        detail=f"login of {account.id}, {account.role}" + (f", says {by}" if by else ""),
    )

    def work(connection: Connection) -> None:
        if not by:
            welcome(connection, account.name, address, now=now)
        accounts.add_session(connection, values)
        house.auditor.append(connection, event)

    house.database.apply(work)
    return secret


def find(house: House, secret: str, *, now: int, place: str = "") -> Session | None:
    """The session of a secret while it is good; being asked for keeps it awake."""
    hash_ = digest(place + secret)
    with house.database.read() as connection:
        row = accounts.session_row(connection, hash_, now=now, idle=IDLE)
    if row is None:
        return None
    if row.seen < now - _SELDOM:
        house.database.apply(lambda connection: accounts.touch_session(connection, hash_, now=now))
    return Session(hash_, of_row(row), row.authenticated)


def end(house: House, session: Session, *, address: str, now: int) -> None:
    """Log out: the session ends, and with it what was allowed for its length alone."""
    event = Event(
        session.account.organisation,
        "login",
        "delete",
        grant=session.id[:16],
        address=address,
        detail=f"logout of {session.account.id}",
    )
    with house.database.write() as connection:
        if accounts.end_session(connection, session.id, now=now):
            for approval in accounts.approvals_of_session(connection, session.id):
                approvals.end(connection, approval, now=now)
            house.auditor.append(connection, event)
