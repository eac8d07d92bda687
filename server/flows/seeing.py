"""A study as one read sees it: its row, its patient's record, its visible instances, its orders."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from dicom.facts import InstanceFacts
from dicom.facts_json import load
from fhir import identifiers
from fhir.imaging_study import Order
from server.flows import joining
from server.flows.patients import Site
from server.store import index
from server.store.index import StudyKey
from server.store.tables import patient


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A study as one read saw it."""

    key: StudyKey
    row: Any
    record: Any
    instances: list[InstanceFacts]
    orders: tuple[Order, ...]

    def mapping(self, site: Site) -> identifiers.Site:
        """The site's decisions; the patient's system is what identity decided, from whatever
        default the sender had.
        """
        return replace(site.mapping, default=self.record.issuer)


def snapshot(connection: Connection, key: StudyKey, row: Any) -> Snapshot:
    """See a study."""
    where = (patient.c.organisation == key.organisation) & (patient.c.id == row.subject)
    record = connection.execute(select(patient).where(where)).one()
    facts = [load(text) for text in index.facts(connection, key)]
    orders = joining.study_orders(connection, key.organisation, row.id)
    return Snapshot(key, row, record, facts, orders)
