"""Release: what a patient's own token sees of reports, results and documents.

This is the default row of the release table: final, amended, corrected and appended reports at
once; registered, partial and preliminary ones not. What was withdrawn stays as a tombstone without
its content, so that an app that has a copy learns of it. What its sender marked as restricted is
for staff. What a site's own rows hold is asked in the gate, at each request; here it is told.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, false, not_, or_, select, true
from sqlalchemy.sql.elements import ColumnElement

from dicom.document_read import CAD, CDA, KEY_OBJECT_SELECTION, PDF, STRUCTURED_REPORTS
from fhir import binary, imaging_study, wire
from fhir.diagnostic_report import RESTRICTION
from fhir.hl7_codes import RESTRICTED
from server.clock import instant
from server.errors import Denied, Gone
from server.flows.access import Grant
from server.store import released, releases, tables, veil
from server.store.fhir_tables import derived, resource
from server.store.release_tables import FOREVER
from server.store.tables import instance, study

Json = dict[str, Any]

WITHDRAWN = veil.WITHDRAWN
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
_UNRELEASED = {
    "DiagnosticReport": frozenset({"registered", "partial", "preliminary"}),
    "Observation": frozenset({"registered", "preliminary"}),
    "DocumentReference": frozenset[str](),
    "ServiceRequest": frozenset[str](),
}
# Restricted and very restricted (v3 Confidentiality).
_CONFIDENTIAL = ("R", "V")
# Structured, and no document: lists of pictures, and what a computer marked.
_NO_DOCUMENTS = frozenset({KEY_OBJECT_SELECTION, *CAD})
_KEPT = ("resourceType", "id", "status", "subject")


def is_held(body: Json) -> bool:
    """Whether a report, result, document or order is not for the patient."""
    labels = body.get("meta", {}).get("security", [])
    return holds(body["resourceType"], body.get("status", ""), labels)


def holds(resource_type: str, status: str, labels: Iterable[Json]) -> bool:
    """Whether a status is not released, or a label says that the sender restricts the resource."""
    unreleased = _UNRELEASED.get(resource_type)
    if unreleased is None:
        return False
    return status in unreleased or is_restricted(labels)


def is_restricted(labels: Iterable[Json]) -> bool:
    """Whether labels say that the sender restricts what bears them."""
    return any(
        one.get("system") == RESTRICTION
        or (one.get("system") == RESTRICTED["system"] and one.get("code") in _CONFIDENTIAL)
        for one in labels
    )


def awaits(body: Json) -> bool:
    """Whether a report will be the patient's once it is final: that it exists may be told."""
    labels = body.get("meta", {}).get("security", [])
    return is_held(body) and not is_restricted(labels)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the release table holds back: from when on it can be seen, 0 if one has to ask for it.

    Of what is `secret` it is not told that it exists.
    """

    since: int
    secret: bool


def waiting(connection: Connection, grant: Grant, row: Any) -> Waiting | None:
    """What keeps a report, document or study from who asks by now; None if the table does not."""
    if grant.sees_held or row.type not in released.PARTS:
        return None
    found = releases.waiting(connection, row, grant.asker)
    if found is None:
        return None
    due = max(found.named, found.due)
    return Waiting(due if due < FOREVER else 0, bool(found.secret))


def tell(connection: Connection, grant: Grant, row: Any) -> None:
    """Raise Denied with the day, to a patient who asks for an item of theirs that is held by a row.

    A row may hide that there is one, and of other patients' nobody learns that they are held.
    """
    mine = row.filed_under in grant.patients and grant.studies is None and not row.hidden
    held = waiting(connection, grant, row) if mine else None
    if held is not None and not held.secret:
        when = f"you can read it from {instant(held.since)}" if held.since else "ask for it"
        raise Denied(f"this exists and is not released to you yet: {when}")


def shown(grant: Grant, resource_type: str, text: str, unseen: Container[str] = ()) -> str:
    """The text as the caller may see it: of what was withdrawn, a patient sees the tombstone, of a
    study nothing of documents that are `unseen`.
    """
    if unseen and resource_type == "ImagingStudy":
        return wire.write(imaging_study.without(wire.read(text), unseen))
    if grant.sees_held or resource_type not in veil.TYPES or WITHDRAWN not in text:
        return text
    body = wire.read(text)
    return wire.write(_tombstone(body)) if body.get("status") == WITHDRAWN else text


def check(grant: Grant, resource_type: str, text: str) -> None:
    """Raise Gone for a document that was withdrawn, unless staff asks."""
    if resource_type == "Binary" and not grant.sees_held and binary.is_withdrawn(wire.read(text)):
        raise Gone("this document was withdrawn")


def instances(grant: Grant) -> ColumnElement[bool]:
    """The condition on `instance` rows beside their `study`: of documents those that are released.

    A report that arrived as a DICOM object is as much a report as the resource made of it.
    """
    if grant.sees_held:
        return true()
    row = resource.alias()
    waits = released.any_held(row, grant.asker)
    held = or_(row.c.hidden, row.c.deleted, veil.withdrawn(row), waits)
    made = _made_of_instance(row)
    return or_(not_(_documents()), and_(exists(made), not_(exists(made.where(held)))))


def series(grant: Grant) -> ColumnElement[bool]:
    """The condition on `series` rows beside their `study`: those of which anything is to be seen."""
    if grant.sees_held:
        return true()
    mine = (
        instance.c.organisation == tables.series.c.organisation,
        instance.c.study == tables.series.c.study,
        instance.c.claim == tables.series.c.claim,
        instance.c.series == tables.series.c.uid,
        instance.c.copy == 0,
    )
    found = select(instance.c.uid).where(*mine, instances(grant))
    return exists(found.correlate(study, tables.series))


def unseen(connection: Connection, grant: Grant, rows: Iterable[Any]) -> frozenset[str]:
    """The SOP instances that the ImagingStudies among `resource` rows list and that are held back."""
    if grant.sees_held:
        return frozenset()
    ids = [row.id for row in rows if row.type == "ImagingStudy" and _lists_documents(row.text)]
    if not ids:
        return frozenset()
    inside = (
        instance.c.organisation == study.c.organisation,
        instance.c.study == study.c.uid,
        instance.c.claim == study.c.claim,
    )
    mine = (study.c.organisation == grant.organisation, study.c.id.in_(ids))
    query = select(instance.c.uid).where(*inside, *mine, not_(instances(grant)))
    return frozenset(connection.execute(query).scalars())


def _lists_documents(text: str) -> bool:
    """Whether an ImagingStudy may list a document: one that lists none is seldom asked about."""
    return any(word in text for word in (STRUCTURED_REPORTS, PDF, CDA))


def _made_of_instance(row: Any) -> Select[Any]:
    """What was made of an `instance` of a `study`: a report with its documents and results."""
    return (
        select(derived.c.id)
        .join(
            row,
            (row.c.organisation == derived.c.organisation)
            & (row.c.type == derived.c.type)
            & (row.c.id == derived.c.id),
        )
        .where(
            derived.c.organisation == instance.c.organisation,
            derived.c.study == study.c.id,
            derived.c.source == instance.c.uid,
        )
        .correlate(instance, study)
    )


def _documents() -> ColumnElement[bool]:
    """The condition that an `instance` is a document for people."""
    kind = instance.c.sop_class
    structured = kind.startswith(STRUCTURED_REPORTS, autoescape=True)
    return or_(kind.in_([PDF, CDA]), and_(structured, kind.not_in(sorted(_NO_DOCUMENTS))))


def is_document(sop_class: str) -> bool:
    """Whether objects of a class are documents for people: reports, letters, dose, measurements."""
    structured = sop_class.startswith(STRUCTURED_REPORTS) and sop_class not in _NO_DOCUMENTS
    return structured or sop_class in (PDF, CDA)


def withheld(connection: Connection, grant: Grant, claim: Any) -> set[str]:
    """The SOP instances of a study that are documents and not released to the caller."""
    return set(connection.execute(_uids(claim).where(not_(instances(grant)))).scalars())


def was_withdrawn(connection: Connection, claim: Any, uid: str) -> bool:
    """Whether an instance is a document that the patient is told to be withdrawn."""
    row = resource.alias()
    gone = exists(_made_of_instance(row).where(row.c.hidden == false(), veil.withdrawn(row)))
    return connection.execute(_uids(claim).where(instance.c.uid == uid, gone)).first() is not None


def _uids(claim: Any) -> Select[Any]:
    return select(instance.c.uid).where(
        instance.c.organisation == claim.organisation,
        instance.c.study == claim.uid,
        instance.c.claim == claim.claim,
        study.c.organisation == claim.organisation,
        study.c.id == claim.id,
    )


def _tombstone(body: Json) -> Json:
    """What is left for the patient: valid R4, and nothing of the content."""
    meta = {name: body["meta"][name] for name in ("versionId", "lastUpdated")}
    masked = {"extension": [{"url": _ABSENT, "valueCode": "masked"}]}
    kept = {name: body[name] for name in _KEPT if name in body}
    kept |= {"meta": meta | {"tag": [_SUBSETTED]}}
    if body["resourceType"] == "DocumentReference":
        return kept | {"content": [{"attachment": masked}]}
    return kept | {"code": masked}
