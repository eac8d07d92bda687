"""A study as one read sees it: its row, its patient's record, its visible instances, its orders."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from dicom.facts import InstanceFacts
from dicom.facts_json import load
from fhir import identifiers
from fhir.imaging_study import Order
from server.flows import joining
from server.flows.patients import Site
from server.store import identities, index, people
from server.store.index import StudyKey


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A study as one read saw it: `record` is its patient, `source` whom its headers name.

    They differ where one was merged into the other.
    """

    key: StudyKey
    row: Any
    record: Any
    source: Any
    instances: list[InstanceFacts]
    orders: tuple[Order, ...]

    def mapping(self, site: Site) -> identifiers.Site:
        """The site's decisions; the patient's system is what identity decided, from whatever
        default the sender had.
        """
        return replace(site.mapping, default=self.record.issuer)


def snapshot(connection: Connection, key: StudyKey, row: Any) -> Snapshot:
    """See a study."""
    shown = identities.shown_by(connection, key.organisation, row.filed_under)
    record = people.patient_row(connection, key.organisation, row.subject)
    source = people.patient_row(connection, key.organisation, shown)
    facts = [load(text) for text in index.facts(connection, key)]
    orders = joining.study_orders(connection, key.organisation, row.id)
    return Snapshot(key, row, record, source, facts, orders)
