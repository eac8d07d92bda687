"""What a sender deletes is kept: A29 makes a Patient inactive, A23 cancels a visit (mapping 2.1).

Deleting at the sender is no reason to lose anything here. A person is told of each, since a record that
is deleted by mistake looks just like one that is not needed any more.
"""

from hl7.facts import AdtFacts
from server.flows import admissions, encounters
from server.flows.writing import Json, Work

KIND = "deletion"


def apply(work: Work, facts: AdtFacts) -> None:
    """Apply A23 or A29; neither tells anything of the person."""
    if facts.patient is None:
        return work.hold("message", str(work.message), {"rule": "the message has no patient"})
    patient = admissions.settle_patient(work, facts.patient, authoritative=False)
    if not patient:
        return None  # put before a person already
    if work.header.event == "A29":
        return _person(work, patient)
    if facts.visit is not None and facts.visit.number:
        encounters.apply(work, patient, facts.visit, facts.patient.account)
    return _tell(work, patient, "the sender has deleted a visit: it is kept, as cancelled")


def _person(work: Work, patient: str) -> None:
    """Let the Patient that the message names be out of use, until ADT tells of it again."""
    record = work.filed_under(patient)
    body = work.body("Patient", record)
    if body is not None and work.has_last_word("Patient", record):
        work.write(body | {"active": False}, record, f"the patient of {work.header.kind}")
    _tell(work, record, "the sender has deleted a patient: it is kept, as inactive")


def _tell(work: Work, patient: str, rule: str) -> None:
    evidence: Json = {"rule": rule, "kind": work.header.kind, "patients": [patient]}
    work.question(KIND, f"message {work.message}", evidence)
