"""Magic Links at the desk: what there is to share of a patient, the list of links, and one link's log."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fhir import wire
from server.errors import Conflict, Invalid
from server.flows import access, chart, links
from server.flows.access import Grant
from server.flows.actors import at_desk
from server.flows.factors import DAY, FACTORS, NAMED
from server.flows.holding import title_of
from server.flows.links import Made, Wanted
from server.flows.roster import Line
from server.flows.sites import House
from server.store import identities, shares

PAGE = 50
SPANS = ("7d", "30d", "90d", "365d")
# What the desk lets a link ask for. One for a named person is made where the person is named.
OFFERED = tuple(factor for factor in FACTORS if factor != NAMED)


@dataclass(frozen=True, slots=True)
class Shareable:
    """A study that a link may show, with the reports on it: title, and whether it is held back."""

    uid: str
    date: str
    modalities: str
    description: str
    instances: int
    arriving: bool
    reports: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A link as staff see it: no secret of it is kept."""

    id: str
    who: Line
    state: str
    studies: int
    factor: str
    created: int
    expires: int
    uses: int
    failures: int
    label: str
    parent: str

    @property
    def stands(self) -> bool:
        """Whether it can still be ended or made to live longer."""
        return self.state not in ("revoked", "frozen")


def shareable(house: House, grant: Grant, patient: str) -> tuple[Line, list[Shareable]]:
    """What a link to a patient may show now. Raises Missing, Conflict (a merged record)."""
    access.may(grant, "ImagingStudy", "r")
    owner = grant.organisation
    with house.database.read() as connection:
        record = chart.seen(connection, grant, patient)
        if record.part_of:
            raise Conflict("this record is part of another: make the link for that one")
        parts = identities.parts_of(connection, owner, patient)
        rows = shares.studies(connection, owner, [patient, *parts])
        return record.who, [_shareable(connection, owner, row) for row in rows]


def _shareable(connection: Connection, owner: int, row: Any) -> Shareable:
    reports = shares.reports_of(connection, owner, [row.id])
    return Shareable(
        row.uid,
        row.date,
        row.modalities.replace(",", "/"),
        row.description,
        row.instances,
        bool(row.settling),
        tuple((title_of(wire.read(one.text)), bool(one.hidden)) for one in reports),
    )


def fits(span: str, factor: str, age: int = 0) -> bool:
    """Whether a link that asks for a factor, and has lived so long, may live on for a span."""
    return int(span[:-1]) * DAY + age <= FACTORS[factor].longest


def make(
    house: House,
    grant: Grant,
    organisation: str,
    patient: str,
    *,
    studies: Iterable[str],
    factor: str,
    span: str,
    label: str,
    now: int,
) -> Made:
    """Make a link for somebody at the desk. Raises Invalid, Missing, Conflict."""
    access.may(grant, "ImagingStudy", "r")
    links.check_factor(factor)
    if span not in SPANS:
        raise Invalid(f"a link lives {', '.join(SPANS)}")
    chosen = frozenset(studies)
    if not chosen:
        raise Invalid("choose at least one study")
    end = links.expiry(span, factor, now)
    wanted = Wanted(patient, factor, end, chosen, organisation, label=label)
    return links.make(house, wanted, actor=at_desk(grant), now=now)


def page(
    house: House, grant: Grant, *, patient: str, before: str, now: int
) -> tuple[list[Link], str]:
    """Links of the organisation, or of one patient's records, the newest first; the next place."""
    access.in_role(grant, "operator")
    owner = grant.organisation
    with house.database.read() as connection:
        ids = []
        if patient:
            chart.seen(connection, grant, patient)
            ids = [patient, *identities.parts_of(connection, owner, patient)]
        rows = shares.page(connection, owner, ids, _place(before), PAGE + 1)
        found = [_link(connection, grant, row, now) for row in rows[:PAGE]]
    last = found[-1] if len(rows) > PAGE else None
    return found, f"{last.created}-{last.id}" if last else ""


def _place(text: str) -> tuple[int, str] | None:
    created, _, id_ = text.partition("-")
    if not text:
        return None
    if not (created.isascii() and created.isdigit() and len(created) < 19):
        raise Invalid("this is no page of ours: start again")
    return int(created), id_


def one(house: House, grant: Grant, id_: str, *, now: int) -> tuple[Link, list[dict[str, Any]]]:
    """A link and what was done with it, the newest first. Raises Missing."""
    access.in_role(grant, "operator")
    told = links.log(house, id_, owner=grant.organisation)
    with house.database.read() as connection:
        row = shares.by_id(connection, id_)
        return _link(connection, grant, row, now), told


def _link(connection: Connection, grant: Grant, row: Any, now: int) -> Link:
    return Link(
        row.id,
        chart.seen(connection, grant, row.patient).who,
        links.state(row, now),
        len(json.loads(row.studies)),
        row.factor,
        row.created,
        row.expires,
        row.uses,
        row.failures,
        row.label,
        row.parent,
    )
