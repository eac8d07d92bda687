"""Reading FHIR resources: the current version, one version, the history; each behind the gate."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from fhir.search_params import only
from server.errors import BadMethod, Gone, Missing
from server.flows import access, contents, release
from server.flows.access import Grant
from server.flows.audit import Event, Reading
from server.flows.contents import Content
from server.flows.sites import House
from server.store import index, resources

SEARCHED = (
    *("Patient", "ImagingStudy", "ServiceRequest", "DiagnosticReport", "Observation"),
    *("DocumentReference", "Encounter", "Provenance", "Practitioner", "Organization", "Endpoint"),
)
# What searches, chains and includes know of; a type that is not served does not exist for them.
TABLE = only(SEARCHED)
# Read by those who were given their address by one of the others.
READ_ONLY = ("Binary", "RelatedPerson")
TYPES = (*SEARCHED, *READ_ONLY)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource as it is served. `updated` is in microseconds UTC.

    `content` are the bytes of a Binary, which its text does not hold.
    """

    type: str
    id: str
    version: int
    updated: int
    text: str
    method: str = ""
    content: Content | None = None


def served(resource_type: str) -> str:
    """The type itself, or Missing when it is not served here."""
    if resource_type not in TYPES:
        raise Missing(f"{resource_type} is not served here: see /fhir/metadata for what is")
    return resource_type


def searched(resource_type: str) -> str:
    """The type itself, or an error when it is not searched here."""
    if resource_type in READ_ONLY:
        raise BadMethod(f"{resource_type} is read by its address here, and not searched")
    return served(resource_type)


def read(house: House, grant: Grant, resource_type: str, id_: str) -> tuple[Version, Reading]:
    """The current version. Missing when unknown, Denied when another patient's.

    The Reading that comes with it counts what is sent: the caller ends it.
    """
    with house.database.read() as connection:
        row, study = _reached(connection, grant, resource_type, id_)
        content = _content(house, connection, row)
        unseen = release.unseen(connection, grant, [row])
    if row.deleted:
        raise Gone("this resource was deleted")
    text = release.shown(grant, row.type, row.text, unseen)
    version = Version(row.type, row.id, row.version, row.updated, text, content=content)
    return version, _cover(house, grant, row, study)


def vread(
    house: House, grant: Grant, resource_type: str, id_: str, version: int
) -> tuple[Version, Reading]:
    """One version of a resource that the grant reaches now, and reached then."""
    with house.database.read() as connection:
        row, study = _reached(connection, grant, resource_type, id_)
        which = (connection, grant.organisation, row.type, id_)
        found = resources.version_row(*which, version, access.versions(grant, row.type))
        unseen = release.unseen(connection, grant, [row])
        content = _content(house, connection, row)
    if found is None:
        raise Missing("this resource has no such version")
    if found.method == "DELETE":
        raise Gone("this version is the deletion of the resource")
    return replace(_version(grant, found, unseen), content=content), _cover(
        house, grant, row, study
    )


def _content(house: House, connection: Connection, row: Any) -> Content | None:
    """The bytes of a Binary: the same in each of its versions."""
    if row.type != "Binary":
        return None
    return contents.find(house, connection, row.organisation, row.id)


@dataclass(frozen=True, slots=True)
class History:
    """A page of versions, the newest first, and one more if there are more.

    `total` says how many there are in all pages, `newest` what the latest is numbered.
    """

    versions: Sequence[Version]
    total: int
    newest: int


def history(
    house: House, grant: Grant, resource_type: str, id_: str, *, since: int, before: int, count: int
) -> tuple[History, Reading]:
    """Versions below `before` that were written at `since` or later, as far as the grant reaches."""
    with house.database.read() as connection:
        row, study = _reached(connection, grant, resource_type, id_)
        which = (connection, grant.organisation, row.type, id_, access.versions(grant, row.type))
        found = resources.history(*which, since=since, before=before, count=count + 1)
        total = resources.count_versions(*which, since=since)
        unseen = release.unseen(connection, grant, [row])
    page = History([_version(grant, one, unseen) for one in found], total, row.version)
    return page, _cover(house, grant, row, study)


def _reached(connection: Any, grant: Grant, resource_type: str, id_: str) -> tuple[Any, str]:
    """A row behind the gate, and the UID of the study that it describes, for the audit."""
    row = resources.current(connection, grant.organisation, served(resource_type), id_)
    if row is None:
        raise Missing("there is no such resource here")
    release.tell(connection, grant, row)
    access.reaches(connection, grant, row)
    release.check(grant, row.type, row.text)
    if row.type != "ImagingStudy":
        return row, ""
    return row, index.uid_of(connection, grant.organisation, row.id)


def _version(grant: Grant, row: Any, unseen: Container[str]) -> Version:
    text = release.shown(grant, row.type, row.text, unseen)
    return Version(row.type, row.id, row.version, row.updated, text, row.method)


def _cover(house: House, grant: Grant, row: Any, study: str = "") -> Reading:
    """Cover the read by an open event, durable before the answer leaves."""
    return house.auditor.reading(
        Event(
            organisation=grant.organisation,
            door="fhir",
            action="read",
            grant=grant.id,
            client=grant.client,
            patient=row.filed_under,
            study=study,
            purpose=grant.purpose,
            address=grant.address,
        )
    )
