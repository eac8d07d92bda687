"""The review queue as the desk shows it: what waits, its evidence side by side, and who decides."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from server.errors import Invalid, Missing
from server.flows import access, chart, reviewing
from server.flows.access import Grant
from server.flows.chart import Record
from server.flows.reviewing import Kind
from server.flows.sites import House
from server.store import index, people, reviews
from server.store.hl7_tables import message
from server.store.reviews import ACCEPTED, NOTED, OPEN, REFUSED, RESOLVED
from server.store.tables import job, review

STATES = (OPEN, NOTED, ACCEPTED, REFUSED, RESOLVED)
PAGE = 50
_MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a person has to decide, or did. `acts` names what may be done about it."""

    id: str
    kind: str
    state: str
    created: int
    rule: str
    acts: str
    evidence: tuple[tuple[str, str], ...]
    message: int
    study: str
    outcome: tuple[tuple[str, str], ...]

    @property
    def decided(self) -> bool:
        """Whether a person has decided it, which can be taken back."""
        return self.state in (ACCEPTED, REFUSED)

    @property
    def settled(self) -> bool:
        """Whether it has settled itself."""
        return self.state == RESOLVED


@dataclass(frozen=True, slots=True)
class Asked:
    """An item with the records that it is about, to be seen side by side."""

    item: Item
    records: tuple[Record, ...]
    studies: tuple[tuple[str, str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for somebody: items, parked jobs, held and parked messages; at most 1000 each."""

    reviews: int
    jobs: int
    held: int
    parked: int


def waiting(house: House, grant: Grant) -> Waiting:
    """What waits for somebody of the organisation."""
    access.in_role(grant, "operator")
    owner = grant.organisation
    open_ = (review.c.organisation == owner) & (review.c.state == OPEN)
    with house.database.read() as connection:
        return Waiting(
            _count(connection, review, open_),
            _count(connection, job, (job.c.state == "parked") & (job.c.organisation == owner)),
            *(
                _count(
                    connection,
                    message,
                    (message.c.organisation == owner) & (message.c.state == state),
                )
                for state in ("review", "parked")
            ),
        )


def _count(connection: Connection, table: Any, where: Any) -> int:
    """How many rows there are, counted no further than a page can use."""
    some = select(table.c.organisation).where(where).limit(_MOST_COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar() or 0


def page(
    house: House, grant: Grant, *, state: str, kind: str, after: str
) -> tuple[list[Item], str]:
    """Items of a state, the oldest first, and the place at which the next page begins."""
    access.in_role(grant, "operator", "privacy")
    if state not in STATES:
        raise Invalid(f"state is one of {', '.join(STATES)}")
    query = select(review).where(
        review.c.organisation == grant.organisation, review.c.state == state
    )
    query = query.where(review.c.kind == kind) if kind else query
    query = query.where(tuple_(review.c.created, review.c.id) > _place(after)) if after else query
    with house.database.read() as connection:
        rows = connection.execute(
            query.order_by(review.c.created, review.c.id).limit(PAGE + 1)
        ).fetchall()
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    return [_item(row) for row in rows[:PAGE]], f"{last.created}-{last.id}" if last else ""


def _place(text: str) -> Any:
    created, _, id_ = text.partition("-")
    if not (created.isascii() and created.isdigit() and len(created) < 19):
        raise Invalid("this is no page of ours: start again")
    return tuple_(int(created), id_)


def kinds() -> list[str]:
    """Every kind of item that there may be."""
    return sorted(reviewing.KINDS)


def item(house: House, grant: Grant, id_: str) -> Asked:
    """An item with its evidence. Raises Missing."""
    access.in_role(grant, "operator", "privacy")
    with house.database.read() as connection:
        row = reviews.get(connection, grant.organisation, id_)
        if row is None:
            raise Missing("there is no such item")
        evidence = json.loads(row.evidence)
        known = [
            one
            for one in _named(evidence)
            if people.patient_row(connection, grant.organisation, one) is not None
        ]
        records = tuple(chart.seen(connection, grant, one) for one in known)
        claims = index.claims(connection, grant.organisation, row.study) if row.study else ()
    told = tuple((one.subject, one.date, one.modalities, one.instances) for one in claims)
    return Asked(_item(row), records, told)


def _named(evidence: dict[str, Any]) -> Sequence[str]:
    """The records that an item is about, the one that has the number first."""
    names = [evidence.get(name, "") for name in ("patient", "apart", "became part of")]
    return list(dict.fromkeys(filter(None, [*names, *evidence.get("patients", [])])))


def _item(row: Any) -> Item:
    evidence = json.loads(row.evidence)
    kind: Kind = reviewing.kind_of(row.kind, evidence)
    outcome = json.loads(row.outcome) if row.outcome else {}
    return Item(
        row.id,
        row.kind,
        row.state,
        row.created,
        str(evidence.get("rule", "")),
        kind.name,
        tuple((name, _text(value)) for name, value in evidence.items() if name != "rule"),
        int(evidence.get("message", 0)),
        row.study,
        tuple((name, str(value)) for name, value in outcome.items()),
    )


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
