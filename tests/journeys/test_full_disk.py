"""A full disk: refused with the right words, nothing lost, and all is well when there is room."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.crash.objects import Made, make
from tests.support.modality import send
from tests.support.server import Server, running
from tests.support.waiting import until
from tests.support.web import FAILED, references, value, web

pytestmark = [pytest.mark.journey, pytest.mark.slow]

OUT_OF_RESOURCES = 0xA700


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own that is full after so many bytes."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_below_the_reserve_every_door_refuses_and_reading_goes_on(tmp_path: Path) -> None:
    with running(tmp_path / "data", MIN_FREE_BYTES="900T") as server:
        made = make("reserve", "CT1", 1)
        assert send(server.dimse, made.file) == [OUT_OF_RESOURCES]
        client = web(server)
        answer = client.store(made.file)
        assert answer.status_code == 507
        (failure,) = references(answer, FAILED)
        assert value(failure, "00081197") == OUT_OF_RESOURCES
        assert client.found("/studies") == []


def test_a_disk_that_fills_up_costs_no_object_and_no_database(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", "40M") as data:
        old = data / "old"  # what an operator finds to throw away
        old.write_bytes(bytes(8 << 20))
        (data / "server.log").symlink_to(tmp_path / "log")  # what it says of a full disk
        with running(data, MIN_FREE_BYTES="0", LOG_LEVEL="WARNING") as server:
            roles, client = server.children(), web(server, "system/*.crs")
            kept, refused = fill(server)
            with ballast(data):
                assert send(server.dimse, refused.file) == [OUT_OF_RESOURCES]
                assert client.store(refused.file).status_code == 507
                assert client.get("/studies").status_code == 507, "no answer without its audit"
                until(lambda: "the worker waits" in server.log.read_text(), "a worker that waits")
            old.unlink()
            assert send(server.dimse, refused.file) == [0]
            assert client.store(refused.file).status_code == 200
            kept.append(refused)
            until(lambda: settled(server, client.token, kept), "a settled study of all objects")
            assert server.children() == roles, "no role has ended"
        assert server.run("verify")["faults"] == []


def test_an_object_that_finds_no_room_for_its_row_leaves_no_file(tmp_path: Path) -> None:
    """A sender that tries again and again would fill the blobs' own disk with what nobody knows."""
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    with small_disk(tmp_path / "data", "20M") as data:
        (data / "blobs").symlink_to(blobs)
        with running(data, MIN_FREE_BYTES="0") as server, ballast(data):
            for number in range(3):
                made = make("rowless", "CT1", number)
                assert send(server.dimse, made.file) == [OUT_OF_RESOURCES]
            assert [path for path in blobs.rglob("*") if path.is_file()] == []


def fill(server: Server) -> tuple[list[Made], Made]:
    """Send objects until one is refused; gives what was kept, and that one."""
    kept: list[Made] = []
    while True:
        made = make("full", "CT1", len(kept), 1_000_000)
        (status,) = send(server.dimse, made.file)
        if status != 0:
            assert status == OUT_OF_RESOURCES
            return kept, made
        kept.append(made)


@contextmanager
def ballast(data: Path) -> Iterator[None]:
    """Not a byte is free for the length of a block."""
    path = data / "ballast"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    try:
        yield
    finally:
        path.unlink()


def settled(server: Server, token: str, kept: list[Made]) -> bool:
    """Whether the ImagingStudy has settled with exactly these objects."""
    path = f"/fhir/ImagingStudy?identifier=urn:dicom:uid|urn:oid:{kept[0].study}&_tag=settled"
    answer = server.get(path, token)
    assert answer.status_code == 200
    found = [entry["resource"] for entry in answer.json().get("entry", [])]
    uids = [i["uid"] for one in found for series in one["series"] for i in series["instance"]]
    return sorted(uids) == sorted(made.uid for made in kept)
