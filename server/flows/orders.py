"""Orders applied: the ServiceRequest of each, found again by its filler or placer number."""

from collections.abc import Iterator
from dataclasses import dataclass

from fhir import order_status, service_request, wire
from fhir.hl7_context import Context
from fhir.hl7_identifiers import issuer_of
from fhir.identifiers import order_system
from fhir.service_request import OrderView
from hl7.facts import OrderFacts, OrderMessage, Uids
from hl7.types import OrderNumber
from server.flows import admissions, encounters, layers, papers, placeholders
from server.flows.joining import IMAGES, ORDER
from server.flows.names import order_name
from server.flows.writing import Work
from server.store import derived, identities, links, resources
from server.store.install import derived_id
from server.store.links import ACCESSION, FILLER, PLACER, PROCEDURE, STUDY, Key


@dataclass(frozen=True, slots=True)
class Whose:
    """The patient of an order or report, and the visit; empty where a message does not say."""

    patient: str = ""
    encounter: str = ""


def apply(work: Work, facts: OrderMessage) -> None:
    """Apply ORM, OMI or OMG: every order of it, then what is joined by it."""
    whose = Whose()
    if facts.patient is not None:
        patient = admissions.settle_patient(work, facts.patient, authoritative=False)
        if not patient:
            return
        encounter = encounters.of(work, patient, facts.visit) if facts.visit else ""
        whose = Whose(patient, encounter)
    for order in facts.orders:
        place(work, whose, order)
    work.join()


def keys_of(order: OrderFacts, context: Context, uids: Uids | None = None) -> set[Key]:
    """The numbers and UIDs by which an order is found, also from the other side."""
    numbers = (
        (FILLER, "FILL", order.filler),
        (PLACER, "PLAC", order.placer),
        (ACCESSION, "ACSN", order.accession),
        (PROCEDURE, "", order.procedure_number),
    )
    found = {key for kind, code, one in numbers for key in _key(kind, code, one, context)}
    return found | {Key(STUDY, uid) for uid in (uids or order.uids).studies}


def _key(kind: str, code: str, number: OrderNumber, context: Context) -> Iterator[Key]:
    if number.value:
        yield Key(kind, number.value, order_system(issuer_of(number.authority), context.site, code))


def place(work: Work, whose: Whose, order: OrderFacts, report_status: str = "") -> str:
    """Write one order as a message tells it; gives its id, "" when it is held for a person.

    With `report_status` it is a report that tells it, which only fills what no order has told.
    """
    keys = keys_of(order, work.context)
    found = _find(work, keys) or _pictured(work, keys, whose.patient)
    if len(found) > 1:
        _hold(work, "two orders have these numbers", found)
        return ""
    id_, owner = found[0] if found else ("", whose.patient)
    if not owner:
        _hold(work, "there is no order of this number, and the message names no patient", [])
        return ""
    if whose.patient not in ("", owner):
        _hold(work, "the order of this number is another patient's", [*found, ("", whose.patient)])
        return ""
    id_ = id_ or _new_id(work, keys)
    if not id_:
        return ""
    if not found and _is_anothers(work, id_, owner):
        _hold(work, "the order of this number is another patient's", [("", owner)])
        return ""
    first = not report_status and work.last_word(ORDER, id_) is None
    if report_status or work.has_last_word(ORDER, id_):
        _write(work, id_, Whose(owner, whose.encounter), order, report_status, first)
    note_studies(work, ORDER, id_, owner, order.uids)
    work.keep_keys(ORDER, id_, keys)
    papers.rouse(work.connection, work.organisation, ORDER, keys, work.now)
    return id_


def _find(work: Work, keys: set[Key]) -> list[tuple[str, str]]:
    """Id and patient of the orders that have the filler number, else of those with the placer's."""
    for kind in (FILLER, PLACER):
        ids = {
            id_
            for key in keys
            if key.kind == kind
            for type_, id_ in links.sharing(work.connection, work.organisation, key)
            if type_ == ORDER and layers.is_told(work.connection, work.organisation, ORDER, id_)
        }
        if ids:
            return [(id_, _owner(work, id_)) for id_ in sorted(ids)]
    return []


