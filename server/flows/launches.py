"""EHR launches: an app starts for a patient whom the EHR has open (SMART App Launch 2.2)."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from sqlalchemy import Connection

from server.errors import Denied, Invalid, Missing
from server.flows import accounts, clients, grants, parties
from server.flows.audit import Event
from server.flows.clients import Client, from_row
from server.flows.sites import House, address
from server.store import approvals, people, resources

LIFETIME = 600
_SECOND = 1_000_000
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A launch that is to be made. `context` are further references, such as ImagingStudy/….

    `ehr_banner` says that the EHR shows whose record is open, around the app.
    """

    client: str
    patient: str
    encounter: str = ""
    user: str = ""
    context: Sequence[str] = ()
    ehr_banner: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """What to open in a browser, and the value by itself."""

    url: str
    value: str


def make(house: House, wanted: Wanted, *, by: Client | None = None, now: int) -> Launch:
    """Prepare a launch that one app can use once, within ten minutes.

    `by` is the client that asks for it over the network, and needs the scope `launch`; the command
    has none. Raises Invalid, Missing, Denied.
    """
    if by is not None and "launch" not in by.scope.split():
        raise Denied("this client may not launch apps: its scopes lack `launch`")
    value = grants.draw()
    iss = address(house) + "/fhir"
    with house.database.write() as connection:
        app = _app(connection, wanted.client)
        if by is not None and by.organisation != app.organisation:
            raise Missing("there is no such app")
        owner = app.organisation
        patient = parties.patient(connection, owner, wanted.patient)
        user = accounts.by_name(connection, owner, wanted.user).id if wanted.user else ""
        vouched = bool(user) and (by is None or _vouches(connection, by, patient))
        encounter = wanted.encounter.removeprefix("Encounter/")
        for reference in (*([f"Encounter/{encounter}"] if encounter else []), *wanted.context):
            _check_of(connection, owner, reference, patient)
        approvals.add_launch(
            connection,
            {
                "hash": grants.digest(value),
                "organisation": owner,
                "client": app.id,
                "patient": patient,
                "encounter": encounter,
                "account": user,
                "context": json.dumps([{"reference": one} for one in wanted.context]),
                "ehr_banner": wanted.ehr_banner,
                "ehr": by.id if by else "",
                "vouched": vouched,
                "expires": now + LIFETIME * _SECOND,
            },
        )
        house.auditor.append(connection, _event(owner, app, patient, by))
    at = address(house) if app.kind == clients.VIEWER else ""
    return Launch(_url(at + app.launch_uri, iss, value), value)


def _vouches(connection: Connection, by: Client, patient: str) -> bool:
    """Whether an EHR's word that somebody is signed in counts: for whom it reaches itself."""
    if "vouch" not in by.scope.split():
        return False
    reach = grants.reach(connection, by)
    if not reach.everyone and patient not in reach.patients:
        raise Missing("there is no such Patient")
    return True


def shown_in(house: House, launch: Any) -> Sequence[str]:
    """The origins whose pages may show ours in a frame during a launch: those of its EHR."""
    return frames_of(house, launch.ehr) if launch is not None else ()


def frames_of(house: House, ehr: str) -> Sequence[str]:
    """The origins of an EHR, none for one that is retired."""
    client = clients.find(house, ehr) if ehr else None
    return client.frame_origins if client is not None else ()


def _app(connection: Connection, id_: str) -> Client:
    row = people.client_row(connection, id_) if id_.isascii() and id_.isprintable() else None
    if row is None or row.kind == "backend":
        raise Missing("there is no such app: `client add` registers one")
    app = from_row(row)
    if not app.launch_uri:
        raise Invalid("this app has no --launch-uri: it cannot be launched")
    return app


def _check_of(connection: Connection, owner: int, reference: str, patient: str) -> None:
    """Refuse a context that is not in the patient's record."""
    match = _REFERENCE.fullmatch(reference)
    row = resources.current(connection, owner, match[1], match[2]) if match else None
    if row is None or row.deleted or row.filed_under != patient:
        raise Missing("there is no such resource in the record of this patient")


def _url(launch_uri: str, iss: str, value: str) -> str:
    parts = urlsplit(launch_uri)
    words = urlencode({"iss": iss, "launch": value})
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, words)))))


def _event(owner: int, app: Client, patient: str, by: Client | None) -> Event:
    return Event(
        owner,
        "oauth" if by else "command",
        "create",
        client=by.id if by else "cli",
        patient=patient,
        detail=f"launch of {app.id}",
    )
