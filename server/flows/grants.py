"""Access tokens: drawn at random, kept as a digest, turned into a Grant on every request.

Whom a token reaches is fixed when it is issued: a patient, the patients of a group, or everyone in
the organisation. It never grows. It ends when its time is over, when it is revoked, when its client
is retired, and when a patient it names is retired (a merge must not widen it).
"""

import hashlib
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from fhir import scopes
from fhir.scopes import Scope
from server.errors import Denied, Invalid, Unauthenticated
from server.flows import parties, questions
from server.flows.access import Grant, asking
from server.flows.audit import Event
from server.flows.clients import Client
from server.flows.sites import House
from server.store import accounts, approvals, identities, memories, people, tokens, views

SCRIPT = "cli"
LONGEST_SCRIPT = 900
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom a token reaches: everyone of the organisation, or the patients named."""

    everyone: bool = False
    patients: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """A token that is to be issued, and for the audit where and why."""

    organisation: int
    client: str
    scope: str
    reach: Reach
    seconds: int
    door: str
    address: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token as its bearer gets it. `patient` is the one in context, if there is one."""

    token: str
    scope: str
    seconds: int
    patient: str = ""


def digest(token: str) -> str:
    """What is kept of a token. It is random and long, so an unsalted hash gives nothing away."""
    return hashlib.sha256(token.encode()).hexdigest()


def draw() -> str:
    """A fresh token: 256 bits."""
    return secrets.token_urlsafe(32)


def authenticate(house: House, token: str, *, address: str, now: int) -> Grant:
    """The Grant of a bearer token. Raises Unauthenticated, with one sentence for every reason."""
    row = good_row(house, token, now)
    if row is None:
        raise Unauthenticated("this token is unknown, expired or revoked")
    return of_row(row, address, now=now)


def of_row(row: Any, address: str, *, now: int) -> Grant:
    """The Grant of a token that is good, for who asks now."""
    granted = _scopes(row.scope)
    return Grant(
        id=short(row.hash),
        organisation=row.organisation,
        client=row.client,
        context=granted[0].context if granted else "patient",
        scopes=granted,
        patients=_patients(row.patients) | _patients(row.parts or "[]"),
        everyone=row.everyone,
        purpose=row.purpose,
        address=address,
        wide=bool(row.wide),
        staff=bool(row.staff),
        person=row.person,
        asker=asking(row.actor or "patient", now),
    )


def good_row(house: House, token: str, now: int) -> Any:
    """A token's row while it is good, and every patient that it names still stands."""
    return kept_row(house, digest(token), now)


def kept_row(house: House, hash_: str, now: int) -> Any:
    """The same, of a token by its digest."""
    with house.database.read() as connection:
        row = tokens.find(connection, hash_, now=now)
    if row is None or row.standing != len(_patients(row.patients)):
        return None
    return row


@lru_cache(maxsize=1024)
def _scopes(text: str) -> tuple[Scope, ...]:
    return scopes.split(text)[0]


