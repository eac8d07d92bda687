"""People who log in: their accounts and roles, and whether a name and a password belong together."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import Connection

from server.errors import Conflict, Invalid, Missing, Unauthenticated
from server.flows import parties, passwords, throttle
from server.flows.access import Grant, asking
from server.flows.audit import Event
from server.flows.sites import HOME, House
from server.store import accounts, approvals, resources
from server.store.install import authored_id
from server.store.resources import Change, Owner

# The most that each role may be granted. Who runs the server sees no records by that.
ROLES = {
    "patient": "patient/*.rs user/*.rs",
    "proxy": "patient/*.rs user/*.rs",
    "clinician": "patient/*.cruds user/*.cruds",
    "operator": "",
    "privacy": "",
}
_OF_PATIENTS = ("patient", "proxy")
TRIES = 5
LOCKED = 15 * 60 * 1_000_000
# Wrong answers in a quarter of an hour from one block of addresses, and from everywhere. Where
# somebody signed in during the last month the second does not count: guessers lock nobody out.
MOST_FROM_BLOCK = 100
MOST_FROM_STRANGERS = 1000
_KNOWN = 30 * 86_400 * 1_000_000
WRONG = "this name and password do not fit"
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may log in. `fhir_users` pairs "" or one of the patients with a reference.

    `second_factor` is when their second factor was set up, 0 while there is none.
    """

    id: str
    organisation: int
    name: str
    role: str
    patients: tuple[str, ...] = ()
    fhir_users: tuple[tuple[str, str], ...] = ()
    second_factor: int = 0

    @property
    def staff(self) -> bool:
        """Whether the account sees the organisation's records, held ones included."""
        return self.role == "clinician"

    @property
    def actor(self) -> str:
        """Who this is in the words of the release table, which is not about staff."""
        return "proxy" if self.role == "proxy" else "patient"

    def fhir_user(self, patient: str = "") -> str:
        """The resource that stands for the person: a proxy has one for each patient."""
        known = dict(self.fhir_users)
        return known.get(patient) or self.fhir_users[0][1]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account that is to be made. An empty password has one made."""

    name: str
    role: str
    organisation: str = "home"
    patients: Sequence[str] = ()
    practitioner: str = ""
    password: str = ""


def add(house: House, wanted: Wanted, *, now: int) -> tuple[Account, str]:
    """Make an account and the resource that stands for it; gives back the password if it made one.

    Raises Invalid, Missing (the patient), Conflict (the name).
    """
    check(wanted)
    password = wanted.password or passwords.made()
    passwords.check(password)
    digest = house.passwords.digest(password)
    with house.database.write() as connection:
        made = keep(house, connection, wanted, digest, now=now)
        parties.record(house, connection, made.organisation, f"user add: {made.id} {made.role}")
    return made, "" if wanted.password else password


def keep(house: House, connection: Connection, wanted: Wanted, digest: str, *, now: int) -> Account:
    """Write a wanted account that was checked; `digest` is that of its password.

    Raises Missing (the patient), Conflict (the name, which nobody has or ever had).
    """
    owner = parties.named(connection, wanted.organisation)
    name = folded(wanted.name)
    if accounts.is_taken(connection, name):
        raise Conflict("there is a user of this name already")
    ids = [parties.patient(connection, owner, text) for text in wanted.patients]
    change = Change(now, "user add", house.config.fhir_base)
    users = _fhir_users(connection, owner, wanted, ids, change)
    made = Account(authored_id(), owner, name, wanted.role, tuple(ids), users)
    accounts.add(connection, _row(made, digest, now))
    return made


def check(wanted: Wanted) -> None:
    """Raise Invalid for an account that cannot be."""
    parties.check_name(wanted.name)
    if wanted.role not in ROLES:
        raise Invalid(f"--role takes one of {', '.join(ROLES)}")
    about = wanted.role in _OF_PATIENTS
    if bool(wanted.patients) != about:
        needs = "needs a --patient" if about else "has no --patient"
        raise Invalid(f"the role {wanted.role} {needs}")
    if wanted.role == "patient" and len(wanted.patients) > 1:
        raise Invalid("a patient is one --patient: a proxy may have several")
    if wanted.practitioner and (about or not _ID.fullmatch(wanted.practitioner)):
        raise Invalid("--practitioner is the FHIR id of somebody of the staff")


def folded(name: str) -> str:
    """A name as it is compared: spelling of letters and case do not count."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _fhir_users(
    connection: Connection, owner: int, wanted: Wanted, ids: Sequence[str], change: Change
) -> tuple[tuple[str, str], ...]:
    """The references of the person, made where there are none yet."""
    if wanted.role == "patient":
        return (("", f"Patient/{ids[0]}"),)
    if wanted.role == "proxy":
        return tuple((id_, _relative(connection, owner, wanted, id_, change)) for id_ in ids)
    id_ = wanted.practitioner or authored_id()
    known = resources.current(connection, owner, "Practitioner", id_)
    if known is None or known.deleted:
        body = {"resourceType": "Practitioner", "id": id_, "active": True}
        body |= {"name": [{"text": wanted.name}]}
        resources.put(connection, Owner(owner), body, change)
    return (("", f"Practitioner/{id_}"),)


