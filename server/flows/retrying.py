"""Trying again what was held because two records were two: after a merge the reason may be gone."""

import json

from sqlalchemy import Connection

from server.flows import messages
from server.store import identities, reviews
from server.store import messages as store

# Kinds of review items that hold a message.
HOLDING = ("identity", "order", "report", "visit", "merge", "message")


def ask(connection: Connection, organisation: int, record: str, now: int) -> None:
    """Apply anew the held messages about the patient whom a record belongs to by now."""
    heir = identities.heir(connection, organisation, record)
    records = [heir, *identities.parts_of(connection, organisation, heir)]
    for row in reviews.naming(connection, organisation, HOLDING, records):
        message = json.loads(row.evidence).get("message", 0)
        held = store.row(connection, organisation, message) if message else None
        if held is not None and held.state == store.REVIEW:
            # Applying it makes the item open again if its reason is still there.
            reviews.set_state(connection, organisation, row.id, reviews.RESOLVED)
            messages.apply_again(connection, held, now)
