"""Several contents under one SOP Instance UID: which of them is shown."""

from typing import Any

from sqlalchemy import Connection, select, update

from server.store.index import StudyKey
from server.store.tables import instance, instance_json, study

_ASIDE = 32_000  # a number that no copy has


def swap(
    connection: Connection, organisation: int, uid: str, copy: int, now: int
) -> StudyKey | None:
    """Show another content in place of the visible one, which takes its number.

    None, and nothing done, unless both are of one series.
    """
    columns = (instance.c.study, instance.c.claim, instance.c.series, instance.c.copy)
    where = (instance.c.organisation == organisation, instance.c.uid == uid)
    query = select(*columns).where(*where, instance.c.copy.in_([0, copy]))
    rows = connection.execute(query).fetchall()
    if len(rows) != 2 or rows[0][:3] != rows[1][:3]:
        return None
    for table in (instance, instance_json):
        for old, new in ((0, _ASIDE), (copy, 0), (_ASIDE, copy)):
            _renumber(connection, table, organisation, uid, old, new)
    key = StudyKey(organisation, rows[0].study, rows[0].claim)
    mine = (study.c.organisation == organisation) & (study.c.uid == key.uid)
    connection.execute(update(study).where(mine & (study.c.claim == key.claim)).values(changed=now))
    return key


def _renumber(
    connection: Connection, table: Any, organisation: int, uid: str, old: int, new: int
) -> None:
    where = (table.c.organisation == organisation) & (table.c.uid == uid) & (table.c.copy == old)
    connection.execute(update(table).where(where).values(copy=new))
