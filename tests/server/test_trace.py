"""The id of a request follows what it caused: into jobs and the audit, whoever wrote the rows."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from server import clock, trace
from server.flows.audit import Event, verify
from server.flows.sites import HOME
from server.store import jobs
from server.store.tables import audit, job
from tests.support.houses import opened

CALLERS = 12


def test_each_row_has_the_id_of_who_asked_though_one_writes_for_many(tmp_path: Path) -> None:
    ids = [f"caller-{number}" for number in range(CALLERS)]
    with opened(tmp_path) as house, ThreadPoolExecutor(CALLERS) as pool:
        together = Barrier(CALLERS)

        def ask(id_: str) -> None:
            trace.begin(id_)
            together.wait()
            now = clock.now()
            house.database.apply(lambda c: jobs.add(c, HOME, "settle", id_, now=now, run_at=now))
            house.auditor.note(Event(HOME, "fhir", "search", detail=id_))

        list(pool.map(ask, ids))
        with house.database.read() as connection:
            asked = dict(connection.execute(select(job.c.key, job.c.trace)).fetchall())
            noted = dict(connection.execute(select(audit.c.detail, audit.c.trace)).fetchall())
            assert verify(connection) == []
        with house.database.write() as connection:
            claimed = jobs.claim(connection, ("settle",), now=clock.now())
    assert asked == noted == {id_: id_ for id_ in ids}
    assert claimed is not None
    assert claimed.trace == claimed.key


@pytest.mark.parametrize("bad", ["", "a b", "x" * 65, "é", "a\nb", "<script>"])
def test_an_id_that_is_not_well_formed_is_replaced(bad: str) -> None:
    assert trace.begin("fine.1") == trace.current() == "fine.1"
    assert len(trace.begin(bad)) == 16
    assert trace.current() != bad
