"""What is known of a token that is good now: for introspection (RFC 7662) and revocation (RFC 7009)."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.flows import grants
from server.flows.audit import Event
from server.flows.sites import House
from server.store import accounts, approvals, people, tokens, views


@dataclass(frozen=True, slots=True)
class Held:
    """A token, and of a user's token who that is and what is in context. Times in microseconds."""

    id: str
    digest: str
    kind: str
    organisation: int
    client: str
    scope: str
    issued: int
    expires: int
    approval: str = ""
    account: str = ""
    person: str = ""
    patient: str = ""
    encounter: str = ""
    context: str = ""


def find(house: House, token: str, *, now: int) -> Held | None:
    """What is known of an access or refresh token that is good now, None of any other."""
    row = grants.good_row(house, token, now)
    with house.database.read() as connection:
        if row is None:
            row = _refresh(connection, grants.digest(token), now)
        if row is None:
            return None
        allowed = approvals.row(connection, row.approval) if row.approval else None
    words = row.scope.split()
    in_context = allowed is None and any(word.startswith("patient/") for word in words)
    return Held(
        id=grants.short(row.hash),
        digest=row.hash,
        kind=row.kind,
        organisation=row.organisation,
        client=row.client,
        scope=row.scope,
        issued=row.issued,
        expires=row.expires,
        approval=row.approval,
        account=allowed.account if allowed else "",
        person=row.person,
        patient=min(json.loads(row.patients))
        if in_context
        else (allowed.patient if allowed else ""),
        encounter=allowed.encounter if allowed else "",
        context=allowed.context if allowed else "",
    )


def launched(house: House, value: str) -> Held | None:
    """The view that came of a launch, for the EHR that made it and may end it; None of any other."""
    with house.database.read() as connection:
        row = views.of_launch(connection, grants.digest(value))
        allowed = approvals.row(connection, row.approval) if row is not None else None
    if row is None or allowed is None:
        return None
    id_, owner = grants.short(row.launch), allowed.organisation
    return Held(
        id=id_,
        digest=row.launch,
        kind="launch",
        organisation=owner,
        client=row.ehr,
        scope=allowed.scope,
        issued=row.began,
        expires=row.expires,
        approval=row.approval,
    )


def _refresh(connection: Connection, hash_: str, now: int) -> Any:
    """A refresh token's row if it could be used now."""
    row = tokens.refresh_row(connection, hash_)
    if row is None or row.spent or row.revoked or row.expires <= now:
        return None
    return row if stands(connection, approvals.row(connection, row.approval), now) else None


def stands(connection: Connection, allowed: Any, now: int) -> bool:
    """Whether an approval still holds: not ended, nor its user, its session or its patient."""
    if allowed is None or allowed.ended or allowed.expires <= now:
        return False
    if people.client_row(connection, allowed.client) is None:
        return False
    if accounts.by_id(connection, allowed.account) is None:
        return False
    if allowed.session and not accounts.session_lives(connection, allowed.session, now=now):
        return False
    owner, patient = allowed.organisation, allowed.patient
    return not patient or bool(people.active(connection, owner, [patient]))


def revoke(house: House, token: Held, *, address: str, now: int) -> None:
    """End a token at once, and record it. With a refresh token ends all that it could renew, with
    a launch the view that came of it.
    """
    event = Event(
        organisation=token.organisation,
        door="oauth",
        action="delete",
        grant=token.id,
        client=token.client,
        address=address,
        detail=f"{token.kind} revoked" if token.kind == "launch" else f"{token.kind} token revoked",
    )
    with house.database.write() as connection:
        if token.kind in ("refresh", "launch"):
            ended = approvals.end(connection, token.approval, now=now)
        else:
            ended = tokens.revoke(connection, token.digest, now=now)
        if ended:
            house.auditor.append(connection, event)
