"""What a message wrote, as Provenance: one for each patient whose record it changed."""

from fhir import provenance
from fhir.provenance import ProvenanceView
from server import clock
from server.flows.writing import Work
from server.store import resources
from server.store.install import derived_id


def record(work: Work) -> None:
    """Write the Provenance of all that a message has changed; nothing if it changed nothing."""
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
        )
        body = provenance.build(work.header, view, work.context)
        work.write(body, patient, f"what {work.header.kind} changed")
