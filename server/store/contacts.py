"""Where patients are reached by mail, and whether their links bring notices."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from server.store import identities, jobs
from server.store.jobs import insert_for
from server.store.prepared import Prepared, given
from server.store.share_tables import contact, share

NEWS = "news"
# Reports come in pieces: what comes within this time is told once.
_GATHERED = 60_000_000

_MAILED = Prepared(
    select(share.c.id)
    .where(given(share, "organisation", "patient"), share.c.mailed == 1)
    .where(share.c.revoked == 0, share.c.frozen == 0, share.c.expires > bindparam("now"))
)


def of(connection: Connection, owner: int, patient: str) -> Row[Any] | None:
    """Where a patient is reached, None if nobody checked an address."""
    query = select(contact).where(contact.c.organisation == owner, contact.c.patient == patient)
    return connection.execute(query).one_or_none()


def put(connection: Connection, values: dict[str, Any]) -> None:
    """Keep where a patient is reached, in place of what was known."""
    row = insert_for(connection.dialect.name, contact).values(**values)
    index = ["organisation", "patient"]
    fresh = {name: value for name, value in values.items() if name not in index}
    connection.execute(row.on_conflict_do_update(index_elements=index, set_=fresh))


def forget(connection: Connection, owner: int, patient: str) -> bool:
    """Forget where a patient is reached; false if it was not known."""
    mine = contact.c.organisation == owner, contact.c.patient == patient
    return connection.execute(delete(contact).where(*mine)).rowcount == 1


def rouse(connection: Connection, owner: int, record: str, now: int) -> None:
    """Ask for a look at a patient's links that bring notices: a report was written."""
    if not record:
        return
    patient = identities.heir(connection, owner, record)
    if mailed(connection, owner, patient, now):
        run_at = now + _GATHERED
        jobs.add(connection, owner, NEWS, patient, now=now, run_at=run_at)


def mailed(connection: Connection, owner: int, patient: str, now: int) -> Sequence[str]:
    """The links of a patient that stand and bring notices."""
    values = {"organisation": owner, "patient": patient, "now": now}
    return [row.id for row in _MAILED.rows(connection, values)]


def tell(connection: Connection, id_: str, told: int) -> bool:
    """Note up to when a link's holder was told of news; false if that had been noted."""
    fresh = update(share).where(share.c.id == id_, share.c.told < told)
    return connection.execute(fresh.values(told=told)).rowcount == 1