def _pictured(work: Work, keys: set[Key], patient: str) -> list[tuple[str, str]]:
    """The one order of a patient that only images told of so far, by any of its numbers."""
    for kind in (PLACER, FILLER, ACCESSION):
        ids = {
            id_
            for key in keys
            if key.kind == kind
            for type_, id_ in links.sharing(work.connection, work.organisation, key)
            if type_ == ORDER and not layers.is_told(work.connection, work.organisation, ORDER, id_)
        }
        mine = [id_ for id_ in sorted(ids) if patient and _owner(work, id_) == patient]
        if len(mine) == 1:
            return [(mine[0], patient)]
    return []


def _is_anothers(work: Work, id_: str, patient: str) -> bool:
    """Whether an order of this id is another patient's: one that only images told of."""
    row = resources.current(work.connection, work.organisation, ORDER, id_)
    return row is not None and not row.deleted and _owner(work, id_) != patient


def _owner(work: Work, id_: str) -> str:
    row = resources.current(work.connection, work.organisation, ORDER, id_)
    return identities.heir(work.connection, work.organisation, row.filed_under)


def _new_id(work: Work, keys: set[Key]) -> str:
    """The id that the order's first number gives it; "" for an order that nothing names."""
    name = order_name(keys)
    return derived_id(work.site.key, ORDER, f"{work.organisation}|{name}") if name else ""


def _write(
    work: Work, id_: str, whose: Whose, order: OrderFacts, report_status: str, first: bool
) -> None:
    told = layers.is_told(work.connection, work.organisation, ORDER, id_)
    current = work.body(ORDER, id_) if told else None  # what images told gives way to messages
    derived.forget_all(work.connection, work.organisation, ORDER, id_)
    old = str(current["status"]) if current else ""
    if report_status:
        step = order_status.after_report(old, report_status)
    else:
        before = _before(work, id_) if order.control in order_status.REFUSALS else ""
        step = order_status.next_status(old, order.control, order.status, before=before)
    if step.remark:
        work.outcome.notes.append(step.remark)
    view = OrderView(
        id=id_,
        status=step.status,
        subject=f"Patient/{whose.patient}",
        encounter=whose.encounter,
        reported=bool(report_status),
    )
    body = service_request.merge(current, order, view, work.context)
    work.write(body, whose.patient, f"the order of {work.header.kind}", first=first)


def _before(work: Work, id_: str) -> str:
    """What an order was before it was revoked, "" if it always was."""
    for version in resources.versions(work.connection, work.organisation, ORDER, id_):
        status = str(wire.read(version.text)["status"]) if version.text else ""
        if status not in ("", order_status.REVOKED):
            return status
    return ""


def note_studies(work: Work, type_: str, id_: str, patient: str, uids: Uids) -> None:
    """Make a placeholder for each study that is named and not there; question carriers at odds."""
    for uid in uids.studies:
        study = placeholders.id_of(work.site, uid)
        known = resources.current(work.connection, work.organisation, IMAGES, study)
        if known is None and not placeholders.claim_of(work.connection, work.organisation, study):
            body = placeholders.make(work.site, uid, patient)
            work.write(body, patient, "a study that is named and has not come")
            work.keep_keys(IMAGES, study, {Key(STUDY, uid)})
    if uids.conflicts:
        evidence = {
            "rule": "the carriers of the Study Instance UID disagree",
            "resources": [f"{type_}/{id_}"],
            "carriers": [[one.field, one.uid] for one in uids.carriers if one.level == "study"],
        }
        work.question("carriers", f"{type_}/{id_}|{'|'.join(uids.conflicts)}", evidence)


def _hold(work: Work, rule: str, found: list[tuple[str, str]]) -> None:
    evidence = {
        "rule": rule,
        "orders": [id_ for id_, _ in found if id_],
        "patients": [patient for _, patient in found],
    }
    work.hold("order", f"message {work.message}|{rule}", evidence)
