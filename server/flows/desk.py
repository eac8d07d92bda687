"""The desk of a hospital: who sits there, what that person reaches, and that each look is recorded.

A grant of the desk reaches everyone of one organisation, and is good for the desk's own pages only:
it never becomes a token. A privacy officer reaches whose record it is, not what is in it.
"""

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from fhir import scopes
from server import clock
from server.flows import access
from server.flows.access import Grant
from server.flows.actors import DESK
from server.flows.audit import Event, Reading
from server.flows.patients import Site
from server.flows.sites import House

OPERATOR, PRIVACY = "operator", "privacy"
STAFF = (OPERATOR, PRIVACY)
_SCOPES = {
    OPERATOR: "user/Patient.rs user/ImagingStudy.rs user/DiagnosticReport.rs user/ServiceRequest.rs",
    PRIVACY: "user/Patient.rs",
}


def seat(grant: Grant, *roles: str) -> Grant:
    """What somebody who is signed in reaches at the desk. Raises Denied for another role.

    `client` is the account, so that the audit names a person.
    """
    access.in_role(grant, *(roles or STAFF))
    granted, _ = scopes.split(_SCOPES[grant.role])
    return replace(
        grant, client=grant.account, scopes=granted, everyone=True, staff=True, purpose="HOPERAT"
    )


def site(house: House, grant: Grant) -> Site:
    """The organisation whose desk this is."""
    with house.database.read() as connection:
        return house.site(connection, grant.organisation, clock.now())


def zone(house: House, grant: Grant) -> ZoneInfo:
    """The zone in which the desk tells times; UTC where the organisation has none."""
    return ZoneInfo(site(house, grant).mapping.zone or "UTC")


def readings(house: House, grant: Grant, what: str, patients: Sequence[str]) -> list[Reading]:
    """Cover a page of the desk: an open event for each patient whom it shows, or one for a page that
    shows none. All are on disk when this returns; the caller counts on the first and ends each.
    """
    return [
        house.auditor.reading(_event(grant, what, patient))
        for patient in dict.fromkeys(patients or ("",))
    ]


def _event(grant: Grant, what: str, patient: str) -> Event:
    return Event(
        organisation=grant.organisation,
        door=DESK,
        action="read",
        grant=grant.id,
        client=grant.client,
        patient=patient,
        purpose=grant.purpose,
        address=grant.address,
        detail=what,
    )
