"""Merges, links and renamings that a feed tells: A18, A24, A34, A37, A39, A40, A47 (HL7 2.5.1 ch. 3.3).

A feed merges only what it owns, within its organisation. What it may not do, and what is at odds with
what was done before, is put before a person with the message; it is never a reason to refuse it.
"""

from dataclasses import dataclass, replace

from dicom.facts import Number
from fhir import v2_patient
from fhir.hl7_identifiers import patient_identifier
from fhir.patient_links import renumbered, with_numbers
from fhir.v2_patient import PatientView
from hl7.facts import AdtFacts, Merge, PatientFacts, PriorFacts
from hl7.types import Identifier
from server.flows import admissions, feeds, linking, merging, patients, persons
from server.flows.writing import Json, Work
from server.store import identities
from server.store.identities import Joining
from server.store.resources import Change

KIND = "merge"
NOT_OWNED = "the feed does not own the numbers on both sides"
Keys = list[tuple[Number, str]]


@dataclass(frozen=True, slots=True)
class Pair:
    """PID and MRG, and of both the numbers that the feed owns, each with its system."""

    patient: PatientFacts
    prior: PatientFacts
    mine: Keys
    others: Keys
    place: int


def apply(work: Work, facts: AdtFacts) -> None:
    """Apply each pair of PID and MRG on its own."""
    act = {"A24": _link, "A37": _undo, "A47": _renumber}.get(work.header.event, _merge)
    for place, told in enumerate(facts.merges):
        pair = _pair(work, told, place)
        if not (pair.mine and pair.others):
            _hold(work, pair, NOT_OWNED, ())
        elif {(s, n.value) for n, s in pair.mine} & {(s, n.value) for n, s in pair.others}:
            _hold(work, pair, "PID and MRG have the same number", ())
        else:
            act(work, pair)


def _pair(work: Work, told: Merge, place: int) -> Pair:
    prior = prior_patient(told.prior)
    trusted = work.believed(KIND, _key(work, place))
    mine, others = (_keys(work, one, trusted) for one in (told.patient, prior))
    return Pair(told.patient, prior, mine, others, place)


def _key(work: Work, place: int) -> str:
    """What names the review item about one pair of a message."""
    return f"message {work.message}|{place}"


def prior_patient(prior: PriorFacts) -> PatientFacts:
    """The numbers of MRG as those of a patient of whom nothing else is told."""
    return PatientFacts(
        identifiers=prior.identifiers, external=prior.external, alternates=prior.alternates
    )


def _keys(work: Work, person: PatientFacts, trusted: bool) -> Keys:
    """The numbers that the feed owns; where a person trusts it, all that the organisation has."""
    numbers = persons.own_numbers(person, work.site)
    keys = persons.keys(work.connection, work.site, work.feed, numbers, work.now)
    return [key for key in keys if trusted or feeds.owns(work.connection, work.feed, key[1])]


def _merge(work: Work, pair: Pair) -> None:
    """Let the record of MRG be replaced by that of PID; either is made if it is not known."""
    gone = _bearers(work, pair.others)
    if len(gone) > 1:
        return _hold(work, pair, "the numbers of MRG belong to several patients", gone)
    heir = admissions.settle_patient(work, pair.patient, authoritative=False)
    if not heir:
        return None  # put before a person already
    survivor = work.filed_under(heir)
    retired = gone[0] if gone else _stub(work, pair)
    known = identities.current_join(work.connection, work.organisation, retired)
    if known is not None and known.heir == survivor:
        work.outcome.notes.append("these patients are merged already")
        return _number(work, pair, retired)
    if reason := merging.obstacle(work.connection, work.organisation, retired, survivor):
        return _hold(work, pair, reason, (survivor, retired))
    if identities.was_undone(work.connection, work.organisation, retired, survivor, work.message):
        work.outcome.notes.append("this merge was undone by a person, and stays so")
        return None
    _number(work, pair, retired)
    evidence: Json = {"kind": work.header.kind, "feed": work.feed.name}
    told = Joining(retired, survivor, work.header.event, work.message, evidence)
    change = Change(work.now, f"merged by {work.header.kind}", work.base)
    work.outcome.effects += merging.merge(work.connection, work.site, told, change)
    work.audit(survivor, f"merge of {retired} into {survivor}: message {work.message}")
    return None


def _link(work: Work, pair: Pair) -> None:
    """Link the records of two PIDs, which stay two; either is made if it is not known (A24)."""
    others = _bearers(work, pair.others)
    if len(others) > 1:
        return _hold(work, pair, "the numbers of the second PID belong to several patients", others)
    heir = admissions.settle_patient(work, pair.patient, authoritative=False)
    if not heir:
        return None  # put before a person already
    other = others[0] if others else _stub(work, pair)
    if not others:
        _number(work, pair, other)
    return linking.link(work, work.filed_under(heir), other)


