"""One patient as the desk sees it: who it is, what was joined to the record, and why.

It tells that there are reports and pictures, never what is in them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fhir import wire
from server.errors import Missing
from server.flows import access, curating, joining, reunion
from server.flows.access import Grant
from server.flows.holding import title_of
from server.flows.roster import Line, Number, line
from server.flows.sites import House
from server.store import identities, index, links, messages, people, resources, reviews

MOST = 100
IMAGES, ORDER, REPORT = joining.IMAGES, joining.ORDER, joining.REPORT


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its person, its state, what it is part of, and by which rule numbers name it."""

    who: Line
    kind: str
    state: str
    part_of: str
    rules: tuple[tuple[Number, str, int], ...]


@dataclass(frozen=True, slots=True)
class Join:
    """One record that became part of another, or was parted again; `item` is its review item."""

    patient: str
    heir: str
    rule: str
    message: int
    reason: str
    made: int
    ended: int
    item: str


@dataclass(frozen=True, slots=True)
class Why:
    """What something is joined with, the kind of key that says so, and its value."""

    to: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Study:
    """A study of the patient. `held` is hidden from the patient, `unconfirmed` in question."""

    uid: str
    id: str
    record: str
    date: str
    description: str
    modalities: tuple[str, ...]
    accession: str
    instances: int
    arrived: int
    held: bool
    unconfirmed: bool
    why: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """One version of a report: when, why, and the message that brought it (0: none)."""

    version: int
    at: int
    why: str
    message: int


@dataclass(frozen=True, slots=True)
class Report:
    """A report of the patient; `held` is not for the patient (yet)."""

    id: str
    title: str
    status: str
    issued: str
    held: bool
    versions: tuple[Written, ...]
    why: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """An order, with the numbers that name it."""

    id: str
    title: str
    status: str
    when: str
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """All that the desk shows of a patient."""

    record: Record
    parts: tuple[Record, ...]
    joins: tuple[Join, ...]
    studies: tuple[Study, ...]
    reports: tuple[Report, ...]
    orders: tuple[Order, ...]

    @property
    def cut(self) -> bool:
        """Whether there may be more than is shown."""
        return MOST in (len(self.studies), len(self.reports), len(self.orders))


def record(house: House, grant: Grant, id_: str) -> Record:
    """Who a record is of. Raises Missing."""
    with house.database.read() as connection:
        return seen(connection, grant, id_)


def of(house: House, grant: Grant, id_: str) -> Chart:
    """The chart of a patient. Raises Missing for one whom this organisation does not have."""
    access.may(grant, IMAGES, "r")
    with house.database.read() as connection:
        own = seen(connection, grant, id_)
        parts = identities.parts_of(connection, grant.organisation, id_)
        records = [id_, *parts]
        rows = index.studies_of(connection, grant.organisation, records, MOST)
        reports = _newest(connection, grant, REPORT, records)
        orders = _newest(connection, grant, ORDER, records)
        start = [(IMAGES, row.id) for row in rows]
        start += [(row.type, row.id) for row in (*reports, *orders)]
        why = _joined(connection, grant, start)
        return Chart(
            own,
            tuple(seen(connection, grant, one) for one in parts),
            tuple(_joins(connection, grant, records)),
            tuple(_study(row, why.get(f"{IMAGES}/{row.id}", ())) for row in rows),
            tuple(_report(connection, grant, row, why) for row in reports),
            tuple(_order(connection, grant, row) for row in orders),
        )


def seen(connection: Connection, grant: Grant, id_: str) -> Record:
    """Who a record is of, behind the gate. Raises Missing."""
    row = people.patient_row(connection, grant.organisation, id_)
    if row is None:
        raise Missing("there is no such patient here")
    access.check(grant, organisation=row.organisation, filed_under=row.id, hidden=False, study="")
    rules = identities.numbers_of(connection, grant.organisation, [id_])
    return Record(
        _who(connection, grant, row),
        row.kind,
        row.state,
        row.replaced_by,
        tuple((Number(one.system, one.value), one.rule, one.created) for one in rules),
    )


