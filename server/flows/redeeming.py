"""A code or a refresh token against tokens: each is spent once, and using it twice ends everything.

One conditional UPDATE decides between rivals. What is spent a second time was stolen, from the app
or by it: the approval ends with all that it gave (RFC 6749 4.1.2, RFC 9700 4.14).
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fhir import scopes
from server.errors import Fault
from server.flows import accounts, clients, grants, held
from server.flows.accounts import Account
from server.flows.audit import Event
from server.flows.clients import Client
from server.flows.deciding import OFFLINE
from server.flows.sites import House
from server.store import accounts as rows
from server.store import approvals, memories, people, tokens

LIFETIME = 3600
# The token of a view never leaves the server, and is not renewed.
VIEW_LIFETIME = 4 * 3600
_SECOND = 1_000_000
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


class BadGrant(Fault):
    """The code or refresh token cannot be used (RFC 6749 5.2: invalid_grant, invalid_scope)."""

    def __init__(self, message: str, code: str = "invalid_grant") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Given:
    """Tokens as their bearer gets them, and what is told beside them."""

    access: str
    refresh: str
    scope: str
    approval: Any
    account: Account

    @property
    def person(self) -> str:
        """The resource that stands for the user."""
        return self.account.fhir_user(self.approval.patient)


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why nothing was given. The transaction stands: what it ended is ended."""

    message: str
    code: str = "invalid_grant"


@dataclass(frozen=True, slots=True)
class _Renewed:
    """What a refresh asks for: scopes, in place of the token `spent`, beyond which nothing goes."""

    scope: str
    spent: Any


_Outcome = Given | _Failed


def code(house: House, client: Client, words: dict[str, str], *, address: str, now: int) -> Given:
    """Redeem a code. Raises BadGrant; a code that comes again ends what it gave."""
    hash_ = grants.digest(words.get("code", ""))

    def work(connection: Connection) -> _Outcome:
        row = approvals.code_row(connection, hash_)
        if row is None or row.client != client.id:
            return _Failed("this code is unknown, too old, or another client's")
        if row.redirect_uri != words.get("redirect_uri", ""):
            return _Failed("redirect_uri is not the one that the code was sent to")
        if not _proves(words.get("code_verifier", ""), row.challenge):
            return _Failed("code_verifier does not fit the code_challenge")
        if not approvals.use_code(connection, hash_, now=now):
            return _again(house, connection, row.approval, row.used, client, address, now)
        return _give(house, connection, client, row.approval, None, address, now)

    return _run(house, work)


