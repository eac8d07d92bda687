"""What was written and why, as Provenance: one for each patient whose record was changed.

What changed of things that are held back is told apart, and held back with them: a Provenance
names what it is about, and so tells that it exists.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

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
    targets: dict[tuple[str, bool], list[str]] = {}
    for effect in work.outcome.effects:
        row = resources.current(work.connection, work.organisation, effect.type, effect.id)
        address = f"{effect.type}/{effect.id}/_history/{effect.version}"
        targets.setdefault((row.filed_under, row.hidden), []).append(address)
    for (patient, held), written in targets.items():
        name = f"{work.message}|{patient}|{'|'.join(written)}"
        view = _view(work.site, name, tuple(dict.fromkeys(written)), work.now)
        view = replace(view, author=author, occurred=occurred)
        body = provenance.build(work.header, view, work.context)
        work.write(body, patient, f"what {work.header.kind} changed", held=held)


def of_server(
    connection: Connection,
    site: Site,
    patient: str,
    effects: Sequence[Effect],
    change: Change,
    who: str = "Triptych",
    person: str = "",
) -> None:
    """Write the Provenance of what an operator, a client or the server itself has changed.

    `person` is the resource that stands for the person who did it, where there is one.
    """
    by_hidden: dict[bool, list[Effect]] = {}
    for one in dict.fromkeys(effects):
        row = resources.current(connection, site.organisation, one.type, one.id)
        by_hidden.setdefault(row.hidden, []).append(one)
    for held, told in by_hidden.items():
        written = _addresses(told)
        view = _view(site, f"{who}|{'|'.join(written)}", written, change.now)
        why = "; ".join(dict.fromkeys(one.why for one in told))
        owner = Owner(site.organisation, patient, held)
        resources.put(connection, owner, provenance.by(who, why, view, person), change)


def of_objects(
    connection: Connection,
    site: Site,
    owner: Owner,
    effects: Sequence[Effect],
    sources: tuple[str, Iterable[str]],
    change: Change,
) -> None:
    """Write the Provenance of what was derived from DICOM objects: `sources` are institution and UIDs."""
    written = _addresses(effects)
    institution, uids = sources
    view = _view(site, f"DICOM|{'|'.join(written)}", written, change.now)
    body = provenance.derived(institution, uids, change.reason, view)
    resources.put(connection, owner, body, change)


def _addresses(effects: Iterable[Effect]) -> tuple[str, ...]:
    """The versions that were written."""
    return tuple(f"{one.type}/{one.id}/_history/{one.version}" for one in effects)


def _view(site: Site, name: str, written: tuple[str, ...], now: int) -> ProvenanceView:
    """What is told of them, under a name that is theirs alone."""
    natural = f"{site.organisation}|{name}"
    id_ = derived_id(site.key, "Provenance", natural)
    return ProvenanceView(id=id_, targets=written, recorded=clock.instant(now))
