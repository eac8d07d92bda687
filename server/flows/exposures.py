"""Recalls as the desk lists them: whose data was shown as another's, until when, and to whom."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.flows import access, chart
from server.flows.access import Grant
from server.flows.roster import Line
from server.flows.sites import House
from server.store import recalls

PAGE = 50


@dataclass(frozen=True, slots=True)
class Recalled:
    """One recall: `who` was shown as `shown_as` from `since` to `until`; how many grants it ended."""

    id: int
    who: Line
    shown_as: Line
    since: int
    until: int
    ended: int


def page(house: House, grant: Grant, before: int) -> tuple[list[Recalled], int]:
    """Recalls, the newest first, and the place at which the next page begins (0: none)."""
    access.in_role(grant, "operator", "privacy")
    with house.database.read() as connection:
        rows = recalls.page(connection, grant.organisation, before, PAGE + 1)
        found = [_recalled(connection, grant, row) for row in rows[:PAGE]]
    return found, found[-1].id if len(rows) > PAGE else 0


def _recalled(connection: Connection, grant: Grant, row: Any) -> Recalled:
    who, shown_as = (chart.seen(connection, grant, id_).who for id_ in (row.patient, row.shown_as))
    return Recalled(row.id, who, shown_as, row.since, row.created, len(json.loads(row.grants)))
