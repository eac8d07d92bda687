"""Opening a SMART Health Link: judging its passcode, its files, and the token that is one of them.

What it shows is what its Magic Link shows, through the same gate, and ends with it. Wrong passcodes
and wrong answers are one count; the app that asks is told how many are left, as the standard
demands, which is why this is a handle of its own.
"""

import json
from dataclasses import dataclass

from sqlalchemy import Connection

from server.clock import instant
from server.errors import Missing, Unauthenticated
from server.flows import factors, holding, opening
from server.flows.grants import digest, draw
from server.flows.links import TRIES
from server.flows.opening import ACCESS, BEARER, Opened
from server.flows.sites import House
from server.store import shares

HOUR = 3600 * 1_000_000
RECORDS, API = "records", "access"
TYPES = {RECORDS: "application/fhir+json", API: "application/smart-api-access"}
_GONE = "there is no such link, or it has ended"
_RECIPIENT = 60


class WrongPasscode(Unauthenticated):
    """A passcode that does not fit; `remaining` are the tries that are left."""

    def __init__(self, remaining: int) -> None:
        super().__init__("this passcode does not fit")
        self.remaining = remaining


@dataclass(frozen=True, slots=True)
class Asked:
    """A manifest request: who asks, in their own words, and with what passcode."""

    recipient: str
    passcode: str


def open_manifest(house: House, secret: str, asked: Asked, *, address: str, now: int) -> Opened:
    """Open a link for an app. Raises WrongPasscode, Missing (no such link, or ended), Busy."""
    opening.check(house, opening.Handle(), address, now)
    with house.database.read() as connection:
        row = shares.by_handle(connection, "manifest_hash", digest(secret))
    if row is None:
        raise Missing(_GONE)
    tries = house.database.apply(lambda c: shares.count_answer(c, row.id, most=TRIES))
    fits = house.passwords.verify(row.passcode, factors.digits(asked.passcode))
    if tries > TRIES or not opening.stands(house, row, now):
        raise Missing(_GONE)
    if not fits:
        opening.wrong(house, opening.Handle(), row, tries, address, now)
        raise WrongPasscode(TRIES - tries)
    who = "".join(char for char in asked.recipient if char.isprintable())[:_RECIPIENT]
    event = opening.opened_event(row, f"health link opened by an app: {who}", address)

    def work(connection: Connection) -> bool:
        if not shares.use(connection, row.id, now=now):
            return False
        house.auditor.append(connection, event)
        return True

    if not house.database.apply(work):
        raise Missing(_GONE)
    return opening.opened_of(row, "", address, now)


def ticket(house: House, opened: Opened, name: str, *, now: int) -> str:
    """A ticket for one file, good once within the hour."""
    return _begin(house, opened, name, draw(), now)


def redeem(house: House, secret: str, drawn: str, *, address: str, now: int) -> tuple[Opened, str]:
    """What a ticket is for: the link, and the name of the file. Raises Missing."""
    hash_ = digest(drawn)
    for name in TYPES:
        with house.database.read() as connection:
            row = shares.session_row(connection, hash_, name, now=now)
        if row is not None and row.manifest_hash == digest(secret):
            if not house.database.apply(lambda c: shares.end_session(c, hash_, now=now)):
                break
            return opening.opened_of(row, "", address, now), name
    raise Missing("this file is no longer here: ask for the manifest again")


def content(house: House, opened: Opened, name: str, *, now: int) -> bytes:
    """A file of the manifest, as it is before it is encrypted."""
    if name == RECORDS:
        return holding.bundle(house, opened).encode()
    return json.dumps(_access(house, opened, now)).encode()


def _access(house: House, opened: Opened, now: int) -> dict[str, object]:
    """An access token response (SMART App Launch 2.2) with where it is good for, for the pictures."""
    token = _begin(house, opened, ACCESS, BEARER + draw(), now)
    end = min(now + HOUR, opened.expires)
    queries = [f"{type_}?patient={opened.patient}" for type_ in ("ImagingStudy", holding.REPORT)]
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": (end - now) // 1_000_000,
        "scope": opening.SCOPE,
        "patient": opened.patient,
        "aud": house.config.fhir_base,
        "query": queries,
    }


def _begin(house: House, opened: Opened, kind: str, drawn: str, now: int) -> str:
    """Keep a ticket or a token of a link, by its digest; gives it back."""
    values = {"hash": digest(drawn), "share": opened.id, "kind": kind, "began": now}
    values |= {"expires": min(now + HOUR, opened.expires)}
    event = opening.event(opened, "execute", f"{kind} of a health link until {instant(now + HOUR)}")

    def work(connection: Connection) -> None:
        shares.add_session(connection, values)
        house.auditor.append(connection, event)

    house.database.apply(work)
    return drawn