def _who(connection: Connection, grant: Grant, row: Any) -> Line:
    """The person of a record, by its Patient; of one that was joined, by its last one."""
    current = resources.current(connection, grant.organisation, "Patient", row.id)
    if current is None:
        return Line(row.id, row.id, "", "", (), row.state == identities.ACTIVE)
    text = current.text
    return line(wire.read(text))


def _newest(connection: Connection, grant: Grant, type_: str, records: Sequence[str]) -> Any:
    access.may(grant, type_, "r")
    return resources.newest_of(connection, grant.organisation, type_, records, MOST)


def _joined(
    connection: Connection, grant: Grant, start: Sequence[tuple[str, str]]
) -> Mapping[str, tuple[Why, ...]]:
    """By reference: what each thing is joined with, and by which number."""
    found: dict[str, tuple[Why, ...]] = {}
    for one, other, kind in joining.explained(connection, grant.organisation, start):
        for mine, to in ((one, other), (other, one)):
            keys = links.of(connection, grant.organisation, *_pair(mine))
            value = next((key.value for key in sorted(keys) if key.kind == kind), "")
            found[mine] = (*found.get(mine, ()), Why(to, kind, value))
    return found


def _pair(reference: str) -> tuple[str, str]:
    type_, _, id_ = reference.partition("/")
    return type_, id_


def _joins(connection: Connection, grant: Grant, records: Sequence[str]) -> list[Join]:
    rows = identities.journal(connection, grant.organisation, records)
    return [
        Join(
            row.patient,
            row.heir,
            row.rule,
            row.message,
            _told(json.loads(row.evidence)),
            row.created,
            row.ended,
            _item(row),
        )
        for row in rows
    ]


def _told(evidence: Mapping[str, Any]) -> str:
    """The evidence of a join in a line: an operator's reason, else what the rule went by."""
    return evidence.get("reason") or ", ".join(f"{name} {said}" for name, said in evidence.items())


def _item(row: Any) -> str:
    """The review item by which a join that the server made itself is refused."""
    if row.rule != reunion.RULE:
        return ""
    return reviews.id_of(reunion.KIND, reunion.key_of(row.patient, row.heir))


def _study(row: Any, why: Sequence[Why]) -> Study:
    return Study(
        row.uid,
        row.id,
        row.filed_under,
        row.date,
        row.description,
        tuple(filter(None, row.modalities.split(","))),
        row.accession,
        row.instances,
        row.arrived,
        bool(row.held),
        bool(row.unconfirmed),
        tuple(why),
    )


def _report(
    connection: Connection, grant: Grant, row: Any, why: Mapping[str, tuple[Why, ...]]
) -> Report:
    body = wire.read(row.text)
    wrote = {
        one.version: one.message
        for one in messages.writers(connection, grant.organisation, REPORT, row.id)
    }
    versions = resources.versions(connection, grant.organisation, REPORT, row.id)
    return Report(
        row.id,
        title_of(body),
        body["status"],
        body.get("issued") or body.get("effectiveDateTime", ""),
        bool(row.hidden),
        tuple(
            Written(one.version, one.updated, one.reason, wrote.get(one.version, 0))
            for one in versions
        ),
        why.get(f"{REPORT}/{row.id}", ()),
    )


def _order(connection: Connection, grant: Grant, row: Any) -> Order:
    body = wire.read(row.text)
    keys = links.of(connection, grant.organisation, ORDER, row.id)
    told = dict.fromkeys(key.value for key in sorted(keys) if key.kind != links.STUDY)
    return Order(row.id, title_of(body), body["status"], body.get("authoredOn", ""), tuple(told))


def named(house: House, grant: Grant, text: str) -> Record:
    """The record of an id, or of a number as system|value. Raises Missing."""
    with house.database.read() as connection:
        return seen(connection, grant, curating.record(connection, grant.organisation, text))
