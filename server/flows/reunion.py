"""Rule uid+number: an unissued record becomes part of the record that a message names.

A header without an issuer has a number that only its source vouches for. When a message names the
same study, by UID or accession, for a patient with the same number, and birth date, sex and
family name do not contradict, both are one person. What moved is kept, so that it can be undone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from fhir import wire
from server.flows import patients
from server.flows.patients import Site
from server.store import identities, jobs, people, resources
from server.store.links import ACCESSION, STUDY
from server.store.resources import Change, Owner

if TYPE_CHECKING:
    from server.flows.joining import Node

RULE = "uid+number"


def unite(connection: Connection, site: Site, nodes: "Sequence[Node]", change: Change) -> bool:
    """Join the unissued records among the patients of these nodes; true when one was joined."""
    done = False
    for study in nodes:
        row = people.patient_row(connection, site.organisation, study.patient)
        if study.type != "ImagingStudy" or row is None or row.kind != "unissued":
            continue
        if row.replaced_by:
            continue
        found = [
            (other, kind)
            for kind in (STUDY, ACCESSION)
            for other in nodes
            if other.type != "ImagingStudy"
            and other.patient != study.patient
            and other.shares(study, kind)
            and _agrees(connection, site, row, other.patient)
        ]
        if len({other.patient for other, _ in found}) == 1:
            other, kind = found[0]
            evidence = {"by": kind, "study": study.id, "message_resource": other.reference}
            _unite(connection, site, row, other.patient, evidence, change)
            done = True
    return done


def _agrees(connection: Connection, site: Site, unissued: Any, other: str) -> bool:
    """Whether a record bears the number of an unissued one, and nothing contradicts."""
    row = people.patient_row(connection, site.organisation, other)
    if row is None or row.kind == "unissued":
        return False
    header, known = patients.load_facts(unissued.facts), patients.load_facts(row.facts)
    if header.number.value not in identities.values_of(connection, site.organisation, other):
        return False
    contradicts = patients.contradictions(site, header, known)
    return not contradicts and not patients.family_differs(site, header, known)


def _unite(
    connection: Connection,
    site: Site,
    unissued: Any,
    heir: str,
    evidence: dict[str, Any],
    change: Change,
) -> None:
    moved = identities.join(
        connection,
        site.organisation,
        unissued.id,
        heir,
        rule=RULE,
        evidence=evidence,
        now=change.now,
    )
    _withdraw(connection, site, unissued.id, change)
    for uid, claim in moved:
        jobs.add(
            connection,
            site.organisation,
            "settle",
            f"{uid}|{claim}",
            now=change.now,
            run_at=change.now,
        )
    note = evidence | {"rule": RULE, "patient": unissued.id, "became part of": heir}
    patients.add_review(
        connection,
        site,
        "identity-joined",
        f"{unissued.id}|{heir}",
        evidence["study"],
        note,
        change.now,
        "noted",
    )


def _withdraw(connection: Connection, site: Site, id_: str, change: Change) -> None:
    """The Patient of a record that is part of another: gone, with its history."""
    row = resources.current(connection, site.organisation, "Patient", id_)
    if row is not None and not row.deleted:
        owner = Owner(site.organisation, row.filed_under, row.hidden)
        resources.withdraw(connection, owner, wire.read(row.text), change)
