"""What a person decides on review items: each kind has its evidence, and its own accept, refuse, undo.

A decision acts through the flows that the server itself uses, and stays: what was refused is not
proposed again on the same evidence.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from server import clock
from server.errors import Conflict, Invalid, Missing
from server.flows import curating, deletions, joining, lanes, mergers, messages, parties, reunion
from server.flows.actors import CLI, Actor
from server.flows.patients import Site
from server.flows.sites import House
from server.store import copies, identities, index, jobs, reviews
from server.store import messages as log
from server.store.identities import Joining
from server.store.index import StudyKey
from server.store.reviews import ACCEPTED, NOTED, OPEN, REFUSED, RESOLVED
from server.store.tables import review

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision in its transaction. `into` is the record that stays, where one has to be named."""

    house: House
    connection: Connection
    site: Site
    row: Any
    evidence: Json
    reason: str
    into: str
    now: int
    by: Actor


Act = Callable[[Decision], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be done about one kind of item: each act gives the item's state after it.

    `name` is that of the acts together, for pages that say them in other languages.
    """

    name: str
    accepting: str
    accept: Act
    refusing: str
    refuse: Act
    undo: Act


def listing(house: House, state: str = OPEN) -> list[Json]:
    """Review items with their evidence and what may be done about them, oldest first, at most 500."""
    query = select(review).order_by(review.c.created).limit(500)
    if state:
        query = query.where(review.c.state == state)
    with house.database.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [_shown(dict(row)) for row in rows]


def _shown(row: Json) -> Json:
    evidence = json.loads(row["evidence"])
    kind = kind_of(row["kind"], evidence)
    outcome = json.loads(row["outcome"]) if row["outcome"] else {}
    more = {"evidence": evidence, "outcome": outcome}
    return row | more | {"accept": kind.accepting, "refuse": kind.refusing}


def accept(
    house: House,
    organisation: str,
    id_: str,
    reason: str,
    into: str = "",
    *,
    now: int,
    by: Actor = CLI,
) -> Json:
    """Decide that what an item proposes is so. Raises Missing, Invalid, Conflict."""
    return _decide(house, organisation, id_, reason, into, "accept", now, by)


def refuse(
    house: House, organisation: str, id_: str, reason: str, *, now: int, by: Actor = CLI
) -> Json:
    """Decide that it is not so."""
    return _decide(house, organisation, id_, reason, "", "refuse", now, by)


def undo(
    house: House, organisation: str, id_: str, reason: str, *, now: int, by: Actor = CLI
) -> Json:
    """Take a decision back, and what it did."""
    return _decide(house, organisation, id_, reason, "", "undo", now, by)


def _decide(
    house: House,
    organisation: str,
    id_: str,
    reason: str,
    into: str,
    act: str,
    now: int,
    by: Actor,
) -> Json:
    if not reason.strip():
        raise Invalid("say why, with --reason: it is kept with the item and in the audit")
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        row = reviews.get(connection, owner, id_)
        if row is None:
            raise Missing("there is no such item: `review list` has their ids")
        _check_state(row.state, act)
        site, evidence = house.site(connection, owner, now), json.loads(row.evidence)
        decision = Decision(house, connection, site, row, evidence, reason, into, now, by)
        acts = kind_of(row.kind, evidence)
        done: Act = {"accept": acts.accept, "refuse": acts.refuse, "undo": acts.undo}[act]
        state = done(decision)
        outcome = json.dumps({"decision": act, "reason": reason, "at": clock.instant(now)})
        reviews.set_state(connection, owner, id_, state, outcome=outcome)
        detail = f"review {act} {row.kind} {id_}: {reason}"
        house.auditor.append(connection, by.event(owner, "update", detail))
    return {"id": id_, "kind": row.kind, "was": row.state, "state": state}


def _check_state(state: str, act: str) -> None:
    decided = state in (ACCEPTED, REFUSED)
    if act == "undo" and not decided:
        raise Conflict(f"this item is {state}: only a decision can be undone")
    if act != "undo" and decided:
        raise Conflict(f"this item is {state} already: `review undo` takes that back first")
    if act != "undo" and state == RESOLVED:
        raise Conflict("this item has settled itself")


def _seen(decision: Decision) -> str:
    return ACCEPTED


def _nothing(decision: Decision) -> str:
    return REFUSED


def _reopened(decision: Decision) -> str:
    return NOTED if decision.row.kind in (reunion.KIND, "other-encoding") else OPEN


def _no_refusal(decision: Decision) -> str:
    raise Invalid("this item only tells what was done: accept it when it has been looked at")


# Records that may be one person.


def _unite(decision: Decision, gone: str, stays: str) -> str:
    told = Joining(gone, stays, curating.OPERATOR, evidence={"reason": decision.reason})
    curating.merge_records(
        decision.house, decision.connection, decision.site, told, decision.now, decision.by
    )
    return ACCEPTED


def _part(decision: Decision, id_: str) -> None:
    if identities.current_join(decision.connection, decision.site.organisation, id_) is None:
        return  # somebody has parted them meanwhile
    curating.part_records(
        decision.house,
        decision.connection,
        decision.site,
        id_,
        decision.reason,
        decision.now,
        decision.by,
    )


def _accept_apart(decision: Decision) -> str:
    return _unite(decision, decision.evidence["apart"], decision.evidence["patient"])


def _undo_apart(decision: Decision) -> str:
    if decision.row.state == ACCEPTED:
        _part(decision, decision.evidence["apart"])
    return OPEN


def _accept_join(decision: Decision) -> str:
    both = decision.evidence["patients"]
    if not decision.into:
        raise Invalid(f"name the record that stays, with --into: one of {', '.join(both)}")
    organisation = decision.site.organisation
    stays = curating.record(decision.connection, organisation, decision.into)
    gone = [one for one in both if one != stays]
    if len(gone) != 1:
        raise Invalid(f"--into has to be one of {', '.join(both)}")
    return _unite(decision, gone[0], stays)


def _undo_join(decision: Decision) -> str:
    one, other = decision.evidence["patients"]
    for gone, stays in ((one, other), (other, one)):
        row = identities.current_join(decision.connection, decision.site.organisation, gone)
        if decision.row.state == ACCEPTED and row is not None and row.heir == stays:
            _part(decision, gone)
    return OPEN


def _refuse_unissued(decision: Decision) -> str:
    _part(decision, decision.evidence["patient"])
    return REFUSED


def _undo_unissued(decision: Decision) -> str:
    if decision.row.state == ACCEPTED:
        return NOTED
    study = decision.evidence["study"]
    joining.ask(decision.connection, decision.site.organisation, study, decision.now)
    return RESOLVED  # noted again when they are joined again


# Messages that were held.


def _message(decision: Decision) -> Any:
    row = log.row(decision.connection, decision.site.organisation, decision.evidence["message"])
    if row is None:
        raise Missing("the message of this item is not in the log any more")
    return row


def _believe(decision: Decision) -> str:
    messages.apply_again(decision.connection, _message(decision), decision.now)
    return ACCEPTED


def _retry(decision: Decision) -> str:
    messages.apply_again(decision.connection, _message(decision), decision.now)
    return RESOLVED  # open again if the reason is still there


def _set_aside(decision: Decision) -> str:
    row = _message(decision)
    if row.state == log.REVIEW:
        lanes.set_aside(decision.connection, row, "refused by an operator")
    return REFUSED


def _take_back(decision: Decision) -> str:
    if decision.row.state == ACCEPTED:
        raise Invalid("the message was applied: send or replay what corrects it")
    row = _message(decision)
    log.hold(decision.connection, row.organisation, row.id)
    return OPEN


# Studies and objects.


def _claim(decision: Decision, held: bool) -> None:
    organisation, uid = decision.site.organisation, decision.row.study
    theirs = decision.evidence["patients"][1]
    for row in index.claims(decision.connection, organisation, uid):
        if row.claim and row.filed_under == theirs:
            key = StudyKey(organisation, uid, row.claim)
            index.summarise(decision.connection, key, {"held": held, "unconfirmed": held})
            _settle(decision, key)


def _settle(decision: Decision, key: StudyKey) -> None:
    where, now = f"{key.uid}|{key.claim}", decision.now
    jobs.add(decision.connection, key.organisation, "settle", where, now=now, run_at=now)


def _show_claim(decision: Decision) -> str:
    _claim(decision, held=False)
    return ACCEPTED


def _undo_claim(decision: Decision) -> str:
    if decision.row.state == ACCEPTED:
        _claim(decision, held=True)
    return OPEN


def _swap(decision: Decision) -> str:
    uid, copy = decision.evidence["instance"], decision.evidence["copy"]
    key = copies.swap(decision.connection, decision.site.organisation, uid, copy, decision.now)
    if key is None:
        raise Conflict("the two contents are not of one series: neither can take the other's place")
    _settle(decision, key)
    return ACCEPTED


def _undo_swap(decision: Decision) -> str:
    if decision.row.state == ACCEPTED:
        _swap(decision)
    return OPEN


_SEEN = Kind("seen", "closes the item", _seen, "nothing to refuse", _no_refusal, _reopened)
_HELD = Kind(
    "held",
    "applies the message again, once what was in its way is mended",
    _retry,
    "parks the message",
    _set_aside,
    _take_back,
)
_BELIEVED = Kind(
    "believed",
    "believes the message and applies it",
    _believe,
    "parks the message",
    _set_aside,
    _take_back,
)
KINDS: Mapping[str, Kind] = {
    "identity": Kind(
        "apart",
        "merges the record set apart into the one that has the number",
        _accept_apart,
        "leaves the record apart",
        _nothing,
        _undo_apart,
    ),
    joining.REVIEW: Kind(
        "join",
        "merges the two patients: --into names the one that stays",
        _accept_join,
        "leaves them two patients, not joined",
        _nothing,
        _undo_join,
    ),
    reunion.KIND: Kind(
        "unissued",
        "confirms that both records are one person",
        _seen,
        "takes the images out of the patient again, and keeps them out",
        _refuse_unissued,
        _undo_unissued,
    ),
    "second-claim": Kind(
        "claim",
        "shows the second study to its own patient",
        _show_claim,
        "leaves it hidden from its patient",
        _nothing,
        _undo_claim,
    ),
    "other-content": Kind(
        "content",
        "shows the content that came later, and keeps the first",
        _swap,
        "goes on showing the first content",
        _nothing,
        _undo_swap,
    ),
    "other-encoding": _SEEN,
    "carriers": _SEEN,
    deletions.KIND: _SEEN,
    "link": _SEEN,
    "order": _HELD,
    "report": _HELD,
    "visit": _HELD,
    "message": _HELD,
    mergers.KIND: _HELD,
}


def kind_of(kind: str, evidence: Json) -> Kind:
    """The acts of an item. A held message is another matter than a question about what was done."""
    if kind == "identity" and "message" in evidence:
        return _BELIEVED if evidence.get("believable") else _HELD
    if kind == mergers.KIND and evidence["rule"] == mergers.NOT_OWNED:
        return _BELIEVED
    if kind == "report" and "resources" in evidence:
        return _SEEN
    return KINDS[kind]
