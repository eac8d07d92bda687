"""One server for the journeys, as a hospital in Paris would run it, with what its modalities sent."""

from collections.abc import Iterator

import pytest

from tests.support.consignments import available, debians, deliver
from tests.support.keyring import keyring
from tests.support.server import running
from tests.support.ward import MRN, Ward


@pytest.fixture(scope="session")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    data = tmp_path_factory.mktemp("ward")
    with running(data, ZONE="Europe/Paris", ISSUER=MRN) as server, keyring(server) as keys:
        made = Ward(server, keys)
        for consignment in available(tmp_path_factory.mktemp("sent")):
            deliver(debians(), server.dimse, consignment)
            made.sent[consignment.name] = consignment
        for consignment in made.sent.values():
            made.settled(consignment)
        yield made
