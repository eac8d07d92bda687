"""The audit as the desk shows it: who saw whom, by which door, when; each event with its person.

Events name grants. Whose a grant was is told by the event of the login that gave it.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.errors import Invalid
from server.flows import access, accounts, chart
from server.flows.access import Grant
from server.flows.sites import House
from server.store import audit_search, identities
from server.store.audit_search import Place

PAGE = 50
DOORS = (
    *("fhir", "dicomweb", "dimse", "mllp", "link", "desk", "login"),
    *("oauth", "command", "import"),
)
_HOUR = 3600 * 1_000_000
_LOGIN = re.compile(r"(?:token|login) of ([\w-]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: empty is anything. `patient` is a record, `person` a login name."""

    patient: str = ""
    person: str = ""
    door: str = ""
    since: int = 0
    before: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One event: who did what by which door. `who` is a person, app, peer, feed or link."""

    at: int
    who: str
    app: str
    door: str
    action: str
    refused: bool
    study: str
    address: str
    purpose: str
    detail: str


def page(house: House, grant: Grant, wanted: Wanted, after: str) -> tuple[list[Seen], str]:
    """Events, the newest first, and the place at which the next page begins."""
    access.in_role(grant, "operator", "privacy")
    if wanted.door and wanted.door not in DOORS:
        raise Invalid(f"door is one of {', '.join(DOORS)}")
    owner, span = grant.organisation, (wanted.since, wanted.before)
    with house.database.read() as connection:
        where = _conditions(connection, grant, wanted)
        if wanted.patient:
            chart.seen(connection, grant, wanted.patient)
            rows, go_on = _of_patient(house, connection, grant, wanted, where, _place(after))
        else:
            rows, go_on = audit_search.newest(connection, owner, where, span, _place(after), PAGE)
        return _told(connection, owner, rows), _word(go_on)


def _of_patient(
    house: House,
    connection: Connection,
    grant: Grant,
    wanted: Wanted,
    where: list[Any],
    before: Place | None,
) -> tuple[Sequence[Any], Place | None]:
    """The events of all records that are one patient by now."""
    owner, found, places = grant.organisation, list[Any](), list[Place]()
    parts = identities.parts_of(connection, owner, wanted.patient)
    for record in (wanted.patient, *parts):
        person = house.auditor.person(connection, owner, record)
        span = (wanted.since, wanted.before)
        rows, go_on = audit_search.of_person(connection, owner, person, where, span, before, PAGE)
        found += rows
        places += [go_on] if go_on else []
    found.sort(key=lambda row: (row.at, row.writer, row.seq), reverse=True)
    shown = found[:PAGE]
    more = len(found) > PAGE or places
    return shown, (shown[-1].at, shown[-1].writer, shown[-1].seq) if more and shown else None


def _conditions(connection: Connection, grant: Grant, wanted: Wanted) -> list[Any]:
    """Conditions on the columns of events: of a door, of a person and all that person's grants."""
    found: list[Any] = []
    if wanted.door:
        found.append(lambda c: c.door == wanted.door)
    if wanted.person:
        name = accounts.folded(wanted.person)
        id_ = audit_search.account_named(connection, grant.organisation, name)
        since = max(0, wanted.since - 12 * _HOUR)
        mine = (
            audit_search.grants_of(connection, grant.organisation, id_, (since, wanted.before))
            if id_
            else []
        )
        found.append(lambda c: (c.client == (id_ or "nobody")) | c.grant.in_(mine))
    return found


def _told(connection: Connection, owner: int, rows: Collection[Any]) -> list[Seen]:
    holders = _holders(connection, owner, rows)
    ids = {*holders.values(), *(row.client for row in rows)}
    names = audit_search.people(connection, owner, ids)
    apps = audit_search.apps(connection, ids)
    return [
        Seen(
            row.at,
            _who(row, holders, names),
            apps.get(row.client, "" if row.client in names else row.client),
            row.door,
            row.action,
            row.outcome != "0",
            row.study,
            row.address,
            row.purpose,
            row.detail,
        )
        for row in rows
    ]


def _who(row: Any, holders: dict[str, str], names: dict[str, str]) -> str:
    """The person, as far as there is one; else what stands for the caller."""
    account = row.client if row.client in names else holders.get(row.grant, "")
    return names.get(account, account) or (row.grant if row.door in ("dimse", "mllp") else "")


def _holders(connection: Connection, owner: int, rows: Collection[Any]) -> dict[str, str]:
    """The accounts behind the grants of events, by grant."""
    found: dict[str, str] = {}
    first: dict[str, int] = {}
    for row in rows:
        if row.grant and row.door in ("fhir", "dicomweb", "oauth", "login"):
            first[row.grant] = min(row.at, first.get(row.grant, row.at))
    for name, at in first.items():
        known = audit_search.account_of(connection, name) or _by_login(connection, owner, name, at)
        found |= {name: known} if known else {}
    return found


def _by_login(connection: Connection, owner: int, grant: str, at: int) -> str:
    """The account of a grant by the event of its login, at most two hours before."""
    told = audit_search.logins(connection, owner, [grant], (at - 2 * _HOUR, at))
    match = _LOGIN.match(told.get(grant, ""))
    return match[1] if match else ""


def _place(text: str) -> Place | None:
    if not text:
        return None
    at, _, rest = text.partition(".")
    seq, _, writer = rest.partition(".")
    if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in (at, seq)):
        raise Invalid("this is no page of ours: start again")
    return int(at), writer, int(seq)


def _word(place: Place | None) -> str:
    return f"{place[0]}.{place[2]}.{place[1]}" if place else ""
