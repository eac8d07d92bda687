"""What clients may write, whose it is, and what must be true of it beyond R4.

A resource is written whole by whoever authored it. What messages or DICOM objects tell of is
derived: it is made anew from them, so that nobody else changes it; but orders and staff, where
feeds and authorised writers are peers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fhir import authored, gate
from fhir.match_keys import local_reference
from fhir.outcome import Issue
from server.errors import BadMethod, Denied, Missing, Unprocessable
from server.flows import access
from server.flows.access import Grant
from server.flows.resources import TYPES, served
from server.store import derived, identities, people, resources
from server.store.install import is_authored
from server.store.links import ACCESSION, FILLER, PLACER, Key

Json = dict[str, Any]
# Types whose resources of a message may be changed by a writer too, and by the next message again.
PEERS = frozenset({"ServiceRequest", "Practitioner", "Organization"})
OF_PATIENTS = ("ServiceRequest", "DiagnosticReport", "Observation", "DocumentReference")
WRITTEN = (*OF_PATIENTS, "Practitioner", "Organization")
_NUMBERS = ((PLACER, "PLAC"), (FILLER, "FILL"), (ACCESSION, "ACSN"))
_ELSEWHERE = ("http://", "https://", "urn:oid:")
_NOWHERE = "nothing of this address is here"


def written(resource_type: str) -> str:
    """The type itself, or an error when nobody writes it here."""
    if served(resource_type) not in WRITTEN:
        raise BadMethod(f"{resource_type} is made by the server here, and not written by clients")
    return resource_type


def is_derived(connection: Connection, organisation: int, row: Any) -> bool:
    """Whether a resource is made by the server from what it received."""
    if derived.of(connection, organisation, row.type, row.id):
        return True
    return row.type not in PEERS and not is_authored(row.id)


def is_deletable(connection: Connection, organisation: int, row: Any) -> bool:
    """Whether a resource is a client's alone."""
    return is_authored(row.id) and not is_derived(connection, organisation, row)


def check(body: Json) -> None:
    """Raise Unprocessable with all that R4 has against a body, and with what holds here."""
    issues = [
        Issue(one.code, one.message, one.severity, (one.expression,)) for one in gate.problems(body)
    ]
    if not issues:
        issues = list(_own_problems(body))
    refuse(issues)


def refuse(issues: list[Issue]) -> None:
    """Raise Unprocessable if there is something wrong."""
    if issues:
        first = issues[0]
        where = next(iter(first.expression), "")
        raise Unprocessable(first.diagnostics, expression=where, issues=tuple(issues))


def _own_problems(body: Json) -> Iterator[Issue]:
    kind = body["resourceType"]
    if authored.is_part(body):
        yield wrong("this is a part of a resource: send all of it", f"{kind}.meta.tag")
    if kind in OF_PATIENTS and not body.get("subject", {}).get("reference"):
        yield wrong("say whose it is: Patient/… of this server", f"{kind}.subject")


def wrong(message: str, expression: str) -> Issue:
    """One thing that does not hold here."""
    return Issue("business-rule", message, expression=(expression,))


@dataclass(frozen=True, slots=True)
class Judge:
    """What a body of one organisation refers to, as far as the caller may refer to it."""

    connection: Connection
    grant: Grant
    base: str

    def patient(self, body: Json) -> str:
        """The Patient that a body names as its subject, "" if it is of none. Raises Denied."""
        kind = body["resourceType"]
        if kind not in OF_PATIENTS:
            return ""
        found = local_reference(body["subject"]["reference"], self.base)
        if found is None or found[0] != "Patient":
            refuse([wrong("expected a Patient of this server", f"{kind}.subject")])
            return ""
        access.named(self.grant, [found[1]])
        row = people.patient_row(self.connection, self.grant.organisation, found[1])
        if row is None:
            refuse([wrong(_NOWHERE, f"{kind}.subject")])
        elif row.state != "active":
            message = f"this record is retired: Patient/{self._heir(found[1])} took its place"
            refuse([wrong(message, f"{kind}.subject")])
        return found[1]

    def references(self, body: Json, patient: str) -> None:
        """Raise Unprocessable for references that lead nowhere, or to another patient's."""
        kind = body["resourceType"]
        told = ((one, self._fault(one.address, patient)) for one in authored.pointed(body, kind))
        refuse([wrong(fault, one.expression) for one, fault in told if fault])

    def _fault(self, address: str, patient: str) -> str:
        if address.startswith("#") or not address:
            return ""
        found = local_reference(address, self.base)
        if found is None:
            return "" if address.startswith(_ELSEWHERE) else "expected an address that can be found"
        if found[0] not in TYPES:
            return _NOWHERE
        row = resources.current(self.connection, self.grant.organisation, *found)
        if row is None or row.deleted or not self._reaches(row):
            return _NOWHERE
        if patient and row.filed_under and self._heir(row.filed_under) != self._heir(patient):
            return "this is another patient's"
        return ""

    def _reaches(self, row: Any) -> bool:
        try:
            access.reaches(self.connection, self.grant, row)
        except (Denied, Missing):
            return False
        return True

    def _heir(self, patient: str) -> str:
        return identities.heir(self.connection, self.grant.organisation, patient)

    def is_of(self, body: Json, filed_under: str) -> bool:
        """Whether a body names the patient under whom the resource is filed."""
        named = self.patient(body)
        return not named or self._heir(named) == self._heir(filed_under)


def keys_of(body: Json) -> set[Key]:
    """The numbers by which an order or report is joined with what has the same."""
    if body["resourceType"] not in ("ServiceRequest", "DiagnosticReport"):
        return set()
    return {
        Key(kind, value, system)
        for kind, code in _NUMBERS
        for system, value in authored.numbers(body, code)
    }
