"""A site's release table: what patients, proxies and holders of links see at once, later, or on request.

A row holds back or lets go what the default row gives; it never gives what that one keeps with staff.
The row that describes an item most closely counts. Every hold has a reason and an end.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fhir.datetimes import search_range
from fhir.errors import BadDate
from fhir.release_traits import folded
from server import clock
from server.errors import Conflict, Invalid, Missing
from server.flows import actors, parties
from server.flows.sites import House
from server.store import contacts, released, releases, resources
from server.store.release_tables import FOREVER

AT_ONCE, AFTER, NAMED, ASKING = "at-once", "after", "named", "asking"
THEN = (AT_ONCE, AFTER, NAMED, ASKING)
PARTS = (released.REPORTS, released.PICTURES)
STATUSES = ("final", "amended", "corrected", "appended")
ACTORS = ("patient", "proxy", "link")
_HOUR = 3_600_000_000
_MOST_HOURS = 366 * 24
_LONGEST = 2 * 366 * 24 * _HOUR
_OLDEST = 150
_AGES = re.compile(r"(\d{0,3})-(\d{0,3})", re.ASCII)
_WORD = re.compile(r"[^\s|]{1,64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row as somebody asks for it: what it describes, what it says, why and until when."""

    part: str
    then: str
    status: str = ""
    kind: str = ""
    label: str = ""
    actor: str = ""
    ages: str = ""
    hours: int = 0
    secret: bool = False
    reason: str = ""
    until: str = ""


def add(house: House, organisation: str, wanted: Wanted, *, now: int) -> dict[str, Any]:
    """Add a row to the table of an organisation. Raises Invalid, Missing, Conflict."""
    values = _checked(wanted, now)
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        values |= {"organisation": owner, "id": clock.row_id(now), "created": now}
        if (same := releases.same(connection, values)) is not None:
            raise Conflict(f"the row {same} is about the same: remove it first")
        releases.add(connection, values)
        told = _told(values)
        parties.record(house, connection, owner, f"release add: {told}")
    return told


def listing(house: House, organisation: str) -> Iterator[dict[str, Any]]:
    """The rows of an organisation, then what was decided of single items."""
    with house.database.read() as connection:
        owner = parties.named(connection, organisation)
        rows = releases.listed(connection, owner)
        items = releases.decisions(connection, owner)
    yield from (_told(dict(row._mapping)) for row in rows)
    for item in items:
        then = {"then": AT_ONCE} if item.until == released.RELEASED else {"then": "held"}
        until = {"until": clock.instant(item.until)} if item.until > 0 else {}
        yield {"item": f"{item.type}/{item.id}", **then, **until, "reason": item.reason}


def remove(house: House, organisation: str, id_: int) -> None:
    """Take a row away: what it held is as the next row says, at once. Raises Missing."""
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        if not releases.remove(connection, owner, id_):
            raise Missing("there is no such row: `release list` names them")
        parties.record(house, connection, owner, f"release remove: row {id_}")


def release(house: House, organisation: str, item: str, reason: str, *, now: int) -> dict[str, Any]:
    """Release one report, document or study by name. Raises Invalid, Missing, Conflict."""
    with house.database.write() as connection:
        owner, row = _item(connection, organisation, item)
        if row.hidden:
            raise Conflict(
                "this is not final, restricted by its sender, or in question: it stays with staff"
            )
        _decide(house, connection, row, released.RELEASED, _because(reason), now)
        contacts.rouse(connection, owner, row.filed_under, now)
    return {"item": item, "released": True}


def hold(
    house: House, organisation: str, item: str, until: str, reason: str, *, now: int
) -> dict[str, Any]:
    """Hold one report, document or study until then. Raises Invalid, Missing."""
    end = _end(until, now)
    with house.database.write() as connection:
        _, row = _item(connection, organisation, item)
        _decide(house, connection, row, end, _because(reason), now)
    return {"item": item, "held": True, "until": clock.instant(end)}


def _decide(
    house: House, connection: Connection, row: Any, until: int, reason: str, now: int
) -> None:
    values = {"organisation": row.organisation, "type": row.type, "id": row.id}
    releases.decide(connection, values | {"until": until, "reason": reason, "created": now})
    done = "released" if until == released.RELEASED else f"held until {clock.instant(until)}"
    detail = f"{row.type}/{row.id} {done}: {reason}"
    event = actors.CLI.event(row.organisation, "update", detail, row.filed_under)
    house.auditor.append(connection, event)


