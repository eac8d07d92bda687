"""What a holder may do with a Magic Link: pass it on, see who used it, say "this is not me".

A link that is passed on is one step deep: it shows no more than the first one, never longer, ends
with it, and cannot be passed on itself. The patient sees all of it in the link's log.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.errors import Conflict, Invalid, Missing
from server.flows import links, opening, owing, patients
from server.flows.actors import Actor
from server.flows.audit import WINDOW
from server.flows.factors import DAY
from server.flows.links import Made
from server.flows.opening import Opened
from server.flows.sites import House
from server.store import shares

SPANS = (1, 7, 30)
MOST = 5
_LABEL = 60


@dataclass(frozen=True, slots=True)
class Passed:
    """A link that the holder passed on."""

    id: str
    label: str
    expires: int
    uses: int


@dataclass(frozen=True, slots=True)
class Used:
    """One line of a link's log: when, what in one word, and whether by a link passed on."""

    at: int
    what: str
    passed: bool
    label: str


def pass_on(house: House, opened: Opened, days: int, label: str, *, now: int) -> Made:
    """Make a link to what this one shows, opened with a PIN. Raises Denied, Invalid, Conflict."""
    opening.own(opened)
    if days not in SPANS:
        raise Invalid(f"a link is passed on for {', '.join(map(str, SPANS))} days")
    if len(passed(house, opened, now=now)) >= MOST:
        raise Conflict(f"at most {MOST} links are passed on at a time: end one first")
    grant = opened.grant
    fixed = {
        "organisation": grant.organisation,
        "parent": opened.id,
        "patient": opened.patient,
        "parts": json.dumps(sorted(grant.patients - {opened.patient})),
        "studies": json.dumps(sorted(grant.studies or ())),
        "label": label[:_LABEL].strip(),
    }
    end = min(now + days * DAY, opened.expires)
    return links.keep(house, fixed, "pin", end, maker=Actor("link", links.CLIENT), now=now)


def passed(house: House, opened: Opened, *, now: int) -> list[Passed]:
    """The links that were passed on from this one and stand."""
    with house.database.read() as connection:
        rows = shares.children(connection, opened.id)
    open_ = [row for row in rows if links.state(row, now) in ("open", "locked")]
    return [Passed(row.id, row.label, row.expires, row.uses) for row in open_]


def end(house: House, opened: Opened, id_: str, *, now: int) -> None:
    """End a link that was passed on from this one. Raises Missing for any other."""
    with house.database.write() as connection:
        row = shares.by_id(connection, id_)
        if row is None or row.parent != opened.id:
            raise Missing("there is no such link here")
        if shares.mark(connection, id_, "revoked", now=now):
            detail = "link ended by the holder of the first one"
            house.auditor.append(connection, opening.event(opened, "delete", detail))


def not_me(house: House, opened: Opened, *, now: int) -> None:
    """Freeze the link for everybody who has it, and put it before a person of the staff."""
    with house.database.write() as connection:
        if not shares.mark(connection, opened.id, "frozen", now=now):
            return
        site = house.site(connection, opened.grant.organisation, now)
        evidence = {
            "rule": "who opened the link says: this is not me",
            "link": opened.id,
            "patient": opened.patient,
        }
        patients.add_review(connection, site, "link", opened.id, "", evidence, now)
        owing.owe_doubt(house, connection, opened.grant.organisation, opened.id, now)
        house.auditor.append(connection, opening.event(opened, "update", "this is not me"))


def log(house: House, opened: Opened) -> list[Used]:
    """Who used the link and those passed on from it, for its holder, the newest first."""
    opening.own(opened)
    with house.database.read() as connection:
        labels = {row.id: row.label for row in shares.children(connection, opened.id)}
        rows = _events(house, connection, opened, [opened.id, *labels])
    found = (
        Used(row.at, _word(row), row.grant in labels, labels.get(row.grant, "")) for row in rows
    )
    return list(_collapsed(one for one in found if one.what))


def _collapsed(found: Iterable[Used]) -> Iterator[Used]:
    """What goes on for a while is one line: a page and each of its pictures are events of their own."""
    before = None
    for one in found:
        goes_on = before is not None and before.at - one.at < WINDOW and one.what in _LOOKING
        if not (before and goes_on and (one.what, one.label) == (before.what, before.label)):
            yield one
        before = one


def _events(
    house: House, connection: Connection, opened: Opened, ids: Sequence[str]
) -> Sequence[Any]:
    owner = opened.grant.organisation
    person = house.auditor.person(connection, owner, opened.patient)
    return shares.log(connection, owner, person, ids)


_LOOKING = ("pictures", "report", "download")
_DETAILS = {"pictures": "pictures", "report": "report", "download": "download"}


def _word(row: Any) -> str:
    """What an event is to a holder; "" for what only closes another, or is asked by a page."""
    if row.action == "login":
        return "login" if row.outcome == "0" else "login.wrong"
    if row.action == "read":
        return {"link": _DETAILS.get(row.detail, ""), "fhir": "report"}.get(row.door, "pictures")
    if row.detail == "this is not me":
        return "freeze"
    return row.action if row.action in ("create", "update", "delete", "refuse") else ""
