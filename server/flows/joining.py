"""Joining: which orders, reports and studies belong together, whatever came first (mapping 2.7).

All that is known by a UID or number has keys. When something comes or changes, everything that
can be reached from it by equal keys is looked at anew, so that the outcome depends on what is
there and not on the order in which it came. Nothing is joined across two patients.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from dicom.facts import Issuer, Number
from fhir import wire
from fhir.imaging_study import Order
from fhir.match_keys import local_reference
from server import clock
from server.flows import patients, placeholders, reunion
from server.flows.nodes import Node
from server.flows.patients import Site
from server.flows.sites import House
from server.store import identities, jobs, links, messages, resources, reviews
from server.store.install import is_authored
from server.store.jobs import Job
from server.store.links import ACCESSION, FILLER, PLACER, PROCEDURE, STUDY
from server.store.messages import Effect
from server.store.resources import Change, Owner

Json = dict[str, Any]
KIND = "join"
REVIEW = "join"
IMAGES, ORDER, REPORT = "ImagingStudy", "ServiceRequest", "DiagnosticReport"
_LARGEST = 500
# How each pair is matched, the strongest first. One number may be that of several studies.
_TO_STUDIES = (STUDY, ACCESSION, FILLER, PLACER, PROCEDURE)
_TO_ORDERS = (FILLER, PLACER, ACCESSION, STUDY, PROCEDURE)
_SEVERAL = frozenset({STUDY, ACCESSION})
# Keys that must not be shared by two patients; a shared one is put before a person.
_TELLING = (STUDY, ACCESSION, FILLER)
_WORDS = {STUDY: "Study Instance UID", ACCESSION: "accession number", FILLER: "filler number"}
_WORDS |= {PLACER: "placer number", PROCEDURE: "requested procedure id"}


@dataclass(frozen=True, slots=True)
class Link:
    """What something is joined with, and by which kind of key."""

    to: Node
    kind: str


def match(one: Node, others: Iterable[Node], kinds: Sequence[str]) -> list[Link]:
    """Those of the same patient that the strongest telling kind of key finds.

    A UID or accession finds all that have it; any other number counts if it finds exactly one.
    """
    mine = [other for other in others if other.patient == one.patient]
    for kind in kinds:
        found = [other for other in mine if one.shares(other, kind)]
        if len(found) == 1 or (found and kind in _SEVERAL):
            return [Link(other, kind) for other in sorted(found, key=lambda node: node.id)]
    return []


def around(
    connection: Connection, organisation: int, start: Iterable[tuple[str, str]]
) -> list[Node]:
    """Everything that can be reached by equal keys, in a fixed order; at most 500."""
    waiting, nodes = list(start), dict[tuple[str, str], Node]()
    while waiting and len(nodes) < _LARGEST:
        type_, id_ = waiting.pop()
        if (type_, id_) in nodes:
            continue
        row = resources.current(connection, organisation, type_, id_)
        if row is None or row.deleted or (row.hidden and type_ == IMAGES):
            continue  # a held study waits for a person; a report that is not released is joined
        keys = links.of(connection, organisation, type_, id_)
        patient = identities.heir(connection, organisation, row.filed_under)
        nodes[(type_, id_)] = Node(type_, id_, patient, keys)
        for key in keys:
            waiting += links.sharing(connection, organisation, key)
    return [nodes[key] for key in sorted(nodes)]


def join(
    connection: Connection,
    site: Site,
    start: Iterable[tuple[str, str]],
    change: Change,
) -> list[Effect]:
    """Join anew all that hangs together with these resources; gives the versions it wrote.

    Studies that are to show other orders are settled again by a job.
    """
    nodes = around(connection, site.organisation, start)
    if reunion.unite(connection, site, nodes, change):
        nodes = around(connection, site.organisation, [(one.type, one.id) for one in nodes])
    _question(connection, site, nodes, change.now)
    effects = [
        effect
        for node in nodes
        if node.type == REPORT
        for effect in _link_report(connection, site, node, nodes, change)
    ]
    for node in nodes:
        if node.type == IMAGES:
            effects += _link_study(connection, site, node, nodes, change)
    return effects


def work(house: House, job: Job) -> None:
    """The handler of `join` jobs, by which a settled study looks for what belongs to it.

    The job's key is the id of the ImagingStudy.
    """
    with house.database.write() as connection:
        now = clock.now()
        site = house.site(connection, job.organisation, now)
        change = Change(now, "joined", house.config.fhir_base)
        for effect in join(connection, site, [(IMAGES, job.key)], change):
            _explain(connection, job.organisation, effect)


def ask(connection: Connection, organisation: int, id_: str, now: int) -> None:
    """Ask for what belongs to a study to be joined with it."""
    jobs.add(connection, organisation, KIND, id_, now=now, run_at=now)


def orders_of(study: Node, nodes: Sequence[Node]) -> list[Link]:
    """The orders that a study answers, each with the key that found it."""
    orders = [node for node in nodes if node.type == ORDER]
    studies = [node for node in nodes if node.type == IMAGES]
    return [
        Link(order, link.kind)
        for order in orders
        for link in match(order, studies, _TO_STUDIES)
        if link.to == study
    ]


def study_orders(connection: Connection, organisation: int, id_: str) -> tuple[Order, ...]:
    """The orders of a study, for its ImagingStudy."""
    nodes = around(connection, organisation, [(IMAGES, id_)])
    mine = next((node for node in nodes if (node.type, node.id) == (IMAGES, id_)), None)
    return tuple(_order(link.to) for link in orders_of(mine, nodes)) if mine else ()


def explained(
    connection: Connection, organisation: int, start: Iterable[tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """What is joined around these resources: two references, and the kind of key that joined them.

    Of each pair the first is the report or the study, the second what it was joined with.
    """
    nodes = around(connection, organisation, start)
    orders, studies = ([n for n in nodes if n.type == type_] for type_ in (ORDER, IMAGES))
    found = []
    for node in nodes:
        if node.type == IMAGES:
            found += [(node, link) for link in orders_of(node, nodes)]
        elif node.type == REPORT:
            found += [(node, link) for link in match(node, orders, _TO_ORDERS)]
            found += [(node, link) for link in _studies_of(node, orders, studies)]
    return [(node.reference, link.to.reference, link.kind) for node, link in found]


def _studies_of(report: Node, orders: Sequence[Node], studies: Sequence[Node]) -> list[Link]:
    """The studies that a report tells of, by its own keys or by those of its orders."""
    found = match(report, studies, _TO_STUDIES)
    if found:
        return found
    of_orders = match(report, orders, _TO_ORDERS)
    return [one for link in of_orders for one in match(link.to, studies, _TO_STUDIES)]


def _order(node: Node) -> Order:
    accessions = sorted(key for key in node.keys if key.kind == ACCESSION)
    if not accessions:
        return Order(node.reference)
    key = accessions[0]
    issuer = Issuer("", key.system, "URI") if key.system else Issuer()
    return Order(node.reference, Number(key.value, issuer))


def _link_report(
    connection: Connection, site: Site, report: Node, nodes: Sequence[Node], change: Change
) -> list[Effect]:
    """Let a report name its orders and its studies."""
    found_orders, found = _belonging(report, nodes)
    row = resources.current(connection, site.organisation, REPORT, report.id)
    body = wire.read(row.text)
    wanted = _names(body, found_orders, found, change.base)
    if all(body.get(name, []) == value for name, value in wanted.items()):
        return []
    why = _why([*found_orders, *found])
    owner = Owner(site.organisation, row.filed_under, row.hidden)
    made = _naming(body, wanted)
    version = resources.put(connection, owner, made, replace(change, reason=why))
    return [Effect(REPORT, report.id, version, why)]


def _belonging(report: Node, nodes: Sequence[Node]) -> tuple[list[Link], list[Link]]:
    """The orders and the studies of a report."""
    orders, studies = ([n for n in nodes if n.type == type_] for type_ in (ORDER, IMAGES))
    return match(report, orders, _TO_ORDERS), _studies_of(report, orders, studies)


def _names(body: Json, orders: Sequence[Link], studies: Sequence[Link], base: str) -> Json:
    """What a report is to name. What its author named stays beside what was found."""
    found = {
        "basedOn": [_reference(link.to) for link in orders],
        "imagingStudy": [_reference(node) for node in dict.fromkeys(x.to for x in studies)],
    }
    if not is_authored(body["id"]):
        return found
    for name, more in found.items():
        said = body.get(name, [])
        known = {local_reference(one.get("reference", ""), base) for one in said}
        more = [one for one in more if local_reference(one["reference"], base) not in known]
        found[name] = [*said, *more]
    return found


def _naming(body: Json, wanted: Json) -> Json:
    rest = {key: value for key, value in body.items() if key not in wanted}
    return rest | {name: value for name, value in wanted.items() if value}


def completed(connection: Connection, organisation: int, body: Json, base: str) -> Json:
    """A report as its author has it now, with what joining finds for it."""
    if body["resourceType"] != REPORT:
        return body
    nodes = around(connection, organisation, [(REPORT, body["id"])])
    mine = next((node for node in nodes if (node.type, node.id) == (REPORT, body["id"])), None)
    if mine is None:
        return body
    return _naming(body, _names(body, *_belonging(mine, nodes), base))


def _reference(node: Node) -> dict[str, str]:
    return {"reference": node.reference}


def _why(found: Sequence[Link]) -> str:
    told = dict.fromkeys(f"{x.to.reference} by {_WORDS[x.kind]}" for x in found)
    return "joined with " + ", ".join(told) if told else "joined with nothing any more"


def _link_study(
    connection: Connection, site: Site, study: Node, nodes: Sequence[Node], change: Change
) -> list[Effect]:
    """Let a study name its orders: a job settles it again, a placeholder is written here."""
    found = orders_of(study, nodes)
    row = resources.current(connection, site.organisation, IMAGES, study.id)
    body = wire.read(row.text)
    shown = {one["reference"] for one in body.get("basedOn", []) if "reference" in one}
    if shown == {link.to.reference for link in found}:
        return []
    where = placeholders.claim_of(connection, site.organisation, study.id)
    if where:
        jobs.add(connection, site.organisation, "settle", where, now=change.now, run_at=change.now)
        return []
    why = _why(found)
    orders = tuple(_order(link.to) for link in found)
    made = placeholders.body(site, study.id, body, orders)
    owner = Owner(site.organisation, row.filed_under, row.hidden)
    version = resources.put(connection, owner, made, replace(change, reason=why))
    return [Effect(IMAGES, study.id, version, why)]


def _question(connection: Connection, site: Site, nodes: Sequence[Node], now: int) -> None:
    """Put before a person what shares a telling key and names another patient, while it does."""
    for index, one in enumerate(nodes):
        for other in nodes[index + 1 :]:
            kinds = [kind for kind in _TELLING if one.shares(other, kind)]
            key = f"{one.reference}|{other.reference}"
            if kinds and one.patient == other.patient:
                reviews.resolve(connection, site.organisation, REVIEW, key)
            elif kinds:
                evidence: dict[str, Any] = {
                    "rule": f"the same {_WORDS[kinds[0]]}, another patient",
                    "resources": [one.reference, other.reference],
                    "patients": [one.patient, other.patient],
                }
                study = next((k.value for k in sorted(one.keys) if k.kind == STUDY), "")
                patients.add_review(connection, site, REVIEW, key, study, evidence, now)


def _explain(connection: Connection, organisation: int, effect: Effect) -> None:
    """Note a join that a study brought about with the message that wrote the other side."""
    message = messages.last_writer(connection, organisation, effect.type, effect.id)
    if message:
        messages.add_effects(connection, organisation, message, [effect])
