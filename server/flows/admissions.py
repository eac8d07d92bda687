"""Patient administration applied: the Patient, whose word the feed is, and the Encounter."""

from fhir import v2_patient
from fhir.imaging_study import UNIDENTIFIED
from fhir.patient_links import in_use, says_nothing
from fhir.v2_patient import PatientView
from hl7.facts import AdtFacts, PatientFacts
from server.flows import encounters, merging, persons
from server.flows.writing import Json, Work
from server.store.resources import Change

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
    if named.held and not (named.patient and work.believed("identity", own)):
        _hold(work, named)
        return ""
    work.came_under[named.patient] = named.record
    _tell(work, named, person, authoritative=authoritative)
    return named.patient


def _tell(work: Work, named: persons.Named, person: PatientFacts, *, authoritative: bool) -> None:
    """Write what a message says of the person. Of a merged record that is told by its own Patient."""
    id_ = named.shown
    current = work.body("Patient", id_)
    provisional = not persons.told(work.connection, work.site, id_)
    if not authoritative and not _is_better(current, provisional):
        return
    if authoritative and not work.has_last_word("Patient", id_):
        return
    main = v2_patient.main_number(person, work.feed.owns, work.context)
    view = PatientView(id_, main, provisional, _tags(named))
    body = v2_patient.merge(current, person, view, work.context)
    if authoritative:
        body = in_use(body)
    body = merging.shown(work.connection, work.organisation, id_, body)
    why = f"the patient of {work.header.kind}"
    work.write(body, id_, why, first=authoritative and provisional)
    work.outcome.notes += v2_patient.warnings(person)
    if authoritative and persons.remember(work.connection, work.site, work.feed, id_, person):
        merging.ask_to_move(work.connection, work.organisation, id_, work.now)
    change = Change(work.now, f"numbers of {work.header.kind}", work.base)
    work.outcome.effects += merging.lend(work.connection, work.site, id_, change)


def _is_better(current: Json | None, provisional: bool) -> bool:
    """Whether an order or report tells more of a person than is known: from an image, or a merge.

    The message that wrote a Patient is its source; one that was made of a header has none.
    """
    if current is None or says_nothing(current):
        return True
    return provisional and not current.get("meta", {}).get("source")


def _tags(named: persons.Named) -> tuple[str, ...]:
    return (UNIDENTIFIED,) if named.unidentified else ()


def _hold(work: Work, named: persons.Named) -> None:
    evidence: Json = {"rule": named.held, "patients": list(named.rivals), "kind": work.header.kind}
    if named.patient:
        evidence["believable"] = True
    work.hold("identity", f"message {work.message}", evidence)
