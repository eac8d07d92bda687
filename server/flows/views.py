"""The viewer as an EHR launches it: this server is the client, and the token stays here.

The whole of a SMART launch (SMART App Launch 2.2) is done by the flows that every app goes through:
a request, a decision, a code, a token. What is different: the token is kept as a row, and the browser gets
a secret that opens one view: one patient, by reading, for a few hours. A view ends with its token,
and so with the session, the user, the patient's record, and the EHR that launched it.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.errors import Fault, Invalid, Unauthenticated
from server.flows import accounts, asking, clients, deciding, grants, launches, redeeming, sessions
from server.flows.access import Grant
from server.flows.accounts import Account
from server.flows.audit import Event
from server.flows.grants import digest, draw
from server.flows.sites import House
from server.store import accounts as people_rows
from server.store import approvals, index, people
from server.store import views as rows

# A browser holds the cookies of no more views than these; the oldest go first.
MOST = 12
_GONE = "this launch was used already, or is too old: start the viewer from the record again"


@dataclass(frozen=True, slots=True)
class Started:
    """What a launch came to: a view with its study, or a `request` that waits for its user.

    `secret` goes into the browser's cookie, for this `id` alone.
    """

    id: str
    secret: str
    study: str = ""
    request: str = ""


def start(house: House, iss: str, value: str, *, address: str, now: int) -> Started:
    """Take a launch of the viewer. Raises Invalid for another issuer's, or one that is over."""
    if iss.rstrip("/") != house.config.fhir_base:
        raise Invalid("this server takes launches of its own records alone", expression="iss")
    with house.database.read() as connection:
        launch = approvals.launch_row(connection, digest(value), now=now)
        user = people_rows.by_id(connection, launch.account) if launch and launch.vouched else None
    client = clients.find(house, launch.client) if launch is not None else None
    if launch is None or client is None or client.kind != clients.VIEWER:
        raise Invalid(_GONE, expression="launch")
    id_, verifier = secrets.token_hex(8), draw()
    name = asking.begin(house, _words(house, client.id, id_, verifier, value), now=now, own=True)
    account = accounts.of_row(user) if user is not None else None
    if account is None or not account.staff:
        return Started(id_, verifier, request=name)
    code = _vouched(house, name, account, launch.ehr or grants.SCRIPT, address, now)
    return finish(house, id_, verifier, code, address=address, now=now)


def _words(house: House, client: str, id_: str, verifier: str, launch: str) -> Mapping[str, str]:
    """The authorization request, as any app would send it (RFC 7636 4.3)."""
    hashed = hashlib.sha256(verifier.encode()).digest()
    return {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": clients.VIEWER_BACK,
        "scope": clients.VIEWER_SCOPES,
        "state": id_,
        "aud": house.config.fhir_base,
        "launch": launch,
        "code_challenge": base64.urlsafe_b64encode(hashed).decode().rstrip("="),
        "code_challenge_method": "S256",
    }


def _vouched(house: House, name: str, account: Account, by: str, address: str, now: int) -> str:
    """A code for somebody of the staff whom the EHR says to be at the screen, signed in there."""
    secret = sessions.begin(house, account, address=address, now=now, place="view|", by=by)
    session = sessions.find(house, secret, now=now, place="view|")
    if session is None:
        raise Invalid(_GONE)
    try:
        pending = asking.admit(house, asking.find(house, name, now=now), session, now=now)
        chosen = pending.offer(account).text.split()
        return deciding.allow(house, pending, session, chosen, address=address, now=now)
    except Fault as fault:
        sessions.end(house, session, address=address, now=now)
        raise Invalid(str(fault)) from fault


def finish(house: House, id_: str, verifier: str, code: str, *, address: str, now: int) -> Started:
    """Redeem a code, keep the token, and open the view. Raises Invalid."""
    with house.database.read() as connection:
        row = approvals.code_row(connection, digest(code))
    client = clients.find(house, row.client) if row is not None else None
    if client is None or client.kind != clients.VIEWER:
        raise Invalid(_GONE)
    words = {"code": code, "redirect_uri": clients.VIEWER_BACK, "code_verifier": verifier}
    try:
        given = redeeming.code(house, client, words, address=address, now=now)
    except redeeming.BadGrant as bad:
        raise Invalid(_GONE) from bad
    secret, approval = draw(), given.approval
    values = {
        "id": id_,
        "hash": digest(secret),
        "token": digest(given.access),
        "approval": approval.id,
        "launch": approval.launch,
        "began": now,
        "expires": now + redeeming.VIEW_LIFETIME * 1_000_000,
    }
    study = house.database.apply(lambda connection: _open(house, connection, approval, values))
    return Started(id_, secret, study)


def _open(house: House, connection: Connection, approval: Any, values: dict[str, Any]) -> str:
    """Write a view and its event; gives the study that the EHR has open."""
    launch = approvals.made_launch(connection, approval.launch)
    rows.add(connection, values | {"ehr": launch.ehr if launch is not None else ""})
    event = Event(
        approval.organisation,
        "apps",
        "create",
        grant=grants.short(values["token"]),
        client=approval.client,
        patient=approval.patient,
        detail=f"view of {approval.account} opened",
    )
    house.auditor.append(connection, event)
    return _study(connection, approval)


def _study(connection: Connection, approval: Any) -> str:
    """The first study of the launch's context that has pictures, empty without one."""
    named = [one["reference"] for one in json.loads(approval.context or "[]")]
    ids = [one.partition("/")[2] for one in named if one.startswith("ImagingStudy/")]
    found = (index.uid_of(connection, approval.organisation, id_) for id_ in ids)
    return next(filter(None, found), "")


def authenticate(house: House, id_: str, secret: str, *, address: str, now: int) -> Grant:
    """The Grant of a view. Raises Unauthenticated, with one sentence for every reason."""
    with house.database.read() as connection:
        row = rows.row(connection, id_)
        stands = row is not None and _launcher_stands(connection, row)
    kept = None
    if row is not None and stands and hmac.compare_digest(row.hash, digest(secret)):
        kept = grants.kept_row(house, row.token, now)
    if kept is None:
        raise Unauthenticated("this view has ended: start the viewer from the record again")
    return grants.of_row(kept, address, now=now)


def _launcher_stands(connection: Connection, row: Any) -> bool:
    """Whether the EHR of a view is still registered; the command's launches have none."""
    return not row.ehr or people.client_row(connection, row.ehr) is not None


def shown_in(house: House, id_: str) -> Sequence[str]:
    """The origins whose pages may show a view in a frame, over or not: it tells nothing of anybody."""
    with house.database.read() as connection:
        row = rows.row(connection, id_)
    return launches.frames_of(house, row.ehr) if row is not None else ()


def over(house: House, held: Collection[str], *, now: int) -> set[str]:
    """Of the views whose cookies a browser holds, those that ended, and the oldest of too many.

    What is no view yet waits for its user, in another frame.
    """
    with house.database.read() as connection:
        found = [row for row in (rows.row(connection, id_) for id_ in held) if row is not None]
    good = [row for row in found if grants.kept_row(house, row.token, now) is not None]
    newest = sorted(good, key=lambda row: row.began, reverse=True)[: MOST - 1]
    return {row.id for row in found} - {row.id for row in newest}
