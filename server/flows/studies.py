"""Settling: a study's ImagingStudy, Patient and Endpoint, computed whole from its stored facts.

The first instance settles a study at once; while it grows, it settles now and then; when nothing
has arrived for the settle time, it settles once more, and only that is a numbered revision.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from dicom.facts import Issuer, PatientFacts
from fhir import endpoint, imaging_study, wire
from fhir import patient as patient_body
from fhir.imaging_study import (
    ARRIVING,
    IDENTITY_NOT_CONFIRMED,
    SETTLED,
    UNIDENTIFIED,
    StudyView,
)
from fhir.patient_links import filled, says_nothing
from server import clock
from server.flows import joining, merging, papers
from server.flows.names import accession_key, request_keys
from server.flows.patients import Site, load_facts
from server.flows.seeing import Snapshot, snapshot
from server.flows.sites import House
from server.store import derived, index, jobs, links, resources
from server.store.index import StudyKey
from server.store.install import derived_id
from server.store.jobs import Job
from server.store.links import STUDY, Key
from server.store.resources import Change, Owner

_SECOND = 1_000_000
_SLOWER = 5
_REASON = "derived from DICOM instances"


def settle(house: House, job: Job) -> None:
    """The handler of `settle` jobs; the job's key is study UID | claim."""
    key = _key(job)
    now, pause = clock.now(), house.config.settle_seconds * _SECOND
    with house.database.read() as connection:
        site = house.site(connection, key.organisation, now)
        row = index.claim_row(connection, key)
        quiet = now >= row.changed + pause
        seen = snapshot(connection, key, row) if quiet or _due(row, pause, now) else None
    bodies = _bodies(site, seen, quiet, house.config.base) if seen else []
    with house.database.write() as connection:
        if seen is not None:
            change = Change(clock.now(), _REASON, house.config.fhir_base)
            _store(connection, site, seen, bodies, quiet, change)
        if not (quiet and index.end_settling(connection, key, row.changed)):
            last = now if seen else row.settled
            _again(connection, key, min(row.changed + pause, last + _SLOWER * pause))


def give_up(connection: Connection, job: Job) -> None:
    """A settle job was parked: the next instance asks for one anew."""
    index.set_settling(connection, _key(job), False)


def _key(job: Job) -> StudyKey:
    uid, _, claim = job.key.rpartition("|")
    return StudyKey(job.organisation, uid, int(claim))


def _due(row: Any, pause: int, now: int) -> bool:
    """Whether a study that still grows is to be shown as it stands."""
    return not row.settled or now >= row.settled + _SLOWER * pause


def _bodies(site: Site, seen: Snapshot, settled: bool, base: str) -> list[dict[str, Any]]:
    """Endpoint, Patient and ImagingStudy, in the order in which references need them."""
    service = endpoint_id(site)
    known = seen.mapping(site)
    view = StudyView(
        id=seen.row.id,
        uid=seen.key.uid,
        subject=f"Patient/{seen.row.subject}",
        instances=seen.instances,
        subject_number=_header(seen.record).number,
        endpoints=(f"Endpoint/{service}",),
        orders=seen.orders,
        tags=_tags(seen, settled),
    )
    return [
        endpoint.build(id=service, address=f"{base}/dicomweb", name=f"DICOMweb of {site.name}"),
        patient_body.build(
            _header(seen.source),
            replace(site.mapping, default=seen.source.issuer),
            id=seen.source.id,
            tags=_identity_tags(seen.source),
        ),
        imaging_study.build(view, known),
    ]


def endpoint_id(site: Site) -> str:
    """The id of the Endpoint that stands for an organisation's DICOMweb service."""
    return derived_id(site.key, "Endpoint", f"{site.organisation}|dicomweb")


def _header(record: Any) -> PatientFacts:
    """The header that made a record; a number that identity did not accept loses its issuer."""
    header = load_facts(record.facts)
    if record.issuer:
        return header
    return replace(header, number=replace(header.number, issuer=Issuer()))


def _identity_tags(record: Any) -> tuple[str, ...]:
    return (UNIDENTIFIED,) if record.kind == "unidentified" else ()


def _tags(seen: Snapshot, settled: bool) -> tuple[str, ...]:
    unsure = (IDENTITY_NOT_CONFIRMED,) if _is_unsure(seen) else ()
    return (SETTLED if settled else ARRIVING, *unsure, *_identity_tags(seen.record))


def _is_unsure(seen: Snapshot) -> bool:
    """Whether nobody has decided yet whose a study is that was set apart."""
    return bool(seen.row.unconfirmed and seen.row.subject == seen.row.filed_under)


def _store(
    connection: Connection,
    site: Site,
    seen: Snapshot,
    bodies: list[dict[str, Any]],
    settled: bool,
    change: Change,
) -> None:
    """Write the resources, and what the study's row knows of its whole."""
    service, person, study = bodies
    organisation = seen.key.organisation
    resources.put(connection, Owner(organisation), service, change)
    _store_person(connection, site, seen, person, change)
    owner = Owner(organisation, seen.row.filed_under, seen.row.held)
    resources.put(connection, owner, study, change)
    if not seen.row.held:
        links.keep(connection, organisation, "ImagingStudy", study["id"], _keys(site, seen))
        joining.ask(connection, organisation, study["id"], change.now)
    if papers.has_any(seen.instances) or derived.of_study(connection, organisation, study["id"]):
        papers.ask(connection, seen.key, change.now)
    index.summarise(
        connection,
        seen.key,
        {
            "modalities": ",".join(sorted({one.series.modality for one in seen.instances})),
            "settled": change.now,
            "revision": seen.row.revision + settled,
        },
    )


def _store_person(
    connection: Connection, site: Site, seen: Snapshot, person: dict[str, Any], change: Change
) -> None:
    """A header never overwrites what is known of a patient: it tells of one of whom nothing is."""
    organisation, id_ = seen.key.organisation, person["id"]
    row = resources.current(connection, organisation, "Patient", id_)
    if row is None:
        resources.put(connection, Owner(organisation, id_, _hidden(seen)), person, change)
    elif not row.deleted and says_nothing(known := wire.read(row.text)):
        owner = Owner(organisation, row.filed_under, row.hidden)
        body = merging.shown(connection, organisation, id_, filled(known, person))
        resources.put(connection, owner, body, change)
        merging.lend(connection, site, id_, change)


def _keys(site: Site, seen: Snapshot) -> set[Key]:
    """What orders and reports may know the study by."""
    found = {Key(STUDY, seen.key.uid)}
    for one in seen.instances:
        found |= accession_key(one.study.accession, site.mapping)
        for request in one.requests:
            if request.study in ("", seen.key.uid):
                found |= request_keys(request, site.mapping)
    return found


def _hidden(seen: Snapshot) -> bool:
    """A record that a contradiction set apart is not for patients."""
    return bool(_is_unsure(seen) and seen.source.kind == "unidentified")


def _again(connection: Connection, key: StudyKey, run_at: int) -> None:
    """Come back when the study may have settled."""
    now = clock.now()
    jobs.add(
        connection,
        key.organisation,
        "settle",
        f"{key.uid}|{key.claim}",
        now=now,
        run_at=max(run_at, now),
    )
