"""Merging and unmerging: one row flips, both Patients tell it, and what belongs to them follows.

Reads go by that row at once. What belongs to the retired record is moved by a job (`moving`), in steps
and to wherever the row says: so a merge may be undone at any time, also half-way. `filed_under` never
changes, so no grant gains; tokens and links that name a retired record end, and do not come back.
"""

import json
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from fhir import patient_links, wire
from server.errors import Conflict
from server.flows import recalls
from server.flows.patients import Site
from server.store import identities, jobs, resources
from server.store.identities import JOINED, RETIRED, Joining
from server.store.messages import Effect
from server.store.resources import Change, Owner

Json = dict[str, Any]
MOVE = "move"
_TYPE = "Patient"


def obstacle(connection: Connection, organisation: int, retired: str, survivor: str) -> str:
    """Why two records cannot be merged, "" if nothing is in the way."""
    if retired == survivor:
        return "both numbers name the same patient"
    if retired in identities.lineage(connection, organisation, survivor):
        return "a circular merge: the survivor is itself part of the other patient"
    if identities.heir(connection, organisation, retired) != retired:
        return "the patient that is to be merged is part of another already"
    return ""


def merge(connection: Connection, site: Site, told: Joining, change: Change) -> list[Effect]:
    """Let a record be replaced by another of its domain; gives the versions of both Patients.

    Raises Conflict when something is in the way.
    """
    organisation = site.organisation
    if reason := obstacle(connection, organisation, told.patient, told.heir):
        raise Conflict(reason)
    gone = _body(connection, organisation, told.patient)
    _flip(connection, organisation, told, RETIRED, gone, change.now)
    effects = _put(connection, organisation, patient_links.retired(gone, told.heir), change)
    effects += lend(connection, site, told.patient, change)
    ask_to_move(connection, organisation, told.patient, change.now)
    return effects


def unmerge(connection: Connection, site: Site, id_: str, change: Change) -> list[Effect]:
    """Let a record stand for itself again, as if it had never been part of another.

    Raises Conflict when it is not part of another.
    """
    organisation = site.organisation
    above = identities.lineage(connection, organisation, id_)[1:]
    ended = identities.part(connection, organisation, id_, now=change.now)
    if ended is None:
        raise Conflict("this patient is not part of another")
    recalls.parted(connection, organisation, ended, change.now)
    row = resources.current(connection, organisation, _TYPE, id_)
    effects = list[Effect]()
    if row is not None:
        active = json.loads(ended.before).get("active")
        body = patient_links.revived(wire.read(row.text), active)
        effects += _put(connection, organisation, body, change)
    lent = _keys(ended.numbers)
    for one in above:
        body = shown(connection, organisation, one, _body(connection, organisation, one), lent)
        effects += _put(connection, organisation, body, change)
    ask_to_move(connection, organisation, id_, change.now)
    return effects


def shown(
    connection: Connection,
    organisation: int,
    id_: str,
    body: Json,
    also: frozenset[patient_links.Key] = frozenset(),
) -> Json:
    """A Patient with what the records that were merged into it lend it.

    `also` are numbers that were lent by one that has been taken out again.
    """
    joins = identities.merged_into(connection, organisation, id_)
    if not joins and not also:
        return body
    lent = also.union(*(_keys(one.numbers) for one in joins))
    parts = [_body(connection, organisation, one.patient) for one in joins]
    own = {patient_links.key_of(one) for one in patient_links.own_numbers(body, lent)}
    for one, part in zip(joins, parts, strict=True):
        keys = {patient_links.key_of(number) for number in part.get("identifier", [])}
        if keys - own != _keys(one.numbers):
            identities.set_numbers(connection, organisation, one.id, sorted(keys - own))
    return patient_links.surviving(body, parts, lent)


def lend(connection: Connection, site: Site, id_: str, change: Change) -> list[Effect]:
    """Let what a record is part of show its numbers as they are now."""
    effects = list[Effect]()
    for one in identities.lineage(connection, site.organisation, id_)[1:]:
        body = shown(connection, site.organisation, one, _body(connection, site.organisation, one))
        effects += _put(connection, site.organisation, body, change)
    return effects


def join_unissued(connection: Connection, site: Site, told: Joining, change: Change) -> None:
    """Let a record without an issuer become part of another; its own Patient goes, with history."""
    gone = _body(connection, site.organisation, told.patient)
    _flip(connection, site.organisation, told, JOINED, gone, change.now)
    row = resources.current(connection, site.organisation, _TYPE, told.patient)
    if row is not None and not row.deleted:
        owner = Owner(site.organisation, row.filed_under, row.hidden)
        resources.withdraw(connection, owner, wire.read(row.text), change)
    ask_to_move(connection, site.organisation, told.patient, change.now)


def _flip(
    connection: Connection, organisation: int, told: Joining, state: str, gone: Json, now: int
) -> None:
    before = {"active": gone["active"]} if "active" in gone else {}
    identities.join(connection, organisation, replace(told, before=before), state, now=now)
    recalls.end_grants(connection, organisation, told.patient, now)


def ask_to_move(connection: Connection, organisation: int, id_: str, now: int) -> None:
    """Ask for what belongs to a record to tell of whose it is by now."""
    jobs.add(connection, organisation, MOVE, id_, now=now, run_at=now)


def _keys(text: str) -> frozenset[patient_links.Key]:
    return frozenset((system, value) for system, value in json.loads(text))


def _body(connection: Connection, organisation: int, id_: str) -> Json:
    """The Patient of a record; of one that nobody has written yet only its id."""
    row = resources.current(connection, organisation, _TYPE, id_)
    return wire.read(row.text) if row is not None else {"resourceType": _TYPE, "id": id_}


def _put(connection: Connection, organisation: int, body: Json, change: Change) -> list[Effect]:
    """Write a Patient where it was filed; a joined record has none."""
    row = resources.current(connection, organisation, _TYPE, body["id"])
    if row is None:
        owner = Owner(organisation, body["id"])
    elif row.deleted and identities.current_join(connection, organisation, body["id"]) is not None:
        return []
    else:
        owner = Owner(organisation, row.filed_under, row.hidden)
    before = 0 if row is None else row.version
    version = resources.put(connection, owner, body, change)
    return [Effect(_TYPE, body["id"], version, change.reason)] if version != before else []
