"""The lives of accounts: who there is, a new password, the end; and what people see of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from server.clock import instant
from server.errors import Missing, Unauthenticated
from server.flows import accounts, parties, passwords
from server.flows.accounts import Account
from server.flows.audit import Event
from server.flows.sessions import IDLE, Session
from server.flows.sites import House
from server.store import accounts as rows
from server.store import approvals, memories
from server.store.install import organisations


@dataclass(frozen=True, slots=True)
class Listed:
    """An account as `user list` shows it. `ended` is empty while it lives."""

    user: str
    id: str
    organisation: str
    role: str
    second_factor: bool
    created: str
    ended: str


@dataclass(frozen=True, slots=True)
class Open:
    """One of somebody's own sessions; `here` is the one that asks."""

    id: str
    address: str
    began: int
    seen: int
    here: bool


def everybody(house: House, *, organisation: str = "") -> Sequence[Listed]:
    """Every account, or those of an organisation, by name. Raises Missing (the organisation)."""
    with house.database.read() as connection:
        named = organisations(connection)
        owner = parties.named(connection, organisation) if organisation else None
        found = rows.listed(connection, owner)
    return [
        Listed(
            row.name,
            row.id,
            named[row.organisation].name,
            row.role,
            bool(row.totp_since),
            instant(row.created),
            instant(row.retired) if row.retired else "",
        )
        for row in found
    ]


def reset_password(house: House, name: str, password: str, *, now: int) -> str:
    """Give somebody another password; their sessions end. Gives it back if it was made here.

    Raises Missing, Invalid.
    """
    chosen = password or passwords.made()
    passwords.check(chosen)
    hashed = house.passwords.digest(chosen)
    with house.database.write() as connection:
        row = accounts.known(connection, name)
        rows.change(connection, row.id, {"password_hash": hashed})
        accounts.sign_out(connection, row.id, now=now)
        parties.record(house, connection, row.organisation, f"user password: {row.id}")
    return "" if password else chosen


def end(house: House, name: str, *, now: int) -> Account:
    """End an account: its sessions, what it allowed, and every token of that. Raises Missing.

    What it did stays in the audit, and nobody else gets its name.
    """
    with house.database.write() as connection:
        row = accounts.known(connection, name)
        accounts.sign_out(connection, row.id, now=now)
        for approval in approvals.of_account(connection, row.id, now=now):
            approvals.end(connection, approval.id, now=now)
        memories.forget(connection, row.id)
        nothing = {"retired": now, "password_hash": "", "totp": "", "totp_since": 0}
        rows.change(connection, row.id, nothing)
        rows.replace_recovery(connection, row.id, [])
        parties.record(house, connection, row.organisation, f"user end: {row.id}")
    return accounts.of_row(row)


def check_password(
    house: House, account: Account, password: str, *, address: str, now: int
) -> None:
    """Ask somebody who is signed in for their password again; counted like one at the login.

    Raises Unauthenticated, Busy.
    """
    known = accounts.authenticate(house, account.name, password, address=address, now=now)
    if known.id != account.id:
        raise Unauthenticated(accounts.WRONG)
    house.database.apply(
        lambda connection: accounts.welcome(connection, account.name, address, now=now)
    )


def change_password(
    house: House, session: Session, password: str, *, address: str, now: int
) -> None:
    """Give oneself another password, after `check_password`; sessions elsewhere end."""
    passwords.check(password)
    account, hashed = session.account, house.passwords.digest(password)
    with house.database.write() as connection:
        rows.change(connection, account.id, {"password_hash": hashed})
        accounts.sign_out(connection, account.id, but=session.id, now=now)
        _record(house, connection, session, address, "changes their password")


def sessions_of(house: House, session: Session, *, now: int) -> Sequence[Open]:
    """Where somebody is signed in, the latest first. An id tells nothing of the cookie."""
    with house.database.read() as connection:
        found = rows.sessions_of(connection, session.account.id, now=now, idle=IDLE)
    return [
        Open(row.hash[:16], row.address, row.authenticated, row.seen, row.hash == session.id)
        for row in found
    ]


def end_session(house: House, session: Session, id_: str, *, address: str, now: int) -> None:
    """End one of one's own sessions. Raises Missing for any other."""
    with house.database.write() as connection:
        mine = rows.sessions_of(connection, session.account.id, now=now, idle=IDLE)
        found = next((row.hash for row in mine if row.hash[:16] == id_), "")
        if not found or not rows.end_session(connection, found, now=now):
            raise Missing("there is no such session of yours")
        for approval in rows.approvals_of_session(connection, found):
            approvals.end(connection, approval, now=now)
        _record(house, connection, session, address, f"ends their session {id_}")


def _record(
    house: House, connection: Connection, session: Session, address: str, what: str
) -> None:
    account = session.account
    event = Event(
        account.organisation,
        "login",
        "update",
        grant=session.id[:16],
        address=address,
        detail=f"{account.id} {what}",
    )
    house.auditor.append(connection, event)
