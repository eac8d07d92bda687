"""What was withdrawn, as SQL. Of it only a tombstone is told to patients, and no search, order or
include may tell more than the tombstone does.
"""

from typing import Any

from sqlalchemy import exists, not_, or_, select

from server.store.fhir_tables import index_token
from server.store.resources import param_id
from server.store.search_terms import Clause

WITHDRAWN = "entered-in-error"
TYPES = ("DiagnosticReport", "Observation", "DocumentReference")
# Search parameters of what the tombstone holds: id, meta, status, subject.
_KEPT = frozenset({"_id", "_lastUpdated", "status", "patient", "subject"})
_STATUS = [param_id(type_, "status") for type_ in TYPES]
_OWNER = [param_id(type_, code) for type_ in TYPES for code in ("patient", "subject")]


def covers(resource_type: str, code: str) -> bool:
    """Whether a search parameter of a type asks for what the tombstone does not hold."""
    return resource_type in TYPES and code not in _KEPT


def withdrawn(table: Any) -> Clause:
    """The condition that a row of `resource`, or of an index of it, is of what was withdrawn."""
    status = index_token.alias()
    return exists(
        select(status.c.rid)
        .where(
            status.c.organisation == table.c.organisation,
            status.c.rid == table.c.rid,
            status.c.param.in_(_STATUS),
            status.c.code == WITHDRAWN,
        )
        .correlate(table)
    )


def told(link: Any) -> Clause:
    """The condition that a row of the index of references may be told: of a tombstone, its owner."""
    return or_(link.c.param.in_(_OWNER), not_(withdrawn(link)))
