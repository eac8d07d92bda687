"""What was written and why, as Provenance: one for each patient whose record was changed."""

from collections.abc import Sequence

from sqlalchemy import Connection

from fhir import provenance
from fhir.provenance import ProvenanceView
from hl7.events import Facts
from hl7.facts import AdtFacts
from hl7.moments import NEVER
from hl7.types import NO_PERSON
from server import clock
from server.flows.patients import Site
from server.flows.writing import Work
from server.store import resources
from server.store.install import derived_id
from server.store.messages import Effect
from server.store.resources import Change, Owner


def record(work: Work, facts: Facts) -> None:
    """Write the Provenance of all that a message has changed; nothing if it changed nothing."""
    author, occurred = NO_PERSON, NEVER
    if isinstance(facts, AdtFacts):
        author, occurred = next(iter(facts.operators), NO_PERSON), facts.occurred
    targets: dict[str, list[str]] = {}
    for effect in work.outcome.effects:
        row = resources.current(work.connection, work.organisation, effect.type, effect.id)
        address = f"{effect.type}/{effect.id}/_history/{effect.version}"
        targets.setdefault(row.filed_under, []).append(address)
    for patient, written in targets.items():
        natural = f"{work.organisation}|{work.message}|{patient}|{'|'.join(written)}"
        view = ProvenanceView(
            id=derived_id(work.site.key, "Provenance", natural),
            targets=tuple(dict.fromkeys(written)),
            recorded=clock.instant(work.now),
            author=author,
            occurred=occurred,
        )
        body = provenance.build(work.header, view, work.context)
        work.write(body, patient, f"what {work.header.kind} changed")


def of_server(
    connection: Connection,
    site: Site,
    patient: str,
    effects: Sequence[Effect],
    change: Change,
    who: str = "Triptych",
) -> None:
    """Write the Provenance of what an operator or the server itself has changed."""
    written = [f"{one.type}/{one.id}/_history/{one.version}" for one in dict.fromkeys(effects)]
    if not written:
        return
    natural = f"{site.organisation}|{who}|{'|'.join(written)}"
    view = ProvenanceView(
        id=derived_id(site.key, "Provenance", natural),
        targets=tuple(written),
        recorded=clock.instant(change.now),
    )
    why = "; ".join(dict.fromkeys(one.why for one in effects))
    resources.put(
        connection, Owner(site.organisation, patient), provenance.by(who, why, view), change
    )
