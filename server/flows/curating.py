"""What an operator does to records: merge two, and take one out again."""

from sqlalchemy import Connection

from server.errors import Invalid, Missing
from server.flows import merging, parties, provenances
from server.flows.actors import CLI, Actor
from server.flows.patients import Site
from server.flows.sites import House
from server.store import identities, people
from server.store.identities import Joining
from server.store.messages import Effect
from server.store.resources import Change

OPERATOR = "operator"


def merge(
    house: House,
    organisation: str,
    patient: str,
    into: str,
    reason: str,
    *,
    now: int,
    by: Actor = CLI,
) -> dict[str, str]:
    """Let a patient be replaced by another (ids, or system|value). Raises Invalid, Missing, Conflict."""
    _check(reason)
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        site = house.site(connection, owner, now)
        retired, survivor = (record(connection, owner, text) for text in (patient, into))
        told = Joining(retired, survivor, OPERATOR, evidence={"reason": reason})
        merge_records(house, connection, site, told, now, by)
    return {"patient": retired, "replaced_by": survivor}


def unmerge(
    house: House, organisation: str, patient: str, reason: str, *, now: int, by: Actor = CLI
) -> dict[str, str]:
    """Let a merged patient stand alone again. Raises Invalid, Missing, Conflict."""
    _check(reason)
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        site = house.site(connection, owner, now)
        retired = record(connection, owner, patient)
        above = identities.lineage(connection, owner, retired)[1:]
        part_records(house, connection, site, retired, reason, now, by)
    return {"patient": retired, "was_part_of": above[0]}


def record(connection: Connection, owner: int, text: str) -> str:
    """The id of a record, merged or not, from its id or a number as system|value. Raises Missing."""
    system, bar, value = text.rpartition("|")
    id_ = people.patient_with(connection, owner, system, value) if bar else text
    if not id_ or people.patient_row(connection, owner, id_) is None:
        raise Missing("there is no such patient: give a Patient id, or a number as system|value")
    return id_


def merge_records(
    house: House, connection: Connection, site: Site, told: Joining, now: int, by: Actor
) -> None:
    """Merge for an operator: with a Provenance in both records, and an event."""
    change = Change(now, "merged by an operator", house.config.fhir_base)
    effects = merging.merge(connection, site, told, change)
    detail = f"merge of {told.patient} into {told.heir}: {told.evidence.get('reason', '')}"
    _record(house, connection, site, effects, change, told.heir, by, detail)


def part_records(
    house: House, connection: Connection, site: Site, id_: str, reason: str, now: int, by: Actor
) -> None:
    """Take a record out of what it is part of, for an operator."""
    change = Change(now, "a merge was undone by an operator", house.config.fhir_base)
    effects = merging.unmerge(connection, site, id_, change)
    detail = f"unmerge of {id_}: {reason}"
    _record(house, connection, site, effects, change, id_, by, detail)


def _record(
    house: House,
    connection: Connection,
    site: Site,
    effects: list[Effect],
    change: Change,
    patient: str,
    by: Actor,
    detail: str,
) -> None:
    for id_ in dict.fromkeys(one.id for one in effects):
        mine = [one for one in effects if one.id == id_]
        provenances.of_server(connection, site, id_, mine, change, OPERATOR)
    house.auditor.append(connection, by.event(site.organisation, "update", detail, patient))


def _check(reason: str) -> None:
    if not reason.strip():
        raise Invalid("say why, with --reason: it is kept in the audit")