def _undo(work: Work, pair: Pair) -> None:
    """Take back what was told before: a link, else a merge that was wrong, whichever survived (A37)."""
    sides = (_bearers(work, pair.mine), _bearers(work, pair.others))
    if linking.unlink(work, *sides):
        return None
    for gone, stays in (sides, sides[::-1]):
        row = identities.current_join(work.connection, work.organisation, gone[0]) if gone else None
        if row is None or row.heir not in stays:
            continue
        if row.message > work.message:
            work.outcome.notes.append("these patients were merged again since")
            return None
        change = Change(work.now, f"a merge undone by {work.header.kind}", work.base)
        work.outcome.effects += merging.unmerge(work.connection, work.site, gone[0], change)
        work.audit(gone[0], f"unmerge of {gone[0]}: message {work.message}")
        return None
    if _was_undone(work, *sides) or linking.were_linked(work, *sides):
        work.outcome.notes.append("these patients are parted already")
        return None
    rule = "these patients are not merged here: there is nothing to undo"
    return _hold(work, pair, rule, [*sides[0], *sides[1]])


def _was_undone(work: Work, one: list[str], other: list[str]) -> bool:
    pairs = [(a, b) for a in one for b in other] + [(b, a) for a in one for b in other]
    return any(
        identities.was_undone(work.connection, work.organisation, gone, stays)
        for gone, stays in pairs
    )


def _bearers(work: Work, keys: Keys) -> list[str]:
    """The records that bear these numbers, whatever became of them."""
    found = {
        identities.bearer(work.connection, work.organisation, system, number.value)
        for number, system in keys
    }
    return sorted(found - {""})


def _stub(work: Work, pair: Pair) -> str:
    """A record for a number that nobody has named before."""
    number, system = pair.others[0]
    header = persons.header_of(pair.prior, [number])
    id_ = patients.make(work.connection, work.site, header, system, number.value, work.now)
    _bind(work, pair.others, id_)
    return id_


def _bind(work: Work, keys: Keys, id_: str) -> None:
    for number, system in keys:
        identities.bind(
            work.connection,
            work.organisation,
            system,
            number.value,
            id_,
            rule=work.header.event,
            now=work.now,
        )


def _number(work: Work, pair: Pair, id_: str) -> None:
    """Let the Patient of MRG have the numbers that it is called by, made if there is none."""
    _bind(work, pair.others, id_)
    body = work.body("Patient", id_)
    if body is None:
        main = v2_patient.main_number(pair.prior, work.feed.owns, work.context)
        body = v2_patient.merge(None, pair.prior, PatientView(id_, main), work.context)
    told = [_identifier(work, one) for one in pair.prior.named_by if _is_in(work, one, pair.others)]
    work.write(with_numbers(body, told), id_, f"the other patient of {work.header.kind}")


def _identifier(work: Work, number: Identifier, use: str = "") -> Json:
    return patient_identifier(number, work.context.site, work.context.zones, use=use)


def _is_in(work: Work, number: Identifier, keys: Keys) -> bool:
    system = _identifier(work, number).get("system", "")
    return (system, number.value) in {(key, one.value) for one, key in keys}


def _renumber(work: Work, pair: Pair) -> None:
    """Give the record of MRG's number the one of PID; the old number goes on naming it (A47)."""
    olds, news = _bearers(work, pair.others), _bearers(work, pair.mine)
    if len(olds) > 1 or (olds and set(news) - set(olds)):
        rule = "the new number is another patient's already: that would be a merge"
        return _hold(work, pair, rule, (*olds, *news))
    if olds:
        _bind(work, pair.mine, olds[0])
    heir = admissions.settle_patient(work, pair.patient, authoritative=False)
    if not heir:
        return None
    record = work.filed_under(heir)
    _bind(work, pair.others, record)
    _rename(work, pair, record)
    work.audit(record, f"change of number of {record}: message {work.message}")
    return None


def _rename(work: Work, pair: Pair, id_: str) -> None:
    """Write the new number as the usual one, the old as old, and what shows them."""
    told = [one for one in pair.patient.named_by if _is_in(work, one, pair.mine)]
    old = [one for one in pair.prior.named_by if _is_in(work, one, pair.others)]
    view = PatientView(id_, told[0])
    current = work.body("Patient", id_)
    body = v2_patient.merge(current, PatientFacts(identifiers=tuple(told)), view, work.context)
    body = renumbered(body, {(system, number.value) for number, system in pair.others})
    body = with_numbers(body, [_identifier(work, one, "old") for one in old])
    body = merging.shown(work.connection, work.organisation, id_, body)
    work.write(body, id_, f"the number of {work.header.kind}")
    number, system = pair.mine[0]
    facts = replace(patients.facts_of(work.connection, work.site, id_), number=number)
    text = patients.dump_facts(facts)
    identities.set_facts(work.connection, work.organisation, id_, text, issuer=system)
    change = Change(work.now, f"number of {work.header.kind}", work.base)
    work.outcome.effects += merging.lend(work.connection, work.site, id_, change)
    merging.ask_to_move(work.connection, work.organisation, id_, work.now)


def _hold(work: Work, pair: Pair, rule: str, records: "tuple[str, ...] | list[str]") -> None:
    """Put a pair before a person, with the message and the records that it is about."""
    kind = work.header.kind
    evidence: Json = {"rule": rule, "kind": kind, "pair": pair.place, "patients": list(records)}
    work.hold(KIND, _key(work, pair.place), evidence)
