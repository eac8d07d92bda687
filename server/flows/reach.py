"""What a DICOM address means to a caller: its study behind the gate, and the events it leaves."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from server.errors import Denied, Fault, Gone, Missing
from server.flows import access, release
from server.flows.access import Grant
from server.flows.audit import Event
from server.store import index


def claims(connection: Connection, grant: Grant, uid: str) -> Sequence[Any]:
    """The claims to a study UID that the grant reaches, the first one first.

    Missing when there is none, Denied when all are another patient's.
    """
    rows, refusals = [], list[Fault]()
    for row in index.claims(connection, grant.organisation, uid):
        try:
            access.check(
                grant,
                organisation=row.organisation,
                filed_under=row.filed_under,
                hidden=row.held,
                study=uid,
            )
            access.shows_pictures(connection, grant, row)
            rows.append(row)
        except (Missing, Denied) as refusal:
            refusals.append(refusal)
    if not rows:
        raise refusals[0] if refusals else Missing("there is no such study here")
    return rows


def shown(connection: Connection, grant: Grant, claim: Any, rows: Sequence[Any]) -> Sequence[Any]:
    """Of instances of a study those that the caller may see: pictures, and documents as released.

    Missing when none is left, Gone when the one document that was asked for was withdrawn.
    """
    if grant.sees_held or not any(release.is_document(row.sop_class) for row in rows):
        return rows
    withheld = release.withheld(connection, grant, claim)
    left = [row for row in rows if row.uid not in withheld]
    if not left and release.was_withdrawn(connection, claim, rows[0].uid):
        raise Gone("this document was withdrawn")
    if not left:
        raise Missing("there is nothing here that is released")
    return left


def event(grant: Grant, action: str, **more: Any) -> Event:
    """An audit event of a DICOM door. What a patient's grant does is about that patient."""
    if len(grant.patients) == 1 and not grant.everyone:
        more.setdefault("patient", next(iter(grant.patients)))
    return Event(
        organisation=grant.organisation,
        door="dimse" if grant.context == "peer" else "dicomweb",
        action=action,
        grant=grant.id,
        client=grant.client,
        purpose=grant.purpose,
        address=grant.address,
        **more,
    )
