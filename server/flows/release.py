"""Release: what a patient's own token sees of reports, results and documents.

This is the default row of the release table: final, amended, corrected and appended reports at
once; registered, partial and preliminary ones not. What was withdrawn stays as a tombstone without
its content, so that an app that has a copy learns of it. What its sender marked as restricted is
for staff.
"""

from collections.abc import Iterable
from typing import Any

from fhir import binary, wire
from fhir.diagnostic_report import RESTRICTION
from fhir.hl7_codes import RESTRICTED
from server.errors import Gone
from server.flows.access import Grant

Json = dict[str, Any]

WITHDRAWN = "entered-in-error"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
_UNRELEASED = {
    "DiagnosticReport": frozenset({"registered", "partial", "preliminary"}),
    "Observation": frozenset({"registered", "preliminary"}),
    "DocumentReference": frozenset[str](),
}
# Restricted and very restricted (v3 Confidentiality).
_CONFIDENTIAL = ("R", "V")
_KEPT = ("resourceType", "id", "status", "subject")


def is_held(body: Json) -> bool:
    """Whether a report, result or document is not for the patient."""
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


def shown(grant: Grant, resource_type: str, text: str) -> str:
    """The text as the caller may see it: of what was withdrawn, a patient sees the tombstone."""
    if grant.sees_held or resource_type not in _UNRELEASED or WITHDRAWN not in text:
        return text
    body = wire.read(text)
    return wire.write(_tombstone(body)) if body.get("status") == WITHDRAWN else text


def check(grant: Grant, resource_type: str, text: str) -> None:
    """Raise Gone for a document that was withdrawn, unless staff asks."""
    if resource_type == "Binary" and not grant.everyone and binary.is_withdrawn(wire.read(text)):
        raise Gone("this document was withdrawn")


def _tombstone(body: Json) -> Json:
    """What is left for the patient: valid R4, and nothing of the content."""
    meta = {name: body["meta"][name] for name in ("versionId", "lastUpdated")}
    masked = {"extension": [{"url": _ABSENT, "valueCode": "masked"}]}
    kept = {name: body[name] for name in _KEPT if name in body}
    kept |= {"meta": meta | {"tag": [_SUBSETTED]}}
    if body["resourceType"] == "DocumentReference":
        return kept | {"content": [{"attachment": masked}]}
    return kept | {"code": masked}
