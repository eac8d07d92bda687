"""How an object comes in, by whatever door: bytes to a blob, facts to the index, then the answer.

Order: write, sync, rename, sync the folder, commit the rows, return. A crash between blob and row
leaves an orphan that `adopt` indexes at the next start; a crash before leaves nothing that was
acknowledged.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from mmap import MADV_DONTNEED, mmap
from typing import Any

from sqlalchemy import Connection

from dicom import errors as dicom_errors
from dicom import files
from dicom.facts import InstanceFacts
from dicom.sink import Receipt, Sink, StoreRequest
from server import clock
from server.errors import Full, TooLarge
from server.flows import current, patients
from server.flows.arrivals import Arrival, arrive, instance_row, series_row, study_row
from server.flows.audit import Event
from server.flows.likeness import same_object
from server.flows.patients import Filing, Site, Source
from server.flows.sites import House
from server.store import index, jobs
from server.store.blobs import BlobWriter, new_key
from server.store.index import StudyKey

COERCED = 0xB000
_SECOND = 1_000_000
_STEP = 8 << 20


def open_sink(house: House, request: StoreRequest) -> Sink:
    """A Sink for one object."""
    key = new_key(request.peer.organisation, request.peer.name, clock.now())
    writer = house.blobs.create(key)
    return IngestSink(house, request, key, writer)


class IngestSink:
    """See dicom.sink.Sink. Raises the errors of dicom and server; doors translate them."""

    def __init__(self, house: House, request: StoreRequest, key: str, writer: BlobWriter) -> None:
        self._house = house
        self._request = request
        self._key = key
        self._writer = writer
        self._limit = house.config.max_object_bytes
        if request.sop_instance:
            meta = files.file_meta(
                request.sop_class, request.sop_instance, request.transfer_syntax, request.calling_ae
            )
            self._writer.write(meta)

    def write(self, data: memoryview) -> None:
        """Take the next bytes."""
        if self._writer.size + len(data) > self._limit:
            raise TooLarge(f"an object may have at most {self._limit} bytes")
        self._writer.write(data)

    def commit(self) -> Receipt:
        """Make the object durable and indexed."""
        header, digest = self._read()
        _check_announced(self._request, header.facts)
        arrival = arrive(self._request, header, self._key, self._writer.size, digest)
        self._writer.publish()
        try:
            return register(self._house, arrival)
        except Full:  # nothing was committed: the sender is told, and will send again
            self._house.blobs.delete(self._key)
            raise

    def _read(self) -> tuple[files.Header, str]:
        """The header, and the SHA-256 of the data set: of the part that comes back unchanged."""
        if not self._writer.size:
            raise dicom_errors.Unreadable("the object has no bytes")
        with self._writer.view() as view, memoryview(view) as data:
            header = files.read(data)
            return header, digest_of(data, header)

    def abort(self) -> None:
        """Forget the object."""
        self._writer.abort()


def _check_announced(request: StoreRequest, facts: InstanceFacts) -> None:
    """Raise Mismatch when the object is not what the door was told."""
    if request.sop_instance not in ("", facts.uid):
        raise dicom_errors.Mismatch(
            "the data set's SOP Instance UID is not the one announced", where="00080018"
        )
    if request.study not in ("", facts.study.uid):
        raise dicom_errors.Mismatch(
            "the object belongs to another study than the address names", where="0020000D"
        )


def digest_of(data: memoryview, header: files.Header) -> str:
    """The SHA-256 of the data set, the part of a blob that comes back unchanged.

    Pages of a mapped blob are given back as they have been read: a large object passes through.
    """
    digest = hashlib.sha256()
    for at in range(header.dataset_offset, len(data), _STEP):
        with data[at : at + _STEP] as part:
            digest.update(part)
        if isinstance(data.obj, mmap) and len(data) > _STEP:
            data.obj.madvise(MADV_DONTNEED)
    return digest.hexdigest()


def register(house: House, arrival: Arrival) -> Receipt:
    """Index a durable object, in a transaction shared with whoever else waits."""
    done = house.database.apply(lambda c: _register(house, c, arrival, None))
    if done.rivals:
        twins = {r.sha256 for r in done.rivals if same_object(house, r.blob, arrival.blob)}
        done = house.database.apply(lambda c: _register(house, c, arrival, twins))
    if not done.keep:
        with suppress(FileNotFoundError):  # who looks for orphans came to it first
            house.blobs.delete(arrival.blob)
    outcome = "duplicate" if done.receipt.duplicate else "kept"
    house.counters.add("objects_received_total", door=arrival.request.door, outcome=outcome)
    return done.receipt


@dataclass(frozen=True, slots=True)
class _Registered:
    """What became of an arrival, and whether its blob is needed.

    Nothing became of it while there are rivals: rows with other bytes for the same UID, which may
    be the same object all the same. That takes a look at the bytes, outside of the transaction.
    """

    receipt: Receipt
    keep: bool = True
    rivals: tuple[Any, ...] = ()


def _register(
    house: House, connection: Connection, arrival: Arrival, twins: set[str] | None
) -> _Registered:
    """The rows of one object. `twins` are digests of the same object, None before a look."""
    now = clock.now()
    organisation = arrival.request.peer.organisation
    facts = arrival.header.facts
    known = index.copies(connection, organisation, facts.uid)
    receipt = Receipt(
        facts.sop_class,
        facts.uid,
        facts.study.uid,
        series=facts.series.uid,
        findings=facts.warnings,
    )
    equal = [row for row in known if row.sha256 in {arrival.sha256, *(twins or ())}]
    if equal:
        # The row may be of this very blob: a start-up sweep and a writer met over it.
        keep = any(row.blob == arrival.blob for row in equal)
        return _Registered(replace(receipt, duplicate=True), keep)
    rivals = [row for row in known if row.transfer_syntax == facts.transfer_syntax]
    if rivals and twins is None:
        return _Registered(receipt, rivals=tuple(rivals))
    site = house.site(connection, organisation, now)
    if known:
        warning = _other_content(connection, site, arrival, known, now)
        return _Registered(replace(receipt, warnings=(warning,)))
    claim, warnings = _claim(connection, site, arrival, now)
    key = StudyKey(organisation, facts.study.uid, claim.claim)
    index.add_instance(connection, instance_row(arrival, key, 0, now), arrival.header.json)
    index.count_instance(connection, key, facts.series.uid, series_row(facts), now)
    if not claim.settling:
        _ask_to_settle(connection, key, claim, house.config.settle_seconds * _SECOND, now)
    house.auditor.append(connection, _event(arrival, claim))
    return _Registered(replace(receipt, warnings=warnings))


def _source(arrival: Arrival) -> Source:
    return Source(arrival.request.peer.name, arrival.request.peer.issuer)


@dataclass(frozen=True, slots=True)
class Claim:
    """The study row that an object belongs to, as far as this transaction needs it."""

    claim: int
    filed_under: str
    settled: int = 0
    settling: bool = False


def _claim(
    connection: Connection, site: Site, arrival: Arrival, now: int
) -> tuple[Claim, tuple[tuple[int, str], ...]]:
    """The claim that the object's patient has on its study, made if it is new."""
    facts = arrival.header.facts
    claims = index.claims(connection, site.organisation, facts.study.uid)
    for row in claims:
        if patients.same_person(site, current.header_of(row), facts.patient):
            warn = ((COERCED, _SECOND_CLAIM),) if row.held else ()
            if facts.study.accession.value != row.accession:
                key = StudyKey(site.organisation, facts.study.uid, row.claim)
                index.add_key(connection, key, "accession", facts.study.accession.value)
            return Claim(row.claim, row.filed_under, row.settled, row.settling), warn
    filing = patients.resolve(
        connection, site, _source(arrival), facts.patient, facts.study.uid, now
    )
    key = StudyKey(site.organisation, facts.study.uid, len(claims))
    index.add_study(connection, key, study_row(site, key, facts, filing, now))
    claim = Claim(key.claim, filing.patient)
    if not claims:
        return claim, _identity_warning(filing)
    evidence = {
        "rule": "a second patient claims this study",
        "patients": [claims[0].filed_under, filing.patient],
        "instance": facts.uid,
    }
    patients.add_review(
        connection, site, "second-claim", f"{key.uid}|{key.claim}", key.uid, evidence, now
    )
    return claim, ((COERCED, _SECOND_CLAIM),)


