"""Rows of identity: which record bears a number, what became part of what.

A record that became part of another names it, and only it: of a chain each link stands on its own, so
that one can be taken out again whatever came before or after it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from server.clock import row_id
from server.store.hl7_tables import identity_join
from server.store.index import StudyKey
from server.store.jobs import insert_for
from server.store.prepared import Prepared, given
from server.store.tables import patient, patient_number, study

# An unissued record was JOINED: its Patient is gone. A merged one is RETIRED: it can still be read.
ACTIVE, JOINED, RETIRED = "active", "joined", "retired"
UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Joining:
    """What becomes part of what, and why. `before` is what undoing it has to bring back."""

    patient: str
    heir: str
    rule: str
    message: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)


_ABOVE = Prepared(select(patient.c.replaced_by).where(given(patient, "organisation", "id")))
# Without an order: SQLite would walk all patients in it, to save itself a sort of a few.
_BELOW = Prepared(
    select(patient.c.id).where(
        patient.c.organisation == bindparam("organisation"),
        patient.c.replaced_by == bindparam("heir"),
    )
)


def lineage(connection: Connection, organisation: int, id_: str) -> list[str]:
    """A record, what it has become part of, and so on: the last one stands for all."""
    found = [id_]
    while True:
        row = _ABOVE.row(connection, {"organisation": organisation, "id": found[-1]})
        if row is None or not row.replaced_by or row.replaced_by in found:
            return found
        found.append(row.replaced_by)


def heir(connection: Connection, organisation: int, id_: str) -> str:
    """The record that a record has become part of, or the record itself."""
    return lineage(connection, organisation, id_)[-1]


def shown_by(connection: Connection, organisation: int, id_: str) -> str:
    """The record whose Patient tells of the person of a record: a joined one has none itself."""
    for one in lineage(connection, organisation, id_):
        query = select(patient.c.state).where(
            patient.c.organisation == organisation, patient.c.id == one
        )
        if connection.execute(query).scalar() != JOINED:
            return one
    return id_


def parts_of(connection: Connection, organisation: int, id_: str) -> list[str]:
    """The records that have become part of a record, and those that had become part of them."""
    found, waiting = list[str](), [id_]
    while waiting:
        rows = _BELOW.rows(connection, {"organisation": organisation, "heir": waiting.pop()})
        for one in sorted(row.id for row in rows):
            if one not in found and one != id_:
                found.append(one)
                waiting.append(one)
    return found


def bearer(connection: Connection, organisation: int, system: str, value: str) -> str:
    """The record that a number names, whatever became of it; "" when it names none."""
    query = select(patient_number.c.patient).where(
        patient_number.c.organisation == organisation,
        patient_number.c.system == system,
        patient_number.c.value == value,
    )
    return connection.execute(query).scalar() or ""


def bind(
    connection: Connection,
    organisation: int,
    system: str,
    value: str,
    id_: str,
    *,
    rule: str,
    now: int,
) -> None:
    """Let a number name a record, unless it names one already."""
    row = insert_for(connection.dialect.name, patient_number).values(
        organisation=organisation, system=system, value=value, patient=id_, rule=rule, created=now
    )
    connection.execute(row.on_conflict_do_nothing())


def bearing(connection: Connection, organisation: int, ids: Iterable[str], value: str) -> list[str]:
    """Which of these records are named by a number of this value, of whatever system."""
    query = select(patient_number.c.patient).where(
        patient_number.c.organisation == organisation,
        patient_number.c.patient.in_(list(ids)),
        patient_number.c.value == value,
    )
    return sorted(set(connection.execute(query).scalars()))


def told_by(connection: Connection, organisation: int, id_: str, feed: str) -> bool:
    """Whether a record's facts are the word of this feed."""
    query = select(patient.c.told_by).where(*_is(organisation, id_))
    return connection.execute(query).scalar() == feed


def set_facts(connection: Connection, organisation: int, id_: str, facts: str, **more: str) -> None:
    """Keep what is said of the person of a record, and `told_by` which feed, if that counts."""
    statement = update(patient).where(*_is(organisation, id_))
    connection.execute(statement.values(facts=facts, born=born(facts), **more))


def born(facts: str) -> int:
    """The birth date that facts tell as a number, YYYYMMDD, 0 if they do not tell the day."""
    said = str(json.loads(facts).get("birth_date", ""))
    return int(said) if len(said) == 8 and said.isascii() and said.isdigit() else 0


def _is(organisation: int, id_: str) -> tuple[ColumnElement[bool], ...]:
    return patient.c.organisation == organisation, patient.c.id == id_


