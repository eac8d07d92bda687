"""Recall: what was shown as somebody else's is shown no more, and a row says what had been.

Undoing a merge tells that data was shown as another person's. In the transaction that undoes it every
grant that could show it ends, for good: tokens, their refresh tokens, and Magic Links with the browsers
that opened them. An open viewer asks every two seconds and goes blank.
"""

import json
from typing import Any

from sqlalchemy import Connection

from server.clock import instant
from server.flows import parties
from server.flows.grants import short
from server.flows.sites import House
from server.store import approvals, recalls, shares, tokens

UNMERGE = "unmerge"


def end_grants(connection: Connection, organisation: int, patient: str, now: int) -> list[str]:
    """End every grant for a record, by name or as a part of another; gives their names in the audit.

    What was allowed to apps ends with them, so that no app comes back without being allowed anew.
    Grants that reach everybody stay: they show each record as whose it is by now.
    """
    approvals.end_for(connection, organisation, patient, now=now)
    ended = [short(one) for one in tokens.end_for(connection, organisation, patient, now=now)]
    return ended + shares.end_for(connection, organisation, patient, now=now)


def parted(connection: Connection, organisation: int, joined: Any, now: int) -> None:
    """Recall what a record, which was part of another until now, has shown as the other's."""
    grants = end_grants(connection, organisation, joined.patient, now)
    values = {
        "act": UNMERGE,
        "patient": joined.patient,
        "shown_as": joined.heir,
        "message": joined.message,
        "grants": json.dumps(grants),
        "since": joined.created,
    }
    recalls.add(connection, organisation, values, now=now)


def listing(house: House, organisation: str) -> list[dict[str, Any]]:
    """The recalls of an organisation, each with what was read of both people meanwhile."""
    with house.database.read() as connection:
        owner = parties.named(connection, organisation)
        return [_told(house, connection, row) for row in recalls.listed(connection, owner)]


def _told(house: House, connection: Connection, row: Any) -> dict[str, Any]:
    people = (row.patient, row.shown_as)
    persons = [house.auditor.person(connection, row.organisation, one) for one in people]
    where = (connection, row.organisation, persons, row.since, row.created)
    return {
        "id": row.id,
        "at": instant(row.created),
        "act": row.act,
        "patient": row.patient,
        "shown_as": row.shown_as,
        "since": instant(row.since),
        "ended": json.loads(row.grants),
        "exposures": [_exposure(one) for one in recalls.exposures(*where)],
    }


def _exposure(event: Any) -> dict[str, Any]:
    names = ("door", "grant", "client", "address", "study", "count", "bytes")
    told = {name: getattr(event, name) for name in names if getattr(event, name)}
    return {"at": instant(event.at)} | told
