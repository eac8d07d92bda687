"""`backup` under load, cut off, begun anew; a server on the copy has all that was acknowledged before."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.crash.objects import Made, make
from tests.support.hl7_builder import PID, packed
from tests.support.mllp import sender
from tests.support.modality import modality
from tests.support.server import Server, running
from tests.support.tree import ROOT
from tests.support.waiting import until
from tests.support.web import parts, web

pytestmark = pytest.mark.slow

OBJECTS, MESSAGES = 50, 6


def person(number: int) -> bytes:
    pid = PID.replace("100^", f"{number}^").replace("Ann", f"Given{number}")
    return packed("ADT^A08^ADT_A01", pid, control=f"M{number}")


@contextmanager
def traffic(server: Server) -> Iterator[list[str]]:
    """Objects and messages that keep coming for the length of a block; what was acknowledged."""
    stopping, taken = threading.Event(), list[str]()

    def work() -> None:
        objects = [make("later", "CT2", number, 2_000) for number in range(10)]
        with modality(server.dimse, objects[0].file) as ct, sender(server.mllp) as ris:
            for number in range(10_000):
                if stopping.is_set():
                    return
                made = objects[number % len(objects)]
                taken.extend([made.uid] if ct.store(made.file) == 0 else [])
                assert ris.send(person(50_000 + number)) == "AA"

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: taken, "traffic")
        yield taken
    finally:
        stopping.set()
        thread.join()


def cut_off(server: Server, folder: Path) -> None:
    """Begin a backup, and kill it as soon as it copies objects."""
    command = [sys.executable, "-m", "server", "backup", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until(lambda: (folder / "tmp" / "0").exists() or process.poll() is not None, "an object")
        process.kill()


def says(server: Server, folder: Path) -> tuple[int, dict[str, Any]]:
    """What `backup --check` says of a folder."""
    done = server.run("backup", "--check", str(folder), check=False)
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else {"error": done.stderr}


@pytest.fixture(scope="module")
def acknowledged() -> list[Made]:
    return [make("backup", "CT1", number, 2_000) for number in range(OBJECTS)]


@pytest.fixture(scope="module")
def copied(
    tmp_path_factory: pytest.TempPathFactory, acknowledged: list[Made]
) -> Iterator[tuple[Server, Path]]:
    """A server and a backup that was taken under load, at the second try."""
    folder = tmp_path_factory.mktemp("backups") / "copy"
    with running(tmp_path_factory.mktemp("backed-up")) as server:
        stored = web(server).store(*(one.file for one in acknowledged))
        assert stored.status_code == 200, stored.text
        with sender(server.mllp) as ris:
            assert {ris.send(person(number)) for number in range(100, 100 + MESSAGES)} == {"AA"}
        with traffic(server) as taken:
            cut_off(server, folder)
            before = len(taken)
            told = server.run("backup", str(folder))
            assert len(taken) > before, "nobody had to wait for the backup"
        assert told["faults"] == []
        assert told["blobs"] >= OBJECTS + 1
        yield server, folder


def test_all_that_was_acknowledged_before_is_served_from_the_copy(
    copied: tuple[Server, Path], acknowledged: list[Made], tmp_path: Path
) -> None:
    server, folder = copied
    assert says(server, folder) == (0, {"whole": True, "faults": []})
    shutil.copytree(folder, tmp_path / "data")
    with running(tmp_path / "data") as again:
        study = acknowledged[0].study
        answer = web(again).get(
            f"/studies/{study}", 'multipart/related; type="application/dicom"; transfer-syntax=*'
        )
        got = [content for _, content in parts(answer)]
        assert len(got) == OBJECTS
        lost = [one for one in acknowledged if not any(file.endswith(one.data) for file in got)]
        assert lost == []
        token = again.token("system/*.rs")

        def known() -> bool:
            found = again.get("/fhir/Patient?family=Sample&_count=200", token).json()
            names = {e["resource"]["name"][0]["given"][0] for e in found.get("entry", [])}
            return names >= {f"Given{number}" for number in range(100, 100 + MESSAGES)}

        until(known, "the patients of the messages")
        assert again.get(f"/fhir/ImagingStudy?identifier=urn:oid:{study}", token).json()["entry"]
        verified = again.run("verify")
    assert verified["faults"] == []
    assert verified["instances"] >= OBJECTS


def test_a_second_backup_copies_only_what_is_new(copied: tuple[Server, Path]) -> None:
    server, folder = copied
    server.run("backup", str(folder))
    told = server.run("backup", str(folder))
    assert (told["copied"], told["missing"], told["faults"]) == (0, 0, [])
    linked = folder.with_name("linked")
    shutil.rmtree(linked, ignore_errors=True)
    if linked.parent.stat().st_dev == server.data.stat().st_dev:
        assert server.run("backup", "--link", str(linked))["copied"] == told["blobs"]
        assert says(server, linked)[0] == 0


def test_what_is_gone_or_changed_in_a_copy_is_named(
    copied: tuple[Server, Path], tmp_path: Path
) -> None:
    server, folder = copied
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    gone, changed = sorted(path for path in (broken / "blobs").rglob("*") if path.is_file())[:2]
    gone.unlink()
    changed.write_bytes(changed.read_bytes()[:-1] + b"\1")
    code, told = says(server, broken)
    keys = [str(path.relative_to(broken / "blobs")) for path in (gone, changed)]
    assert code == 1
    assert {fault.split(":")[0] for fault in told["faults"]} == set(keys)
    with (broken / "triptych.db").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    assert says(server, broken)[0] == 1


def test_a_disk_that_cannot_take_it_is_told_and_the_last_copy_stays(
    copied: tuple[Server, Path],
) -> None:
    """A limit on the length of files is as near to a full disk as a test without a disk comes."""
    server, folder = copied
    code = (
        "import sys; from pathlib import Path; from server.store import snapshot\n"
        "snapshot.copy(Path(sys.argv[1]), Path(sys.argv[2]), lambda left, of: None)"
    )
    places = (str(server.data / "triptych.db"), str(folder / "tmp" / "triptych.db"))
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 64; exec "$0" -c "$1" "$2" "$3"', sys.executable, code, *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (folder / "tmp" / "triptych.db-journal").write_bytes(b"of a copy that was killed")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(("server.errors.Full: ", "server.errors.Busy: ")), last
    assert says(server, folder)[0] == 0
    assert server.run("backup", str(folder))["faults"] == []


def test_a_folder_that_holds_something_else_is_left_alone(
    copied: tuple[Server, Path], tmp_path: Path
) -> None:
    server, _ = copied
    (tmp_path / "letter.txt").write_text("dear diary")
    for folder in (tmp_path, server.data, server.data / "blobs" / "deep"):
        done = server.run("backup", str(folder), check=False)
        assert done.returncode == 2, folder
        assert "\nerror: " in done.stderr
    assert says(server, tmp_path)[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
