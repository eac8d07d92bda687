"""A merge of a great patient survives kill -9 half-way, and may be undone half-way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from server import clock
from server.flows import curating
from server.flows.sites import HOME, House
from server.flows.worker import Worker
from server.store import resources
from server.store.fhir_tables import index_reference
from server.store.resources import Change, Owner, param_id
from tests.support.examination import drain
from tests.support.houses import add_patient, opened
from tests.support.waiting import until

COUNT = 120
WORK = (
    "import sys; from tests.support.houses import opened; from pathlib import Path;"
    "from server.flows.worker import Worker\n"
    "with opened(Path(sys.argv[1])) as house: Worker(house).run()"
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def add_orders(house: House, patient: str) -> None:
    change = Change(clock.now(), "made", house.config.fhir_base)
    with house.database.write() as connection:
        for number in range(COUNT):
            subject = {"reference": f"Patient/{patient}", "type": "Patient"}
            body = {"resourceType": "ServiceRequest", "id": f"o{number}", "subject": subject}
            resources.put(connection, Owner(HOME, patient), body, change)


def owned(house: House, patient: str) -> int:
    """How many orders name a patient as theirs."""
    link = index_reference
    query = select(func.count()).where(
        link.c.target == patient, link.c.param == param_id("ServiceRequest", "subject")
    )
    with house.database.read() as connection:
        return connection.execute(query).scalar() or 0


def half_moved(house: House, patient: str) -> None:
    """Let a worker move some of what is to be moved, and kill it."""
    worker = subprocess.Popen([sys.executable, "-c", WORK, str(house.config.data)])
    try:
        until(lambda: owned(house, patient) < COUNT, "the first step")
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()


def test_a_worker_that_is_killed_while_moving_leaves_the_rest_to_the_next(house: House) -> None:
    gone, survivor = add_patient(house, "11"), add_patient(house, "12")
    add_orders(house, gone)
    curating.merge(house, "home", gone, survivor, "twice", now=clock.now())
    half_moved(house, gone)
    assert 0 < owned(house, gone) < COUNT
    Worker(house).take_over()
    drain(house)
    assert (owned(house, gone), owned(house, survivor)) == (0, COUNT)
    curating.unmerge(house, "home", gone, "not at all", now=clock.now())
    half_moved(house, survivor)
    Worker(house).take_over()
    drain(house)
    assert (owned(house, gone), owned(house, survivor)) == (COUNT, 0)
