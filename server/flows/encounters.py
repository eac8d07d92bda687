"""Visits applied: the Encounter of a visit number, whose word ADT is."""

from fhir import encounter
from fhir.encounter import EncounterView
from fhir.hl7_identifiers import issuer_of
from fhir.identifiers import order_system
from hl7.facts import VisitFacts
from hl7.types import NO_NUMBER, Identifier
from server.flows.writing import Work
from server.store import identities, resources
from server.store.install import derived_id

_TYPE = "Encounter"


def apply(work: Work, patient: str, visit: VisitFacts, account: Identifier = NO_NUMBER) -> None:
    """Write the visit as ADT tells it; a visit without a number is none that could be found."""
    id_ = _id(work, patient, visit)
    if not id_ or not _is_of(work, id_, patient):
        return
    provisional = work.last_word(_TYPE, id_) is None
    if not work.has_last_word(_TYPE, id_):
        return
    current = work.body(_TYPE, id_)
    old = str(current["status"]) if current and not provisional else ""
    view = EncounterView(
        id=id_,
        status=encounter.next_status(old, work.header.event, visit),
        subject=f"Patient/{patient}",
        event=work.header.event,
        account=account,
        provisional=provisional,
    )
    body = encounter.merge(current, visit, view, work.context)
    if body is not None:
        work.write(body, patient, f"the visit of {work.header.kind}", first=provisional)


def of(work: Work, patient: str, visit: VisitFacts) -> str:
    """The reference to the Encounter of an order or report, made if it is new; "" without one."""
    id_ = _id(work, patient, visit)
    if not id_ or not _is_of(work, id_, patient):
        return ""
    if work.body(_TYPE, id_) is None:
        status = encounter.next_status("", work.header.event, visit)
        view = EncounterView(id_, status, f"Patient/{patient}", work.header.event)
        body = encounter.merge(None, visit, view, work.context)
        if body is not None:
            work.write(body, patient, f"the visit of {work.header.kind}")
    return f"{_TYPE}/{id_}"


def _id(work: Work, patient: str, visit: VisitFacts) -> str:
    """The id that the visit number gives; one without issuer is a number of its patient only."""
    number = visit.number
    if not number:
        return ""
    system = order_system(issuer_of(number.authority), work.context.site, "VN")
    scope = system or f"Patient/{work.filed_under(patient)}"
    return derived_id(work.site.key, _TYPE, f"{work.organisation}|{scope}|{number.value}")


def _is_of(work: Work, id_: str, patient: str) -> bool:
    """Whether a visit is new or this patient's; another's is put before a person."""
    row = resources.current(work.connection, work.organisation, _TYPE, id_)
    if row is None:
        return True
    owner = identities.heir(work.connection, work.organisation, row.filed_under)
    if owner == patient:
        return True
    evidence = {"rule": "the visit of this number is another patient's", "visit": id_}
    work.hold("visit", f"{_TYPE}/{id_}|{work.message}", evidence | {"patients": [owner, patient]})
    return False
