"""A hospital's server with what its modalities sent, for journeys."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from server.store.tables import study
from tests.support.consignments import Consignment
from tests.support.keyring import Keyring
from tests.support.server import Server
from tests.support.waiting import until

MRN = "https://hospital.example/mrn"


@dataclass(slots=True)
class Ward:
    """The server, what was sent to it, and the ids that its studies and patients got."""

    server: Server
    keys: Keyring
    sent: dict[str, Consignment] = field(default_factory=dict)

    def consignment(self, name: str) -> Consignment:
        """What was sent under a name; skips where it is not on this machine."""
        if name not in self.sent:
            pytest.skip("set TRIPTYCH_SAMPLES to the folder of shared test data")
        return self.sent[name]

    def row(self, uid: str) -> Any:
        """A study's row in the index, None before it arrived."""
        with self.keys.house.database.read() as connection:
            return connection.execute(select(study).where(study.c.uid == uid)).first()

    def settled(self, consignment: Consignment) -> Any:
        """The row of a study that has arrived whole and has settled."""

        def look() -> Any:
            row = self.row(consignment.study)
            there = row is not None and row.instances == len(consignment.files)
            return row if there and row.revision else None

        return until(look, f"{consignment.name} to settle")