_SECOND_CLAIM = "kept apart: another patient already has this study"
_UNCONFIRMED = "kept apart: number known with other birth date or sex"


def _identity_warning(filing: Filing) -> tuple[tuple[int, str], ...]:
    return ((COERCED, _UNCONFIRMED),) if filing.unconfirmed else ()


def _other_content(
    connection: Connection, site: Site, arrival: Arrival, known: Any, now: int
) -> tuple[int, str]:
    """Keep a second content of a SOP Instance UID out of sight, for review.

    The same picture in another transfer syntax is no conflict, so its item is born closed.
    """
    facts = arrival.header.facts
    first = known[0]
    key = StudyKey(site.organisation, first.study, first.claim)
    row = instance_row(arrival, key, len(known), now)
    index.add_instance(connection, row, arrival.header.json)
    encoding = facts.transfer_syntax != first.transfer_syntax
    evidence = {
        "rule": "same SOP Instance UID, other transfer syntax" if encoding else "other content",
        "instance": facts.uid,
        "copy": len(known),
    }
    kind, state = ("other-encoding", "noted") if encoding else ("other-content", "open")
    patients.add_review(
        connection, site, kind, f"{facts.uid}|{arrival.sha256}", key.uid, evidence, now, state
    )
    return COERCED, "kept beside another content of this SOP instance"


def _ask_to_settle(
    connection: Connection, key: StudyKey, claim: Claim, settle: int, now: int
) -> None:
    """First instance: at once. While the study grows: every five settle times.

    The job itself sees when the study has gone quiet, so it is asked for once, not at each
    instance.
    """
    run_at = min(now + settle, claim.settled + 5 * settle) if claim.settled else now
    where = f"{key.uid}|{key.claim}"
    jobs.add(connection, key.organisation, "settle", where, now=now, run_at=max(run_at, now))
    index.set_settling(connection, key, True)


def _event(arrival: Arrival, claim: Claim) -> Event:
    return Event(
        organisation=arrival.request.peer.organisation,
        door=arrival.request.door,
        action="create",
        grant=arrival.request.peer.name,
        patient=claim.filed_under,
        study=arrival.header.facts.study.uid,
        count=1,
        bytes=arrival.size,
    )