def _proves(verifier: str, challenge: str) -> bool:
    """Whether a verifier is the one of a challenge (RFC 7636 4.6, S256)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(hashed.decode().rstrip("="), challenge)


def refresh(
    house: House, client: Client, token: str, scope: str, *, address: str, now: int
) -> Given:
    """Redeem a refresh token for new ones. Raises BadGrant; one that comes again ends them all."""
    hash_ = grants.digest(token)

    def work(connection: Connection) -> _Outcome:
        row = tokens.refresh_row(connection, hash_)
        if row is None or row.client != client.id:
            return _Failed("this refresh token is unknown, too old, or another client's")
        wanted = _narrowed(scope, row.scope)
        if wanted is None:
            return _Failed("a refreshed token has no more scopes than the first", "invalid_scope")
        if not tokens.spend(connection, hash_, now=now):
            return _again(house, connection, row.approval, row.spent, client, address, now)
        renewed = _Renewed(wanted, row)
        return _give(house, connection, client, row.approval, renewed, address, now)

    return _run(house, work)


def holder(house: House, token: str) -> Client | None:
    """The public client to which a refresh token was given; None for any other."""
    with house.database.read() as connection:
        row = tokens.refresh_row(connection, grants.digest(token))
    client = clients.find(house, row.client) if row is not None else None
    return client if client is not None and client.kind == "public" else None


def _narrowed(asked: str, known: str) -> str | None:
    """The part of the granted scopes that is asked for; None if any is asked beyond them."""
    if not asked.strip():
        return known
    found, words = scopes.split(asked)
    limits, others = scopes.split(known)
    if set(words) - set(others) or any(scopes.intersect([one], limits) != (one,) for one in found):
        return None
    return scopes.text(found, [word for word in others if word in words])


def _run(house: House, work: Callable[[Connection], _Outcome]) -> Given:
    done = house.database.apply(work)
    if isinstance(done, _Failed):
        raise BadGrant(done.message, done.code)
    return done


def _again(
    house: House,
    connection: Connection,
    approval: str,
    used: int,
    client: Client,
    address: str,
    now: int,
) -> _Failed:
    """What cannot be spent: too old, ended, or used before, and then everything ends."""
    if used and approvals.end(connection, approval, now=now):
        allowed = approvals.row(connection, approval)
        memories.forget(connection, allowed.account if allowed else "", client.id)
        event = Event(
            client.organisation,
            "oauth",
            "delete",
            outcome="4",
            client=client.id,
            address=address,
            detail="used twice: every token of this approval is revoked",
        )
        house.auditor.append(connection, event)
    return _Failed("it was used already, or is too old")


def _give(
    house: House,
    connection: Connection,
    client: Client,
    approval: str,
    renewed: _Renewed | None,
    address: str,
    now: int,
) -> _Outcome:
    """New tokens for an approval that stands, in the transaction that spent the old one."""
    allowed = approvals.row(connection, approval)
    if allowed is None or not held.stands(connection, allowed, now):
        return _Failed("what the user allowed has ended")
    if not approvals.use(connection, approval, now=now, expires=now + OFFLINE):
        return _Failed("what the user allowed has ended")
    row = rows.by_id(connection, allowed.account)
    account, scope = accounts.of_row(row), (renewed.scope if renewed else "") or allowed.scope
    spent = renewed.spent if renewed else None
    access = grants.draw()
    renews = {"offline_access", "online_access"} & set(allowed.scope.split())
    renewing = grants.draw() if renews else ""
    reached = _reached(connection, allowed, account, scope)
    values = _values(allowed, account, scope, now) | {"patients": json.dumps(reached)}
    if client.kind == clients.VIEWER:
        values["expires"] = now + VIEW_LIFETIME * _SECOND
    grants.keep(connection, values | {"hash": grants.digest(access)}, spent)
    if renewing:
        more = {"hash": grants.digest(renewing), "kind": "refresh", "scope": allowed.scope}
        grants.keep(connection, values | more | {"expires": now + OFFLINE}, spent)
    house.auditor.append(connection, _event(values, access, account, address))
    return Given(access, renewing, scope, allowed, account)


def _reached(connection: Connection, allowed: Any, account: Account, scope: str) -> list[str]:
    """The patient in context; without one, for `user/` scopes, those of a patient or proxy that
    stand by their own: a record that was merged away is not theirs any more.
    """
    if allowed.patient:
        return [allowed.patient]
    contexts = {one.context for one in scopes.split(scope)[0]}
    if "user" not in contexts or account.staff:
        return []
    return sorted(people.active(connection, allowed.organisation, account.patients))


def _values(allowed: Any, account: Account, scope: str, now: int) -> dict[str, Any]:
    """The row of an access token: whom it reaches is fixed here."""
    found, words = scopes.split(scope)
    contexts = {one.context for one in found}
    return {
        "kind": "access",
        "organisation": allowed.organisation,
        "client": allowed.client,
        "scope": scope,
        "everyone": False,
        "wide": account.staff and "user" in contexts,
        "staff": account.staff,
        "actor": account.actor,
        "person": account.fhir_user(allowed.patient) if "fhirUser" in words else "",
        "approval": allowed.id,
        "purpose": "TREAT" if account.staff else "PATRQT",
        "issued": now,
        "expires": now + LIFETIME * _SECOND,
    }


def _event(values: dict[str, Any], access: str, account: Account, address: str) -> Event:
    patients = json.loads(values["patients"])
    seconds = (values["expires"] - values["issued"]) // _SECOND
    return Event(
        values["organisation"],
        "oauth",
        "login",
        grant=grants.short(grants.digest(access)),
        client=values["client"],
        patient=patients[0] if len(patients) == 1 else "",
        purpose=values["purpose"],
        address=address,
        detail=f"token of {account.id} for {seconds} s: {values['scope']}"[:2000],
    )
