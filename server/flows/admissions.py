"""Patient administration applied: the Patient, whose word the feed is, and the Encounter."""

from fhir import v2_patient
from fhir.imaging_study import UNIDENTIFIED
from fhir.v2_patient import PatientView
from hl7.facts import AdtFacts, PatientFacts
from server.flows import encounters, persons
from server.flows.writing import Work

# Events about the person alone: they never touch a visit (HL7 2.5.1 ch. 3.3.28, 3.3.31).
_PERSON_ONLY = frozenset({"A28", "A31"})


def apply(work: Work, facts: AdtFacts) -> None:
    """Apply an ADT event that neither merges nor moves."""
    if facts.patient is None:
        return work.hold("message", str(work.message), {"rule": "the message has no patient"})
    patient = settle_patient(work, facts.patient, authoritative=True)
    if patient and facts.visit and work.header.event not in _PERSON_ONLY:
        encounters.apply(work, patient, facts.visit, facts.patient.account)
    return None


def settle_patient(work: Work, person: PatientFacts, *, authoritative: bool) -> str:
    """The id of the Patient that a message names, written as it says; "" when that is held.

    Orders and reports only make a Patient where there is none; the word of ADT replaces it.
    """
    kind, own = work.header.kind, f"message {work.message}"
    named = persons.find(work.connection, work.site, work.feed, person, kind, own, work.now)
    if named.held:
        _hold(work, named)
        return ""
    current = work.body("Patient", named.patient)
    if current is not None and not authoritative:
        return named.patient
    if authoritative and not work.has_last_word("Patient", named.patient):
        return named.patient
    provisional = not persons.told(work.connection, work.site, named.patient)
    main = v2_patient.main_number(person, work.feed.owns, work.context)
    view = PatientView(named.patient, main, provisional and authoritative, _tags(named))
    body = v2_patient.merge(current, person, view, work.context)
    why = f"the patient of {work.header.kind}"
    work.write(body, named.patient, why, first=authoritative and provisional)
    work.outcome.notes += v2_patient.warnings(person)
    if authoritative:
        persons.remember(work.connection, work.site, work.feed, named.patient, person)
    return named.patient


def _tags(named: persons.Named) -> tuple[str, ...]:
    return (UNIDENTIFIED,) if named.unidentified else ()


def _hold(work: Work, named: persons.Named) -> None:
    evidence = {"rule": named.held, "patient": named.patient, "kind": work.header.kind}
    work.hold("identity", f"message {work.message}", evidence)
