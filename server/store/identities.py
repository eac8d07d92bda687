"""Rows of identity: which record bears a number, what became part of what."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from server.store.hl7_tables import identity_join
from server.store.jobs import insert_for
from server.store.tables import patient, patient_number, study

JOINED = "joined"


def heir(connection: Connection, organisation: int, id_: str) -> str:
    """The record that a record has become part of, or the record itself."""
    query = select(patient.c.replaced_by).where(
        patient.c.organisation == organisation, patient.c.id == id_
    )
    return connection.execute(query).scalar() or id_


def bearer(connection: Connection, organisation: int, system: str, value: str) -> str:
    """The record that a number names now, "" when none does."""
    query = select(patient_number.c.patient).where(
        patient_number.c.organisation == organisation,
        patient_number.c.system == system,
        patient_number.c.value == value,
    )
    found = connection.execute(query).scalar()
    return heir(connection, organisation, found) if found else ""


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


def values_of(connection: Connection, organisation: int, id_: str) -> set[str]:
    """The bare values of the numbers that name a record."""
    query = select(patient_number.c.value).where(
        patient_number.c.organisation == organisation, patient_number.c.patient == id_
    )
    return set(connection.execute(query).scalars())


def told_by(connection: Connection, organisation: int, id_: str, feed: str) -> bool:
    """Whether a record's facts are the word of this feed."""
    query = select(patient.c.told_by).where(
        patient.c.organisation == organisation, patient.c.id == id_
    )
    return connection.execute(query).scalar() == feed


def set_facts(
    connection: Connection, organisation: int, id_: str, facts: str, *, told_by: str
) -> None:
    """Keep what a feed says of the person of a record."""
    where = (patient.c.organisation == organisation) & (patient.c.id == id_)
    connection.execute(update(patient).where(where).values(facts=facts, told_by=told_by))


def join(
    connection: Connection,
    organisation: int,
    id_: str,
    into: str,
    *,
    rule: str,
    evidence: dict[str, Any],
    now: int,
) -> list[tuple[str, int]]:
    """Let a record become part of another: its studies show the other as their patient.

    What moves is written down; `filed_under` stays, so that no grant gains by it. Gives the
    studies that moved.
    """
    mine = (study.c.organisation == organisation) & (study.c.subject == id_)
    moved = [(row.uid, row.claim) for row in _studies(connection, mine)]
    connection.execute(update(study).where(mine).values(subject=into))
    record = (patient.c.organisation == organisation) & (patient.c.id == id_)
    connection.execute(update(patient).where(record).values(state=JOINED, replaced_by=into))
    connection.execute(
        insert(identity_join).values(
            organisation=organisation,
            patient=id_,
            heir=into,
            rule=rule,
            evidence=json.dumps(evidence, ensure_ascii=False),
            moved=json.dumps(moved),
            created=now,
        )
    )
    return moved


def _studies(connection: Connection, mine: Any) -> Sequence[Any]:
    query = select(study.c.uid, study.c.claim).where(mine)
    return connection.execute(query.order_by(study.c.uid, study.c.claim)).fetchall()


def parts_of(connection: Connection, organisation: int, id_: str) -> list[str]:
    """The records that have become part of a record."""
    query = select(patient.c.id).where(
        patient.c.organisation == organisation,
        patient.c.replaced_by == id_,
        patient.c.state == JOINED,
    )
    return list(connection.execute(query.order_by(patient.c.id)).scalars())