@lru_cache(maxsize=32)
def _patients(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


def short(hash_: str) -> str:
    """The name of a grant in the audit."""
    return hash_[:16]


def allowed(asked: str, ceiling: str) -> str:
    """The scopes that are both asked for and within a ceiling; unknown words are dropped.

    So are scopes with a question that the gate cannot enforce.
    """
    met = scopes.intersect(scopes.split(asked)[0], scopes.split(ceiling)[0])
    return scopes.text(scope for scope in met if questions.served(scope))


def issue(house: House, order: Order, token: str, *, now: int) -> None:
    """Keep a token and record who got it, in one transaction."""
    hash_ = digest(token)
    patients = sorted(order.reach.patients)
    values = {
        "hash": hash_,
        "kind": "access",
        "organisation": order.organisation,
        "client": order.client,
        "scope": order.scope,
        "patients": json.dumps(patients),
        "everyone": order.reach.everyone,
        "purpose": "TREAT",
        "issued": now,
        "expires": now + order.seconds * _SECOND,
    }
    event = Event(
        organisation=order.organisation,
        door=order.door,
        action="login",
        grant=short(hash_),
        client=order.client,
        patient=patients[0] if len(patients) == 1 else "",
        address=order.address,
        detail=f"token for {order.seconds} s: {order.scope} {order.reason}".strip(),
    )

    def work(connection: Connection) -> None:
        keep(connection, values)
        house.auditor.append(connection, event)

    house.database.apply(work)


def keep(connection: Connection, values: dict[str, Any], spent: Any = None) -> None:
    """Keep a token with the records that are part of its patients now.

    What joins a patient later adds nothing to the token, nor to those for which it is `spent`.
    """
    owner, patients = values["organisation"], json.loads(values["patients"])
    parts = [part for one in patients for part in identities.parts_of(connection, owner, one)]
    if spent is not None:
        known = _patients(spent.patients) | _patients(spent.parts or "[]")
        parts = [part for part in parts if part in known]
    tokens.add(connection, values | {"parts": json.dumps(parts)})


def reach(connection: Connection, client: Client) -> Reach:
    """Whom a backend client reaches now. Raises Denied when that is nobody."""
    kind, _, name = client.reach.partition(":")
    if kind == "all":
        return Reach(everyone=True)
    wanted = people.members(connection, client.organisation, name) if kind == "group" else [name]
    found = people.active(connection, client.organisation, wanted)
    if not found:
        raise Denied("this client reaches no patient: see --reach of `client add`")
    return Reach(patients=found)


def for_client(
    house: House, client: Client, scope: str, token: str, seconds: int, *, address: str, now: int
) -> None:
    """Issue a backend client's token for scopes that were `allowed`."""
    with house.database.read() as connection:
        reached = reach(connection, client)
    order = Order(client.organisation, client.id, scope, reached, seconds, "oauth", address)
    issue(house, order, token, now=now)


def for_script(
    house: House,
    scope: str,
    *,
    patient: str = "",
    organisation: str = "home",
    seconds: int = LONGEST_SCRIPT,
    reason: str = "",
    now: int,
) -> Issued:
    """A token for scripts on this machine, as client `cli`. Raises Invalid, Missing."""
    if not 0 < seconds <= LONGEST_SCRIPT:
        raise Invalid(f"a token for scripts lives 1 to {LONGEST_SCRIPT} seconds, not {seconds}")
    context = _script_context(scope)
    if context == "patient" and not patient:
        raise Invalid("patient/ scopes need --patient: a Patient id, or a number as system|value")
    if context == "system" and patient:
        raise Invalid("system/ scopes reach everyone: leave --patient out, or ask for patient/")
    if not (house.config.loopback or reason):
        raise Invalid("this server listens beyond loopback: say why, with --reason")
    with house.database.read() as connection:
        owner = parties.named(connection, organisation)
        who = parties.patient(connection, owner, patient) if patient else ""
    issued = Issued(draw(), scope, seconds, who)
    reached = Reach(patients=[who]) if who else Reach(everyone=True)
    order = Order(owner, SCRIPT, scope, reached, seconds, "command", reason=reason)
    issue(house, order, issued.token, now=now)
    return issued


def _script_context(scope: str) -> str:
    """The one context of a script's scopes. Raises Invalid for user/, mixed and unknown scopes."""
    found, others = scopes.split(scope)
    if others or any(one.query for one in found):
        raise Invalid(f"{scope}: give scopes as patient/*.rs or system/ImagingStudy.rs")
    contexts = {one.context for one in found}
    if contexts not in ({"patient"}, {"system"}):
        raise Invalid(
            "a token for scripts has patient/ scopes or system/ scopes, not both or user/"
        )
    return contexts.pop()


def use_assertion(house: House, client: str, jti: str, *, expires: int) -> bool:
    """Remember a client's assertion until it expires; false when it was used before."""
    key = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest()
    return house.database.apply(
        lambda connection: tokens.use_assertion(connection, client, key, expires=expires)
    )


def purge(house: House, *, now: int) -> int:
    """Forget tokens, assertions, sessions and approvals whose time is over."""
    with house.database.write() as connection:
        gone = tokens.purge(connection, now=now) + accounts.purge(connection, now=now)
        gone += memories.purge(connection, now=now) + views.purge(connection, now=now)
        return gone + approvals.purge(connection, now=now)
