"""The crash bench's checker must bite: what it never finds, it does not guard."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree

import pytest

from bench.crash import check
from bench.crash.doors import Scu, Web
from bench.crash.journal import Journal, Memory
from bench.crash.objects import Made, make
from tests.support.server import running
from tests.support.waiting import until

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Scene:
    """A server that has kept five objects of one study, one a report, and the sender's memory."""

    web: Web
    folder: Path
    data: Path
    study: str

    @property
    def memory(self) -> Memory:
        """What the journals of the folder say."""
        memory = Memory()
        memory.update(self.folder)
        return memory

    def faults(self, memory: Memory) -> list[str]:
        """Everything that the checker says of the doors."""
        seen = [fault for study in check.studies(self.web, memory) for fault in study.faults()]
        promised = [memory.sent[uid] for uid in memory.acknowledged]
        return seen + check.objects(self.web, promised)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("checked")
    with running(folder / "data") as server:
        (folder / "token").write_text(
            server.token("system/ImagingStudy.crs system/DiagnosticReport.rs system/Binary.r")
        )
        web, scu = Web(server.http, folder / "token"), Scu(server.dimse, "CT1")
        journal = Journal(folder / "CT1.journal")
        for number in range(1, 6):
            made = make("checked", "CT1", number, paper=number == 5)
            keep(made, journal, scu.store if number % 2 else lambda one: web.store([one]))
        scu.close()
        journal.close()
        made_scene = Scene(web, folder, server.data, made.study)
        until(lambda: made_scene.faults(made_scene.memory) == [], "a store without faults")
        yield made_scene


def keep(made: Made, journal: Journal, store: Callable[[Made], object]) -> None:
    journal.sending(made)
    store(made)
    journal.acknowledged([made.uid])


def test_an_acknowledged_object_that_is_not_there_is_a_loss(scene: Scene) -> None:
    memory, made = scene.memory, make("checked", "CT1", 99)
    journal = Journal(scene.folder / "CT2.journal")
    journal.sending(made)
    journal.acknowledged([made.uid])
    journal.close()
    memory.update(scene.folder)
    (scene.folder / "CT2.journal").unlink()
    losses = [fault for fault in scene.faults(memory) if fault.startswith("LOST")]
    assert len(losses) == 2, "by WADO-RS and by QIDO-RS"
    assert all(made.uid in loss for loss in losses)


def test_other_bytes_than_were_sent_are_a_change(scene: Scene) -> None:
    memory = scene.memory
    uid = memory.acknowledged[0]
    entry = memory.sent[uid]
    memory.sent[uid] = replace(entry, sha256="0" * 64)
    (fault,) = scene.faults(memory)
    assert fault.startswith("CHANGED")


def test_a_document_that_is_no_report_or_two_or_another_is_seen(scene: Scene) -> None:
    (study,) = check.studies(scene.web, scene.memory)
    ((uid, documents),) = study.reports.items()
    study.reports[uid] = []
    assert any("has 0 reports" in fault for fault in study.faults())
    study.reports[uid] = [*documents, *documents]
    assert any("has 2 reports" in fault for fault in study.faults())
    study.reports[uid] = ["0" * 64]
    assert [fault for fault in study.faults() if fault.startswith("CHANGED")]


def test_twins_strangers_and_wrong_counts_are_seen(scene: Scene) -> None:
    (study,) = check.studies(scene.web, scene.memory)
    study.rows += study.rows[:1]
    assert any(fault.startswith("TWICE") for fault in study.faults())
    (study,) = check.studies(scene.web, scene.memory)
    del study.sent[scene.memory.acknowledged[0]]
    assert any(fault.startswith("STRANGE") for fault in study.faults())
    (study,) = check.studies(scene.web, scene.memory)
    study.records[0]["numberOfInstances"] += 1
    assert any("counts" in fault for fault in study.faults())


def test_a_record_that_is_missing_doubled_or_unsettled_is_seen(scene: Scene) -> None:
    (study,) = check.studies(scene.web, scene.memory)
    record = study.records.pop()
    assert any("has 0 ImagingStudies" in fault for fault in study.faults())
    study.records = [record, record]
    assert any("has 2 ImagingStudies" in fault for fault in study.faults())
    record["meta"]["tag"] = []
    study.records = [record]
    assert any("has not settled" in fault for fault in study.faults())


def cut(blob: Path) -> None:
    blob.write_bytes(blob.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (Path.unlink, "MISSING"),
        (cut, "SHORT"),
        (lambda blob: blob.with_name("stray").write_bytes(b"x"), "UNINDEXED"),
        (lambda blob: blob.parents[5].joinpath("tmp", "half").write_bytes(b"x"), "LITTER"),
    ],
)
def test_harm_below_the_doors_is_seen(
    scene: Scene, tmp_path: Path, harm: Callable[[Path], object], word: str
) -> None:
    copy = copytree(scene.data, tmp_path / "copy")
    assert check.store(copy) == []
    blob = next(path for path in (copy / "blobs" / "1").rglob("*") if path.is_file())
    harm(blob)
    (fault,) = check.store(copy)
    assert fault.startswith(word)
