"""Opening a Magic Link: judging an answer, the browser's session that follows, and its Grant.

Unknown, wrong, locked, expired and revoked are one refusal, after the same work: whoever tries
learns nothing of whether there is such a link. An answer is counted before it is judged, so that
many at once are no more than five; both handles of a link share one counter.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from fhir import scopes
from fhir.scopes import Scope
from server.errors import Denied, Unauthenticated
from server.flows import factors, throttle
from server.flows.access import Grant
from server.flows.audit import Event
from server.flows.grants import digest, draw
from server.flows.links import CLIENT, TRIES, state
from server.flows.sites import HOME, House
from server.store import people, shares
from server.store.install import value

SESSION = 12 * 3600 * 1_000_000
SCOPE = "patient/ImagingStudy.rs patient/DiagnosticReport.rs patient/Binary.r patient/Endpoint.rs"
REFUSED = "this link and this answer do not fit, or the link has ended"
# Wrong answers in a quarter of an hour: from one block of addresses, and by codes from anywhere.
# A link's own address cannot be guessed, so that guessers elsewhere never close it to its holder.
MOST_FROM_BLOCK = 100
MOST_BY_CODE = 600
_BY_CODE = "code"


@dataclass(frozen=True, slots=True)
class Handle:
    """What names a link: the secret of its address, or its spoken code."""

    token: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A browser's session of a link that is good now. `id` is the link's, `session` a digest."""

    id: str
    session: str
    parent: str
    patient: str
    expires: int
    grant: Grant


def open_link(house: House, handle: Handle, answer: str, *, address: str, now: int) -> str:
    """Open a link with an answer; gives the secret of the browser's session, once.

    Raises Unauthenticated, or Busy where there were too many wrong answers lately.
    """
    _throttle(house, handle, address, now)
    row, facts = _find(house, handle)
    id_ = row.id if row is not None else ""
    tries = house.database.apply(lambda c: shares.count_answer(c, id_, most=TRIES))
    fits = factors.fits(house, row, facts, answer)
    stands = _stands(house, row, now) and tries <= TRIES
    secret = draw()
    if not (fits and stands and _begin(house, row, secret, address, now)):
        _refuse(house, handle, row, tries, address, now)
    return secret


def _throttle(house: House, handle: Handle, address: str, now: int) -> None:
    by_code = {_BY_CODE: MOST_BY_CODE} if handle.code else {}
    throttle.check(house, {throttle.block(address): MOST_FROM_BLOCK, **by_code}, now=now)


def _find(house: House, handle: Handle) -> tuple[Any, str]:
    """The link of a handle and the facts of its patient; what is not there takes as long."""
    with house.database.read() as connection:
        key = value(connection, "key") or ""
    name, kept = "token_hash", digest(handle.token)
    if handle.code:
        name, kept = "code_hash", factors.code_digest(key, handle.code)
    with house.database.read() as connection:
        row = shares.by_handle(connection, name, kept)
        owner, patient = (row.organisation, row.patient) if row is not None else (HOME, "")
        who = people.patient_row(connection, owner, patient)
    return row, who.facts if who is not None else ""


def _stands(house: House, row: Any, now: int) -> bool:
    """Whether a link stands, with its patient and the link that it was passed on from."""
    owner, patient, from_ = (row.organisation, row.patient, row.parent) if row else (HOME, "", "")
    with house.database.read() as connection:
        parent = shares.by_id(connection, from_)
        active = people.active(connection, owner, [patient])
    # An answer counts before it is judged: a fifth one that is right is still in time.
    mine = row is not None and state(row, now) in ("open", "locked")
    first = parent is None or state(parent, now) not in ("revoked", "frozen", "expired")
    return mine and bool(active) and first


def _begin(house: House, row: Any, secret: str, address: str, now: int) -> bool:
    """Use the link and keep the session, in one transaction with its event."""
    values = {"hash": digest(secret), "share": row.id, "began": now}
    values |= {"expires": min(now + SESSION, row.expires)}
    event = _event(row, "login", "0", "link opened", address)

    def work(connection: Connection) -> bool:
        if not shares.open_session(connection, row, values, now=now):
            return False
        house.auditor.append(connection, event)
        return True

    return house.database.apply(work)


def _refuse(house: House, handle: Handle, row: Any, tries: int, address: str, now: int) -> None:
    """Count and record a wrong answer, and say the one sentence."""
    detail = f"link not opened, answer {tries}" if row is not None else "link not opened, unknown"
    event = _event(row, "login", "4", detail, address)

    def work(connection: Connection) -> None:
        keys = [throttle.block(address), *([_BY_CODE] if handle.code else [])]
        throttle.count(connection, *keys, now=now)
        house.auditor.append(connection, event)

    house.database.apply(work)
    raise Unauthenticated(REFUSED)


def _event(row: Any, action: str, outcome: str, detail: str, address: str) -> Event:
    return Event(
        organisation=row.organisation if row is not None else HOME,
        door="link",
        action=action,
        outcome=outcome,
        grant=row.id if row is not None else "",
        client=CLIENT,
        patient=row.patient if row is not None else "",
        address=address,
        detail=detail,
    )


def authenticate(house: House, secret: str, *, address: str, now: int) -> Opened:
    """The link of a browser's session. Raises Unauthenticated, one sentence for every reason."""
    hash_ = digest(secret)
    with house.database.read() as connection:
        row = shares.session_row(connection, hash_, now=now) if secret else None
    if row is None:
        raise Unauthenticated("this link is closed: open it again, or ask for a new one")
    grant = Grant(
        id=row.id,
        organisation=row.organisation,
        client=CLIENT,
        context="patient",
        scopes=_scopes(),
        patients=frozenset([row.patient, *json.loads(row.parts)]),
        studies=frozenset(json.loads(row.studies)),
        purpose="PATRQT",
        address=address,
    )
    return Opened(row.id, hash_, row.parent, row.patient, row.expires, grant)


@lru_cache(maxsize=1)
def _scopes() -> tuple[Scope, ...]:
    return scopes.split(SCOPE)[0]


def close(house: House, opened: Opened, *, now: int) -> None:
    """End a browser's session: its holder has done."""
    with house.database.write() as connection:
        if shares.end_session(connection, opened.session, now=now):
            house.auditor.append(connection, event(opened, "delete", "link closed"))


def event(opened: Opened, action: str, detail: str, **more: Any) -> Event:
    """An event of the link's door."""
    return Event(
        organisation=opened.grant.organisation,
        door="link",
        action=action,
        grant=opened.id,
        client=CLIENT,
        patient=opened.patient,
        purpose=opened.grant.purpose,
        address=opened.grant.address,
        detail=detail,
        **more,
    )


def own(opened: Opened) -> None:
    """Raise Denied unless the link is the patient's own, and not one that was passed on."""
    if opened.parent:
        raise Denied("this link was passed on: only who has the first one may do this")


def purge(house: House, *, now: int) -> int:
    """Forget sessions and wrong answers whose time is over."""
    with house.database.write() as connection:
        return shares.purge(connection, now=now)
