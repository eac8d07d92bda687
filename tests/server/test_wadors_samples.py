"""The whole shared DICOM set through import and WADO-RS: nothing changes, nothing breaks."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom import files
from dicom.errors import DicomError
from tests.support.samples import samples
from tests.support.scenes import SYSTEM
from tests.support.server import Server, running
from tests.support.web import Web, value, web


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = samples("dicom")
    with running(tmp_path_factory.mktemp("data"), ISSUER=SYSTEM) as started:
        started.run("import", str(folder))
        yield started


@pytest.fixture(scope="module")
def staff(server: Server) -> Web:
    return web(server)


@pytest.fixture(scope="module")
def instances(staff: Web) -> list[str]:
    """The address of every instance."""
    return [value(one, "00081190") for one in staff.found("/instances")]


def digest(content: bytes) -> str:
    """The SHA-256 of a file's data set."""
    return hashlib.sha256(content[files.read(content).dataset_offset :]).hexdigest()


def digests(folder: Path) -> set[str]:
    found = set()
    for path in folder.rglob("*"):
        try:
            found.add(digest(path.read_bytes()) if path.is_file() else "")
        except DicomError:
            continue
    return found


def test_every_object_comes_back_with_the_data_set_that_it_came_with(
    staff: Web, instances: list[str]
) -> None:
    sent = digests(samples("dicom"))
    assert len(instances) > 300
    for address in instances:
        answer = staff.get(address, "application/dicom")
        assert answer.status_code == 200
        preamble = answer.content[:128]
        assert not preamble.strip(b"\0") or preamble[:2] in (b"II", b"MM")
        assert digest(answer.content) in sent, address


def test_every_object_has_metadata_and_a_picture_or_a_reason(
    staff: Web, instances: list[str]
) -> None:
    shown = 0
    for address in instances:
        [model] = staff.get(f"{address}/metadata").json()
        for attribute in model.values():
            assert attribute.get("BulkDataURI", address).startswith(address)
        answer = staff.get(f"{address}/rendered")
        assert answer.status_code in (200, 404, 406, 413), (address, answer.text)
        shown += answer.status_code == 200
    assert shown > 250


def test_every_bulk_value_can_be_fetched(staff: Web, instances: list[str]) -> None:
    fetched = 0
    for address in instances[::7]:
        [model] = staff.get(f"{address}/metadata").json()
        for attribute in model.values():
            if "BulkDataURI" in attribute:
                answer = staff.get(attribute["BulkDataURI"])
                assert answer.status_code in (200, 404), (address, answer.text)
                fetched += answer.status_code == 200
    assert fetched > 30
