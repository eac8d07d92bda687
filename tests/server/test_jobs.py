"""Work is asked for once, done at least once, retried with patience and parked with its reason."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.store import jobs
from server.store.db import Database
from server.store.migrate import migrate

NOW = 1_764_000_000_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'triptych.db'}")
    migrate(opened)
    yield opened
    opened.close()


def ask(database: Database, key: str, run_at: int = NOW) -> None:
    with database.write() as connection:
        jobs.add(connection, 1, "settle", key, now=NOW, run_at=run_at)


def claim(database: Database, now: int = NOW) -> jobs.Job | None:
    with database.write() as connection:
        return jobs.claim(connection, ("settle",), now=now)


def test_asking_again_for_pending_work_only_moves_its_time(database: Database) -> None:
    ask(database, "a")
    ask(database, "a", NOW + 5)
    assert claim(database) is None
    assert claim(database, NOW + 5) is not None
    assert claim(database, NOW + 5) is None


def test_work_asked_for_while_it_runs_is_done_once_more(database: Database) -> None:
    ask(database, "a")
    running = claim(database)
    ask(database, "a")
    assert running is not None
    with database.write() as connection:
        jobs.done(connection, running)
    assert claim(database) is not None


def test_a_job_whose_worker_died_is_claimed_again_when_the_lease_ends(database: Database) -> None:
    ask(database, "a")
    first = claim(database)
    assert first is not None
    assert claim(database, NOW + jobs.LEASE - 1) is None
    second = claim(database, NOW + jobs.LEASE)
    assert second is not None
    assert (second.id, second.attempts) == (first.id, 2)


def test_a_job_that_keeps_failing_is_parked_with_its_reason_and_can_be_retried(
    database: Database,
) -> None:
    ask(database, "a")
    now, parked = NOW, False
    for _ in range(jobs.MAX_ATTEMPTS):
        now += 3_600_000_000
        job = claim(database, now)
        assert job is not None
        with database.write() as connection:
            parked = jobs.failed(connection, job, "no such study", now=now)
    assert parked
    assert claim(database, now * 2) is None
    with database.write() as connection:
        assert [row["error"] for row in jobs.listing(connection, "parked")] == ["no such study"]
        assert jobs.retry(connection, None, now=now) == 1
    assert claim(database, now) is not None


def test_four_workers_claim_a_hundred_jobs_once_each(database: Database) -> None:
    for number in range(100):
        ask(database, str(number))
    claimed: list[str] = []

    def work() -> None:
        while (job := claim(database)) is not None:
            claimed.append(job.key)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(claimed, key=int) == [str(n) for n in range(100)]
