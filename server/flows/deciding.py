"""A user's decision: an approval and a code, in one transaction that also spends the launch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.flows import consent, grants, remembering
from server.flows.asking import Pending
from server.flows.audit import Event
from server.flows.consent import Offer
from server.flows.sessions import Session
from server.flows.sites import House
from server.store import approvals, people
from server.store.install import authored_id

CODE_LIFETIME = 300
_SECOND = 1_000_000
# Three months and a little, renewed on each use.
OFFLINE = 100 * 86_400 * _SECOND


@dataclass(frozen=True, slots=True)
class _Code:
    """What is written for a decision."""

    code: str
    values: dict[str, Any]
    event: Event


def allow(
    house: House,
    pending: Pending,
    session: Session,
    chosen: Iterable[str],
    *,
    remember: bool = False,
    address: str,
    now: int,
) -> str:
    """The code for what the user ticked, to `remember` or not. Raises Turned: nothing, or late."""
    given = consent.granted(pending.offer(session.account), chosen)
    if not given.scopes and not given.words:
        raise pending.ask.turned("access_denied", "the user allowed nothing")
    if given.needs_patient and not pending.patient:
        raise pending.ask.turned("invalid_request", "no patient was picked")
    made = _made(pending, session, given, address, now)

    def work(connection: Connection) -> str:
        active = people.active(connection, session.account.organisation, [pending.patient])
        if pending.patient and not active:
            return "invalid_request"
        if not approvals.decide(connection, pending.id, now=now):
            return "access_denied"
        launch = pending.launch
        if launch is not None and not approvals.use_launch(connection, launch.hash, now=now):
            return "invalid_request"
        approvals.add(connection, made.values)
        approvals.add_code(connection, _code_row(pending, made, now))
        if remember:
            remembering.keep(connection, pending, session.account, given, now=now)
        house.auditor.append(connection, made.event)
        return ""

    failed = house.database.apply(work)
    if failed:
        raise pending.ask.turned(failed, "this request or its launch was used already")
    return made.code


def _made(pending: Pending, session: Session, given: Offer, address: str, now: int) -> _Code:
    account, code = session.account, grants.draw()
    offline = "offline_access" in given.words
    launch = pending.launch
    values = {
        "id": authored_id(),
        "organisation": account.organisation,
        "account": account.id,
        "client": pending.client.id,
        "scope": given.text,
        "patient": pending.patient,
        "encounter": pending.encounter or "",
        "context": launch.context if launch is not None else "[]",
        "ehr_banner": launch is not None and launch.ehr_banner,
        "launch": launch.hash if launch is not None else "",
        "session": "" if offline else session.id,
        "nonce": pending.ask.nonce,
        "authenticated": session.authenticated,
        "created": now,
        "expires": now + OFFLINE,
    }
    event = Event(
        account.organisation,
        "login",
        "create",
        grant=session.id[:16],
        client=pending.client.id,
        patient=pending.patient,
        address=address,
        detail=f"{account.id} allows: {given.text}"[:2000],
    )
    return _Code(code, values, event)


def _code_row(pending: Pending, made: _Code, now: int) -> dict[str, Any]:
    return {
        "hash": grants.digest(made.code),
        "approval": made.values["id"],
        "client": pending.client.id,
        "redirect_uri": pending.ask.redirect_uri,
        "challenge": pending.ask.challenge,
        "expires": now + CODE_LIFETIME * _SECOND,
    }


def deny(house: House, pending: Pending, session: Session, *, address: str, now: int) -> None:
    """End a request that the user refused."""
    event = Event(
        session.account.organisation,
        "login",
        "refuse",
        outcome="4",
        grant=session.id[:16],
        client=pending.client.id,
        address=address,
        detail=f"{session.account.id} allows nothing",
    )
    with house.database.write() as connection:
        if approvals.decide(connection, pending.id, now=now):
            house.auditor.append(connection, event)
