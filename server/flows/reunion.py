"""Rule uid+number: an unissued record becomes part of the record that a message names.

A header without an issuer has a number that only its source vouches for. When a message names the
same study, by UID or accession, for a patient with the same number, and birth date, sex and
family name do not contradict, both are one person. It is explained, can be refused and be undone.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from server.flows import merging, patients
from server.flows.nodes import Node
from server.flows.patients import Site
from server.store import identities, people, reviews
from server.store.identities import Joining
from server.store.links import ACCESSION, STUDY
from server.store.resources import Change

RULE = "uid+number"
KIND = "identity-joined"


def unite(connection: Connection, site: Site, nodes: Sequence[Node], change: Change) -> bool:
    """Join the unissued records among the patients of these nodes; true when one was joined."""
    done = False
    for study in nodes:
        row = people.patient_row(connection, site.organisation, study.patient)
        if study.type != "ImagingStudy" or row is None or row.kind != "unissued":
            continue
        if row.replaced_by:
            continue
        found = [
            (bearer, other, kind)
            for kind in (STUDY, ACCESSION)
            for other in nodes
            if other.type != "ImagingStudy"
            and other.patient != study.patient
            and other.shares(study, kind)
            for bearer in _agreeing(connection, site, row, other.patient)
        ]
        if len({bearer for bearer, _, _ in found}) == 1:
            bearer, other, kind = found[0]
            evidence = {"by": kind, "study": study.id, "message_resource": other.reference}
            done |= _unite(connection, site, row.id, bearer, evidence, change)
    return done


def _agreeing(connection: Connection, site: Site, unissued: Any, patient: str) -> list[str]:
    """The record of a patient that bears the number of an unissued one, if nothing contradicts.

    Of a patient whose records were merged it is the one that the number names.
    """
    records = [patient, *identities.parts_of(connection, site.organisation, patient)]
    header = patients.load_facts(unissued.facts)
    found = identities.bearing(connection, site.organisation, records, header.number.value)
    return [one for one in found if _agrees(connection, site, header, one)]


def _agrees(connection: Connection, site: Site, header: Any, record: str) -> bool:
    known = patients.facts_of(connection, site, record)
    contradicts = patients.contradictions(site, header, known)
    return not contradicts and not patients.family_differs(site, header, known)


def key_of(unissued: str, record: str) -> str:
    """What names the review item about two records."""
    return f"{unissued}|{record}"


def _unite(
    connection: Connection,
    site: Site,
    unissued: str,
    record: str,
    evidence: dict[str, Any],
    change: Change,
) -> bool:
    """Join two records and say so, unless a person has refused that."""
    key, study = key_of(unissued, record), evidence["study"]
    if reviews.state_of(connection, site.organisation, KIND, key) == reviews.REFUSED:
        return False
    told = Joining(unissued, record, RULE, evidence=evidence)
    merging.join_unissued(connection, site, told, change)
    note = evidence | {"rule": RULE, "patient": unissued, "became part of": record}
    patients.add_review(connection, site, KIND, key, study, note, change.now, "noted")
    return True
