"""The worker survives what kills workers: jobs of the dead are done, and none kills forever."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from server import clock
from server.errors import Full
from server.flows.sites import HOME, House
from server.flows.worker import Worker
from server.store import jobs
from server.store.jobs import Job
from server.store.tables import job
from tests.support.houses import opened


class Killed(BaseException):
    """What a handler raises in place of a worker's death."""


def deadly(_house: House, _job: Job) -> None:
    raise Killed


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def ask(house: House) -> None:
    now = clock.now()
    with house.database.write() as connection:
        jobs.add(connection, HOME, "settle", "1.2.3|0", now=now, run_at=now)


def test_a_job_whose_worker_was_killed_is_done_by_the_next_one_at_once(house: House) -> None:
    done: list[str] = []
    ask(house)
    with pytest.raises(Killed):
        Worker(house, {"settle": deadly}).step()
    heir = Worker(house, {"settle": lambda _house, job: done.append(job.key)})
    assert not heir.step(), "its lease still runs"
    heir.take_over()
    assert heir.step()
    assert done == ["1.2.3|0"]


def test_a_full_disk_is_not_held_against_a_job(house: House) -> None:
    """Else everything that arrived shortly before would be parked when there is room again."""

    def without_room(_house: House, _job: Job) -> None:
        raise Full("no room")

    ask(house)
    for _ in range(2 * jobs.MAX_ATTEMPTS):
        assert Worker(house, {"settle": without_room}).step()
        with house.database.write() as connection:
            (waiting,) = jobs.listing(connection, "pending")
            connection.execute(update(job).values(run_at=clock.now()))
    assert (waiting["attempts"], waiting["error"]) == (0, "no room")


def test_a_job_that_kills_its_workers_is_parked_before_it_ends_the_server(house: House) -> None:
    """`serve` gives up after five deaths within a minute."""
    ask(house)
    deaths = 0
    for _ in range(10):
        worker = Worker(house, {"settle": deadly})
        worker.take_over()
        try:
            worker.step()
        except Killed:
            deaths += 1
    assert 1 < deaths < 5
    with house.database.read() as connection:
        (parked,) = jobs.listing(connection, "parked")
    assert "worker ended" in parked["error"]
