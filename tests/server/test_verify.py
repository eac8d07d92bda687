"""`verify` reads every object again, and names the one that is gone or has changed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.crash.objects import make
from dicom.sink import Peer, StoreRequest
from server.flows import ingest, operate
from server.flows.sites import HOME, House
from tests.support.houses import opened

REQUEST = StoreRequest("import", Peer("import", HOME, frozenset()))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        for number in range(3):
            sink = ingest.open_sink(made, REQUEST)
            sink.write(memoryview(make("verified", "CT1", number, 2_000).file))
            sink.commit()
        yield made


def faults(house: House) -> list[str]:
    """What `verify` says of each object, in the order of their UIDs."""
    return [fault for _, fault in operate.verify_blobs(house)]


def lengthen(blob: Path) -> None:
    blob.write_bytes(blob.read_bytes() + b"\0")


def alter(blob: Path) -> None:
    blob.write_bytes(blob.read_bytes()[:-1] + b"\1")


def test_a_whole_store_has_no_faults(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operate, "_PAGE", 2)  # so that three objects fill more than one page
    assert faults(house) == ["", "", ""]


@pytest.mark.parametrize(
    ("harm", "words"), [(Path.unlink, "missing"), (lengthen, "length"), (alter, "changed")]
)
def test_a_blob_that_is_gone_or_changed_is_named(
    house: House, harm: Callable[[Path], object], words: str
) -> None:
    uid = make("verified", "CT1", 1, 2_000).uid
    with house.database.read() as connection:
        query = "SELECT blob FROM instance WHERE uid = ?"
        blob = connection.exec_driver_sql(query, (uid,)).scalar_one()
    harm(house.blobs.path(blob))
    (fault,) = [fault for fault in faults(house) if fault]
    assert fault.startswith(uid)
    assert words in fault
