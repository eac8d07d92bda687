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
from server.errors import Busy, Denied, Unauthenticated
from server.flows import factors, owing, throttle
from server.flows.access import Grant, asking
from server.flows.audit import Event
from server.flows.grants import digest, draw
from server.flows.links import CLIENT, TRIES, state
from server.flows.sessions import Session
from server.flows.sites import HOME, House
from server.store import people, shares
from server.store.install import value

SESSION = 12 * 3600 * 1_000_000
SCOPE = "patient/ImagingStudy.rs patient/DiagnosticReport.rs patient/Binary.r patient/Endpoint.rs"
PATRQT = "PATRQT"
# What opening a link may give: a browser's session, or a token, which begins with a word of its own.
PAGE, ACCESS = "page", "bearer"
BEARER = "shl."
REFUSED = "this link and this answer do not fit, or the link has ended"
# Wrong answers in a quarter of an hour: from one block of addresses, and by codes from anywhere.
# A link's own address cannot be guessed, so that guessers elsewhere never close it to its holder.
MOST_FROM_BLOCK = 100
MOST_BY_CODE = 600
_BY_CODE = "code"
# Codes that may be asked for by mail in that time, from one block.
MOST_CODES = 10


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
    named: bool = False

    @property
    def own(self) -> bool:
        """Whether it is the patient's own: neither passed on, nor made for a named person."""
        return not (self.parent or self.named)


def open_link(
    house: House,
    handle: Handle,
    answer: str,
    *,
    login: Session | None = None,
    address: str,
    now: int,
) -> str:
    """Open a link with an answer; gives the secret of the browser's session, once.

    `login` is who is signed in in this browser, for a link of a named person. Raises
    Unauthenticated, or Busy where there were too many wrong answers lately.
    """
    check(house, handle, address, now)
    row, facts = _find(house, handle)
    id_ = row.id if row is not None else ""
    tries = house.database.apply(lambda c: shares.count_answer(c, id_, most=TRIES))
    person = login.account.id if login is not None else ""
    fits = factors.fits(house, row, facts, answer, person)
    in_time = stands(house, row, now) and tries <= TRIES
    secret = draw()
    if not (fits and in_time and _begin(house, row, secret, login, address, now)):
        _refuse(house, handle, row, tries, address, now)
    return secret


def throttled(house: House, handle: Handle, address: str, now: int) -> Any:
    """The link of a handle for who asks for a code, None if there is none. Raises Busy."""
    check(house, handle, address, now)
    key = _asking(address)
    if throttle.lately(house, key, now=now).get(key, 0) >= MOST_CODES:
        raise Busy("too many codes were asked for: try again in a quarter of an hour", retry=900)
    return _find(house, handle)[0]


def count_asking(connection: Connection, address: str, now: int) -> None:
    """Count a code that was asked for, from whatever neighbourhood."""
    throttle.count(connection, _asking(address), now=now)


def _asking(address: str) -> str:
    return f"asking {throttle.block(address)}"


def check(house: House, handle: Handle, address: str, now: int) -> None:
    """Raise Busy where too many wrong answers came lately, by this neighbourhood or by codes."""
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


def stands(house: House, row: Any, now: int) -> bool:
    """Whether a link stands, with its patient and the link that it was passed on from."""
    owner, patient, from_ = (row.organisation, row.patient, row.parent) if row else (HOME, "", "")
    with house.database.read() as connection:
        parent = shares.by_id(connection, from_)
        active = people.active(connection, owner, [patient])
    # An answer counts before it is judged: a fifth one that is right is still in time.
    mine = row is not None and state(row, now) in ("open", "locked")
    mine = mine and (row.answer_until == 0 or now < row.answer_until)
    first = parent is None or state(parent, now) not in ("revoked", "frozen", "expired")
    return mine and bool(active) and first


def _begin(
    house: House, row: Any, secret: str, login: Session | None, address: str, now: int
) -> bool:
    """Use the link and keep the session, in one transaction with its event."""
    values = {"hash": digest(secret), "share": row.id, "began": now}
    values |= {"expires": min(now + SESSION, row.expires)}
    detail = "link opened"
    if row.person and login is not None:
        values["login"], detail = login.id, f"link opened by {row.person}"
    event = _event(row, "login", "0", detail, address)

    def work(connection: Connection) -> bool:
        if not shares.open_session(connection, row, values, now=now):
            return False
        if row.parent:
            owing.owe_opened(connection, row, now)
        house.auditor.append(connection, event)
        return True

    return house.database.apply(work)


def _refuse(house: House, handle: Handle, row: Any, tries: int, address: str, now: int) -> None:
    """Count and record a wrong answer, and say the one sentence."""
    wrong(house, handle, row, tries, address, now)
    raise Unauthenticated(REFUSED)


def wrong(house: House, handle: Handle, row: Any, tries: int, address: str, now: int) -> None:
    """Count and record a wrong answer."""
    detail = f"link not opened, answer {tries}" if row is not None else "link not opened, unknown"
    event = _event(row, "login", "4", detail, address)

    def work(connection: Connection) -> None:
        keys = [throttle.block(address), *([_BY_CODE] if handle.code else [])]
        throttle.count(connection, *keys, now=now)
        house.auditor.append(connection, event)

    house.database.apply(work)


def opened_event(row: Any, detail: str, address: str) -> Event:
    """The event of a link that was opened."""
    return _event(row, "login", "0", detail, address)


def _event(row: Any, action: str, outcome: str, detail: str, address: str) -> Event:
    return Event(
        organisation=row.organisation if row is not None else HOME,
        door="link",
        action=action,
        outcome=outcome,
        grant=row.id if row is not None else "",
        client=CLIENT,
        purpose=row.purpose if row is not None else "",
        patient=row.patient if row is not None else "",
        address=address,
        detail=detail,
    )


def authenticate(house: House, secret: str, kind: str = PAGE, *, address: str, now: int) -> Opened:
    """The link of a browser's session, or of a token (`kind`).

    Raises Unauthenticated, one sentence for every reason.
    """
    hash_ = digest(secret)
    with house.database.read() as connection:
        row = shares.session_row(connection, hash_, kind, now=now) if secret else None
    if row is None:
        raise Unauthenticated("this link is closed: open it again, or ask for a new one")
    return opened_of(row, hash_, address, now)


def opened_of(row: Any, session: str, address: str, now: int) -> Opened:
    """A link that was opened, from its row."""
    named = row.factor == factors.NAMED
    grant = grant_of(row, address, now)
    return Opened(row.id, session, row.parent, row.patient, row.expires, grant, named)


def grant_of(row: Any, address: str, now: int) -> Grant:
    """What a link reaches at a time."""
    return Grant(
        id=row.id,
        organisation=row.organisation,
        client=CLIENT,
        context="patient",
        scopes=_scopes(),
        patients=frozenset([row.patient, *json.loads(row.parts)]),
        studies=frozenset(json.loads(row.studies)),
        purpose=row.purpose or PATRQT,
        address=address,
        asker=asking("link", now),
    )


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
    """Raise Denied unless the link is the patient's own."""
    if not opened.own:
        raise Denied("only who has the patient's own link may do this")


def purge(house: House, *, now: int) -> int:
    """Forget sessions and wrong answers whose time is over."""
    with house.database.write() as connection:
        return shares.purge(connection, now=now)