def _item(connection: Connection, organisation: str, item: str) -> tuple[int, Any]:
    """The row of a report, document or study that is named TYPE/ID."""
    owner = parties.named(connection, organisation)
    type_, _, id_ = item.partition("/")
    if type_ not in released.PARTS or not id_:
        raise Invalid(f"name it as {', '.join(f'{one}/ID' for one in released.PARTS)}")
    row = resources.current(connection, owner, type_, id_)
    if row is None or row.deleted:
        raise Missing(f"there is no such {type_}")
    return owner, row


def _checked(wanted: Wanted, now: int) -> dict[str, Any]:
    """A row's columns. Raises Invalid for one that cannot be."""
    if wanted.status and wanted.part == released.PICTURES:
        raise Invalid("pictures have no status: leave --status out")
    for word in filter(None, (wanted.kind, wanted.label)):
        if not _WORD.fullmatch(word):
            raise Invalid("a kind or a label is one code, as CT or 24627-2")
    youngest, oldest = _ages(wanted.ages)
    kind, label = folded(wanted.kind), folded(wanted.label)
    described = (wanted.status, kind, label, wanted.actor, wanted.ages)
    return {
        "part": wanted.part,
        "status": folded(wanted.status),
        "kind": kind,
        "label": label,
        "actor": wanted.actor,
        "aged": bool(wanted.ages),
        "youngest": youngest,
        "oldest": oldest,
        "weight": sum(map(bool, described)),
    } | _said(wanted, now)


def _said(wanted: Wanted, now: int) -> dict[str, Any]:
    """What a row says: how long, why, and until when it says so."""
    if (wanted.then == AFTER) != (0 < wanted.hours <= _MOST_HOURS):
        raise Invalid(f"--then after, and only that, takes --hours from 1 to {_MOST_HOURS}")
    if wanted.then == AT_ONCE and wanted.secret:
        raise Invalid("what is shown at once cannot be hidden")
    if wanted.then in (NAMED, ASKING) and not wanted.until:
        raise Invalid("a hold that no clock ends needs --until: the day on which the row ends")
    waits = {AT_ONCE: 0, AFTER: wanted.hours * _HOUR}
    return {
        "then": wanted.then,
        "wait": waits.get(wanted.then, FOREVER),
        "secret": wanted.secret,
        "reason": wanted.reason if wanted.then == AT_ONCE else _because(wanted.reason),
        "until": _end(wanted.until, now) if wanted.until else 0,
    }


def _because(reason: str) -> str:
    if not reason.strip():
        raise Invalid("say why, with --reason: it is kept in the audit")
    return reason.strip()[:500]


def _ages(text: str) -> tuple[int, int]:
    """The first and last year of an age band: 12-17, 18-, -11."""
    found = _AGES.fullmatch(text) if text else None
    if not text:
        return 0, 0
    if found is None or text == "-":
        raise Invalid("--ages takes years from and to, as 12-17, 18- or -11")
    youngest, oldest = int(found[1] or 0), int(found[2] or _OLDEST)
    if youngest > oldest:
        raise Invalid("--ages goes from the younger to the older")
    return youngest, oldest


def _end(text: str, now: int) -> int:
    """The moment of a date or time. Raises Invalid for one that is past, or too far away."""
    try:
        end = search_range(text)[0]
    except BadDate as bad:
        raise Invalid("--until takes a day or a time, as 2027-01-31 or 2027-01-31T08:00Z") from bad
    if not now < end <= now + _LONGEST:
        raise Invalid("--until is in the future, and at most two years away")
    return end


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """A row as commands print it: what it describes, and what it says."""
    names = ("part", "status", "kind", "label", "actor")
    told = {name: values[name] for name in names if values[name]}
    if values["aged"]:
        told["ages"] = f"{values['youngest']}-{values['oldest']}"
    told |= {"then": values["then"]}
    if values["then"] == AFTER:
        told["hours"] = values["wait"] // _HOUR
    if values["secret"]:
        told["hides"] = True
    if values["until"]:
        told["until"] = clock.instant(values["until"])
    return {"row": values["id"], **told, "reason": values["reason"]}
