"""The job that reads documents is killed half-way, again and again, and loses and doubles nothing."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import func, select

from server.flows.access import Grant
from server.flows.sites import House
from server.flows.worker import Worker
from server.store.fhir_tables import derived
from tests.support.dicom_papers import dose, narrative, pdf, report
from tests.support.examination import bodies, drain
from tests.support.houses import SYSTEM, opened
from tests.support.paper_house import accept, granted, graph, person, read, versions
from tests.support.waiting import until

REPORTS, LETTERS = 30, 24
WORK = (
    "import sys; from pathlib import Path; from tests.support.houses import SYSTEM, opened;"
    "from server.flows.worker import Worker\n"
    "with opened(Path(sys.argv[1]), SETTLE_SECONDS='0', ISSUER=SYSTEM) as house:"
    " Worker(house).take_over(); Worker(house).run()"
)


def content_of(number: int) -> bytes:
    return b"%%PDF-1.4 document %d " % number + b"x" * number


def documents() -> Iterator[Dataset]:
    """Signed reports, letters and dose, each with content of its own."""
    for number in range(REPORTS):
        yield pdf(f"1.2.4.{number}", content_of(number), verification="VERIFIED", **person())
    for number in range(REPORTS, REPORTS + LETTERS):
        yield pdf(f"1.2.4.{number}", content_of(number), **person())
    yield dose("1.2.5.1", ["1.2.5.1.1", "1.2.5.1.2"], **person())
    yield report("1.2.5.2", narrative("A lesion.", "Benign."), **person())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path / "killed", SETTLE_SECONDS="0", ISSUER=SYSTEM) as made:
        for one in documents():
            accept(made, one)
        yield made


def mapped(house: House) -> int:
    """How many resources documents have become by now."""
    with house.database.read() as connection:
        return connection.execute(select(func.count()).select_from(derived)).scalar() or 0


def killed(house: House) -> None:
    """Let a worker map more documents than were mapped before, and kill it."""
    before = mapped(house)
    worker = subprocess.Popen([sys.executable, "-c", WORK, str(house.config.data)])
    try:
        until(lambda: mapped(house) > before, f"more than {before} documents")
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()


def broken(house: House, grant: Grant) -> list[str]:
    """Reports and references whose document is not there, byte for byte."""
    found = bodies(house)
    told: list[Any] = [*found.get("DiagnosticReport", []), *found.get("DocumentReference", [])]
    wrong = []
    for one in told:
        forms = [*one.get("presentedForm", []), *(c["attachment"] for c in one.get("content", []))]
        for url in (form["url"] for form in forms if "url" in form):
            number = int(one["identifier"][0]["value"].rpartition(".")[2])
            if read(house, grant, "Binary", url.rpartition("/")[2]) != content_of(number):
                wrong.append(f"{one['resourceType']} of document {number}")
    return wrong


def test_a_worker_that_is_killed_while_it_reads_maps_each_document_once(
    house: House, tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "killed", tmp_path / "spared")
    grant = granted(house)
    for _ in range(2):  # a third death would leave the job to a person
        killed(house)
        assert broken(house, grant) == []
    Worker(house).take_over()
    drain(house)
    assert broken(house, grant) == []
    with opened(tmp_path / "spared", SETTLE_SECONDS="0", ISSUER=SYSTEM) as spared:
        drain(spared)
        assert graph(house) == graph(spared), "as if nobody had been killed"
        assert versions(house) == versions(spared), "and nothing was written twice"
    reports = bodies(house)["DiagnosticReport"]
    letters = bodies(house)["DocumentReference"]
    assert (len(reports), len(letters)) == (REPORTS + 1, LETTERS)
