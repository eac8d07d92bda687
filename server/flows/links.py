"""Magic Links, as staff make and end them: a patient's studies for whoever has a link and an answer.

What a link reaches is fixed when it is made: one patient with the records that are part of it then,
and single studies. It never grows. Its secrets are told once, and kept as digests.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from fhir import wire
from server.clock import instant
from server.errors import Conflict, Denied, Invalid, Missing
from server.flows import accounts, factors, grants, health_link, owing, parties, release, sites
from server.flows.actors import CLI, Actor
from server.flows.audit import Event
from server.flows.clients import Client
from server.flows.factors import DAY, FACTORS
from server.flows.grants import digest
from server.flows.patients import load_facts
from server.flows.sites import House
from server.store import identities, people, shares
from server.store.install import authored_id, value

TRIES = 5
# The organisation that a command means which names none: a link has an id of its own.
ANY = 0
CLIENT = "link"
SCOPE = "share"
_HOUR = 3600 * 1_000_000
_SPAN = re.compile(r"([1-9]\d{0,3})([hd])", re.ASCII)
USUAL = "30d"
_UNITS = {"h": _HOUR, "d": DAY}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A link that is to be made. No studies means all that the patient has now.

    `label` is for the list of links, `most_uses` 0 for as often as one likes. `mail` sends it, its
    one-time codes and word of new reports to the address that was checked to be the patient's.
    `person` is the name of the user who alone opens it, for the factor named-person.
    `health_link` asks for a second handle, a SMART Health Link with a passcode.
    """

    patient: str
    factor: str
    expires: int
    studies: Collection[str] = ()
    organisation: str = "home"
    most_uses: int = 0
    label: str = ""
    mail: bool = False
    person: str = ""
    health_link: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A link with its secrets, which are told this once.

    `answer` is empty for a birth date, and for codes that are mailed when its holder asks; `code`
    for a named person, who signs in.
    """

    id: str
    token: str
    url: str
    code: str
    answer: str
    expires: int
    health_link: str = ""
    passcode: str = ""


def expiry(text: str, factor: str, now: int, *, since: int = 0) -> int:
    """When a link ends: 12h, 7d, or a date as 2026-12-31 with that day. Raises Invalid.

    Counted from when it was made (`since`), its factor lets it live only so long.
    """
    span = _SPAN.fullmatch(text)
    if span:
        end = now + int(span[1]) * _UNITS[span[2]]
    else:
        try:
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError as bad:
            raise Invalid("--expires takes 12h, 7d or a date as 2026-12-31") from bad
        end = int(day.timestamp()) * 1_000_000 + DAY
    longest = FACTORS[factor].longest
    if not now < end <= (since or now) + longest:
        raise Invalid(f"a link that asks for {factor} lives at most {longest // DAY} days")
    return end


def make(
    house: House, wanted: Wanted, *, by: Client | None = None, actor: Actor = CLI, now: int
) -> Made:
    """Make a link. Raises Invalid, Missing (the patient, a study), Conflict (nothing to share).

    `by` is the client that asks for it over the network: it needs the scope `share` and reaches
    whom it reaches (Denied); an `actor` of the organisation has none.
    """
    if by is not None and SCOPE not in by.scope.split():
        raise Denied(f"this client may not make links: its scopes lack `{SCOPE}`")
    with house.database.read() as connection:
        fixed = _fixed(house, connection, wanted, by) | {"told": now}
    maker = Actor("oauth", by.id) if by else actor
    if not wanted.health_link:
        return keep(house, fixed, wanted.factor, wanted.expires, maker=maker, now=now)
    second = health_link.make(house, wanted.expires)
    fixed |= {"manifest_hash": second.manifest_hash, "passcode": second.passcode_hash}
    made = keep(house, fixed, wanted.factor, wanted.expires, maker=maker, now=now)
    return replace(made, health_link=second.uri, passcode=second.passcode)


def _fixed(
    house: House, connection: Connection, wanted: Wanted, by: Client | None
) -> dict[str, Any]:
    """What never changes of a link: whose it is, and what it shows."""
    owner = by.organisation if by else parties.named(connection, wanted.organisation)
    patient = parties.patient(connection, owner, wanted.patient)
    if by is not None and not _reaches(connection, by, patient):
        raise Missing("there is no such patient: give a Patient id, or a number as system|value")
    parts = identities.parts_of(connection, owner, patient)
    chosen = _chosen(wanted.studies, shares.studies(connection, owner, [patient, *parts]))
    _check_factor(connection, owner, patient, wanted.factor, chosen)
    person, purpose = _person(connection, owner, wanted)
    if wanted.health_link and wanted.factor in ("otp", factors.NAMED):
        raise Invalid("a health link is opened again and again: use birth-date or pin")
    if wanted.mail:
        owing.check(house, connection, owner, patient)
    return {
        "organisation": owner,
        "patient": patient,
        "parts": json.dumps(parts),
        "studies": json.dumps([row.uid for row in chosen]),
        "label": wanted.label[:200],
        "most_uses": wanted.most_uses,
        "mailed": int(wanted.mail),
        "person": person,
        "purpose": purpose,
    }


def _reaches(connection: Connection, client: Client, patient: str) -> bool:
    reach = grants.reach(connection, client)
    return reach.everyone or patient in reach.patients


def _chosen(wanted: Collection[str], found: Sequence[Any]) -> Sequence[Any]:
    """The studies that a link is to show."""
    if not found:
        raise Conflict("this patient has no study yet that could be shared")
    known = {row.uid: row for row in found}
    if not set(wanted) <= set(known):
        raise Missing("--study names a study that this patient does not have")
    return [row for uid, row in known.items() if not wanted or uid in wanted]


def check_factor(factor: str) -> None:
    """Raise Invalid for what no link can ask for."""
    if factor not in FACTORS:
        raise Invalid(f"factor takes one of {', '.join(FACTORS)}")


def _check_factor(
    connection: Connection, owner: int, patient: str, factor: str, chosen: Sequence[Any]
) -> None:
    """Refuse a birth date where there is none, or where it would guard something sensitive."""
    check_factor(factor)
    if factor != "birth-date":
        return
    row = people.patient_row(connection, owner, patient)
    if row is None or not load_facts(row.facts).birth_date:
        raise Conflict("this patient's record has no birth date: use --factor pin")
    for report in shares.reports_of(connection, owner, [one.id for one in chosen]):
        if release.is_restricted(wire.read(report.text).get("meta", {}).get("security", [])):
            raise Conflict("a report of these studies is marked as sensitive: use --factor pin")


# What somebody opens a link for who is named in it (v3 PurposeOfUse).
_PURPOSES = {"clinician": "TREAT", "proxy": "FAMRQT", "patient": "PATRQT"}


def _person(connection: Connection, owner: int, wanted: Wanted) -> tuple[str, str]:
    """The account that a link is for, and the purpose that goes with its role."""
    if bool(wanted.person) != (wanted.factor == factors.NAMED):
        raise Invalid("a named person goes with --factor named-person, and with no other")
    if not wanted.person:
        return "", ""
    if wanted.mail:
        raise Invalid("a link for a named person is not mailed to the patient")
    account = accounts.by_name(connection, owner, wanted.person)
    if account.role not in _PURPOSES:
        raise Invalid(f"a link is for a {', a '.join(_PURPOSES)}: this user is none")
    return account.id, _PURPOSES[account.role]


def keep(
    house: House,
    fixed: dict[str, Any],
    factor: str,
    expires: int,
    *,
    maker: Actor,
    now: int,
) -> Made:
    """Draw the secrets of a link, keep their digests and record who it is for, in one transaction.

    `maker` is who asked for it.
    """
    token, code = factors.draw_token(factor), factors.draw_code()
    asked_for = factor == "otp" and fixed.get("mailed")
    none = asked_for or factor in ("birth-date", factors.NAMED)
    answer = "" if none else factors.draw_pin()
    with house.database.read() as connection:
        key = value(connection, "key") or ""
    secret = {
        "token_hash": digest(token),
        "code_hash": factors.code_digest(key, code),
        "answer": house.passwords.digest(answer) if answer else "",
    }
    times = {"created": now, "expires": expires}
    id_ = authored_id()
    row = {"id": id_, "factor": factor, **fixed, **secret, **times}
    count = len(json.loads(fixed["studies"]))
    detail = f"link for {count} studies until {instant(expires)}, {factor}"
    with house.database.write() as connection:
        _check_parts(connection, row)
        shares.add(connection, row)
        if row.get("mailed"):
            owing.owe_link(connection, row, token)
        house.auditor.append(connection, _event(row, "create", detail, maker))
    url = f"{sites.address(house)}/s/{token}"
    said = "" if factor == factors.NAMED else factors.spoken(code)
    return Made(id_, token, url, said, answer, expires)


def _check_parts(connection: Connection, row: dict[str, Any]) -> None:
    """Refuse a link whose patient was taken apart while it was made."""
    parts = identities.parts_of(connection, row["organisation"], row["patient"])
    if not set(json.loads(row["parts"])) <= set(parts):
        raise Conflict("a merge of this patient was undone just now: try again")


def _event(row: dict[str, Any], action: str, detail: str, maker: Actor = CLI) -> Event:
    """An event about a link: its grant is the link itself, so that the link has a log."""
    return Event(
        organisation=row["organisation"],
        door=maker.door,
        action=action,
        grant=row["id"],
        client=maker.client,
        patient=row["patient"],
        purpose=maker.purpose,
        address=maker.address,
        detail=detail,
    )


def state(row: Any, now: int) -> str:
    """How a link stands: open, revoked, frozen (by its holder), expired, locked or used up."""
    if row.revoked:
        return "revoked"
    if row.frozen:
        return "frozen"
    if row.expires <= now:
        return "expired"
    if row.failures >= TRIES:
        return "locked"
    spent = row.factor == "otp" and not row.answer and not row.mailed
    used = (row.most_uses and row.uses >= row.most_uses) or spent
    return "used up" if used else "open"


def listing(house: House, organisation: str, patient: str, *, now: int) -> list[dict[str, Any]]:
    """The links of an organisation or one of its patients, for staff: no secret is in it."""
    with house.database.read() as connection:
        owner = parties.named(connection, organisation)
        who = parties.patient(connection, owner, patient) if patient else ""
        rows = shares.listed(connection, owner, who)
    return [_told(row, now) for row in rows]


def _told(row: Any, now: int) -> dict[str, Any]:
    told = {
        "id": row.id,
        "state": state(row, now),
        "patient": row.patient,
        "studies": json.loads(row.studies),
        "factor": row.factor,
        "created": instant(row.created),
        "expires": instant(row.expires),
        "uses": row.uses,
        "wrong_answers": row.failures,
        "label": row.label,
        "passed_on_from": row.parent,
    }
    return {name: kept for name, kept in told.items() if kept != ""}


def revoke(house: House, id_: str, *, owner: int = ANY, by: Actor = CLI, now: int) -> None:
    """End a link, and with it those that its holder passed on. Raises Missing, Conflict."""
    with house.database.write() as connection:
        row = _row(connection, id_, owner)
        if not shares.mark(connection, id_, "revoked", now=now):
            raise Conflict("this link was revoked before")
        house.auditor.append(connection, _event(row, "delete", "link revoked", by))


def extend(
    house: House, id_: str, expires: str, *, owner: int = ANY, by: Actor = CLI, now: int
) -> int:
    """Let a link live to another time, and forget its wrong answers. Raises Missing, Conflict.

    Its studies stay as they are, and a holder's freeze is lifted by a new link only.
    """
    with house.database.write() as connection:
        row = _row(connection, id_, owner)
        if row["revoked"] or row["frozen"]:
            raise Conflict("this link was ended: make a new one")
        if row["parent"]:
            raise Conflict("a link that was passed on lives as it was made: extend the first one")
        end = expiry(expires, row["factor"], now, since=row["created"])
        shares.change(connection, id_, {"expires": end, "failures": 0})
        detail = f"link extended until {instant(end)}"
        house.auditor.append(connection, _event(row, "update", detail, by))
    return end


def _row(connection: Connection, id_: str, owner: int) -> dict[str, Any]:
    row = shares.by_id(connection, id_)
    if row is None or owner not in (ANY, row.organisation):
        raise Missing("there is no link of this id: `share list` shows them")
    return dict(row._mapping)


def log(house: House, id_: str, *, owner: int = ANY) -> list[dict[str, Any]]:
    """What the audit tells of a link and of those passed on from it, the newest first."""
    with house.database.read() as connection:
        row = _row(connection, id_, owner)
        ids = [id_, *(one.id for one in shares.children(connection, id_))]
        person = house.auditor.person(connection, row["organisation"], row["patient"])
        events = shares.log(connection, row["organisation"], person, ids)
    names = ("door", "action", "outcome", "study", "address", "detail", "count", "bytes")
    return [
        {"at": instant(one.at), "link": one.grant}
        | {name: getattr(one, name) for name in names if getattr(one, name)}
        for one in events
    ]