def join(
    connection: Connection, organisation: int, joining: Joining, state: str, *, now: int
) -> None:
    """Let a record become part of another. This one row is what every reader goes by.

    `filed_under` of what belongs to it stays, so that no grant gains by it.
    """
    values = {"state": state, "replaced_by": joining.heir}
    connection.execute(update(patient).where(*_is(organisation, joining.patient)).values(values))
    connection.execute(
        insert(identity_join).values(
            organisation=organisation,
            id=row_id(now),
            patient=joining.patient,
            heir=joining.heir,
            rule=joining.rule,
            message=joining.message,
            evidence=json.dumps(joining.evidence, ensure_ascii=False),
            before=json.dumps(joining.before),
            numbers="[]",
            state=state,
            created=now,
        )
    )


def part(connection: Connection, organisation: int, id_: str, *, now: int) -> Any:
    """Let a record stand for itself again; gives the row that said what it was part of, or None."""
    found = current_join(connection, organisation, id_)
    if found is not None:
        values = {"state": ACTIVE, "replaced_by": ""}
        connection.execute(update(patient).where(*_is(organisation, id_)).values(values))
        _change(connection, organisation, found.id, state=UNDONE, ended=now)
    return found


def current_join(connection: Connection, organisation: int, id_: str) -> Any:
    """The row that says what a record is part of, None if it stands for itself."""
    query = select(identity_join).where(
        identity_join.c.organisation == organisation,
        identity_join.c.patient == id_,
        identity_join.c.state != UNDONE,
    )
    return connection.execute(query).one_or_none()


def last_message(connection: Connection, organisation: int, id_: str) -> int:
    """The message that last made a record part of another, 0 if none did."""
    query = select(identity_join.c.message).where(
        identity_join.c.organisation == organisation, identity_join.c.patient == id_
    )
    return int(connection.execute(query.order_by(identity_join.c.id.desc())).scalar() or 0)


def merged_into(connection: Connection, organisation: int, id_: str) -> Sequence[Any]:
    """The rows of what was merged into a record itself, in a fixed order."""
    query = select(identity_join).where(
        identity_join.c.organisation == organisation,
        identity_join.c.heir == id_,
        identity_join.c.state == RETIRED,
    )
    return connection.execute(query.order_by(identity_join.c.patient)).fetchall()


def set_numbers(connection: Connection, organisation: int, id_: int, numbers: Any) -> None:
    """Write down which numbers a merge lends to the survivor."""
    _change(connection, organisation, id_, numbers=json.dumps(numbers, ensure_ascii=False))


def was_undone(
    connection: Connection, organisation: int, id_: str, into: str, message: int = 0
) -> bool:
    """Whether two records were joined once and parted again; by this message, if one is given."""
    query = select(identity_join.c.id).where(
        identity_join.c.organisation == organisation,
        identity_join.c.patient == id_,
        identity_join.c.heir == into,
        identity_join.c.state == UNDONE,
    )
    if message:
        query = query.where(identity_join.c.message == message)
    return connection.execute(query.limit(1)).first() is not None


def _change(connection: Connection, organisation: int, id_: int, **values: Any) -> None:
    where = and_(identity_join.c.organisation == organisation, identity_join.c.id == id_)
    connection.execute(update(identity_join).where(where).values(**values))


def studies_under(
    connection: Connection, organisation: int, record: str, after: tuple[str, int], limit: int
) -> Sequence[Any]:
    """Studies that came in under a record, by UID and claim, behind a place."""
    query = select(study.c.uid, study.c.claim).where(
        study.c.organisation == organisation,
        study.c.filed_under == record,
        tuple_(study.c.uid, study.c.claim) > tuple_(*after),
    )
    return connection.execute(query.order_by(study.c.uid, study.c.claim).limit(limit)).fetchall()


def set_subject(connection: Connection, key: StudyKey, subject: str) -> None:
    """Let a study show a record as its patient."""
    where = and_(
        study.c.organisation == key.organisation,
        study.c.uid == key.uid,
        study.c.claim == key.claim,
    )
    connection.execute(update(study).where(where).values(subject=subject))


def journal(connection: Connection, organisation: int, ids: Sequence[str]) -> Sequence[Any]:
    """Every row that tells of one of these records becoming part of another, the newest first."""
    rows = {
        row.id: row
        for side in (identity_join.c.patient, identity_join.c.heir)
        for row in connection.execute(
            select(identity_join).where(
                identity_join.c.organisation == organisation, side.in_(list(ids))
            )
        )
    }
    return [rows[id_] for id_ in sorted(rows, reverse=True)]


def numbers_of(connection: Connection, organisation: int, ids: Sequence[str]) -> Sequence[Any]:
    """The numbers that name these records, with the rule that bound each."""
    query = select(patient_number).where(
        patient_number.c.organisation == organisation, patient_number.c.patient.in_(list(ids))
    )
    return sorted(connection.execute(query), key=lambda row: row.created)