def _relative(
    connection: Connection, owner: int, wanted: Wanted, patient: str, change: Change
) -> str:
    """A proxy as a RelatedPerson of one patient, in whose record it stands."""
    body: dict[str, Any] = {"resourceType": "RelatedPerson", "id": authored_id(), "active": True}
    body |= {"patient": {"reference": f"Patient/{patient}"}, "name": [{"text": wanted.name}]}
    resources.put(connection, Owner(owner, patient), body, change)
    return f"RelatedPerson/{body['id']}"


def _row(made: Account, digest: str, now: int) -> dict[str, Any]:
    return {
        "id": made.id,
        "organisation": made.organisation,
        "name": made.name,
        "role": made.role,
        "patients": json.dumps(made.patients),
        "fhir_users": json.dumps(made.fhir_users),
        "password_hash": digest,
        "created": now,
    }


def of_row(row: Any) -> Account:
    """An account from its row."""
    users = tuple((patient, user) for patient, user in json.loads(row.fhir_users))
    patients = tuple(json.loads(row.patients))
    return Account(row.id, row.organisation, row.name, row.role, patients, users, row.totp_since)


def known(connection: Connection, name: str) -> Any:
    """The row of an account by its name. Raises Missing."""
    row = accounts.by_name(connection, folded(name))
    if row is None:
        raise Missing("there is no such user: `user list` names them")
    return row


def by_name(connection: Connection, owner: int, name: str) -> Account:
    """The account of an organisation with a name. Raises Missing through Invalid words."""
    row = accounts.by_name(connection, folded(name))
    if row is None or row.organisation != owner:
        raise Invalid("there is no such user: `user add` makes one")
    return of_row(row)


def authenticate(house: House, name: str, password: str, *, address: str, now: int) -> Account:
    """The account that a name and a password open.

    Raises Unauthenticated, with one sentence and after equal work whether the name is unknown, the
    password wrong, or the account closed after five wrong answers; Busy where too many wrong ones
    came lately. An answer is counted before it is judged, so that many at once are no more than
    five. Wrong ones are forgotten when a session begins, after the second factor.
    """
    tries = count(house, name, address=address, now=now)
    known = folded(name)
    plain = bool(known) and known.isprintable() and len(known) <= 64
    with house.database.read() as connection:
        row = accounts.by_name(connection, known) if plain else None
    fits = house.passwords.verify(row.password_hash if row else "", password)
    if row is None or not fits or tries > TRIES:
        refuse(house, row, tries, address, now=now)
    return of_row(row)


def count(house: House, name: str, *, address: str, now: int) -> int:
    """Count an answer of somebody who says that name; how many there were. Raises Busy."""
    block = throttle.block(address)
    most = {f"login|{block}": MOST_FROM_BLOCK}
    if not throttle.lately(house, f"known|{block}", now=now):
        most["login"] = MOST_FROM_STRANGERS
    throttle.check(house, most, now=now)
    key, until = _key(name), now + LOCKED
    return house.database.apply(
        lambda connection: accounts.count_attempt(connection, key, most=TRIES, now=now, until=until)
    )


def _key(name: str) -> str:
    return hashlib.sha256(folded(name).encode("utf-8", "surrogatepass")).hexdigest()


def welcome(connection: Connection, name: str, address: str, *, now: int) -> None:
    """Forget the wrong answers of who is in now, and remember where people come from."""
    accounts.forget_attempts(connection, _key(name))
    throttle.count(connection, f"known|{throttle.block(address)}", now=now, window=_KNOWN)


def refuse(
    house: House, row: Any, tries: int, address: str, *, now: int, what: str = "password"
) -> NoReturn:
    """Record a wrong answer. A name that is nobody's may be a mistyped password: it is not kept."""
    who = row.id if row is not None else "unknown"
    detail = f"wrong login of {who}, answer {tries}"
    if what != "password":
        detail += f", {what}"
    owner = row.organisation if row is not None else HOME
    event = Event(owner, "login", "login", outcome="4", address=address, detail=detail)

    def work(connection: Connection) -> None:
        keys = (f"login|{throttle.block(address)}", "login")
        throttle.count(connection, *keys, now=now)
        house.auditor.append(connection, event)

    house.database.apply(work)
    raise Unauthenticated(WRONG)


def sign_out(connection: Connection, id_: str, *, but: str = "", now: int) -> None:
    """End every session of an account but one, and what was allowed for their length."""
    for session in accounts.open_sessions(connection, id_):
        if session != but:
            accounts.end_session(connection, session, now=now)
            for approval in accounts.approvals_of_session(connection, session):
                approvals.end(connection, approval, now=now)
    accounts.end_halves(connection, id_, now=now)


def grant(account: Account, session: str, *, address: str, now: int) -> Grant:
    """What the account itself reaches in its own browser: nothing is handed to any app."""
    from fhir import scopes

    granted, _ = scopes.split(ROLES[account.role])
    return Grant(
        id=session[:16],
        organisation=account.organisation,
        client="login",
        context="user",
        scopes=granted,
        patients=frozenset(account.patients),
        everyone=account.staff,
        staff=account.staff,
        address=address,
        wide=account.staff,
        person=account.fhir_user(),
        role=account.role,
        account=account.id,
        asker=asking(account.actor, now),
    )
