"""A published blob is durable, whole and found again; an unfinished one leaves nothing behind."""

import errno
import os
from pathlib import Path

import pytest

from server.errors import Full
from server.store.blobs import LocalBlobs, new_key, told

DAY = 1_764_000_000_000_000


def test_a_published_blob_comes_back_whole_by_range_and_by_stream(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    body = os.urandom(3_000_000)
    key = new_key(1, "CT 1/../x", DAY)
    writer = blobs.create(key)
    writer.write(memoryview(body)[:1000])
    writer.write(body[1000:])
    with writer.view() as view:
        assert view[:] == body
    writer.publish()
    assert blobs.size(key) == len(body)
    assert b"".join(blobs.stream(key)) == body
    assert b"".join(blobs.stream(key, 10, 2_000_000)) == body[10:2_000_010]
    assert blobs.read(key, 5, 7) == body[5:12]
    assert key.split("/")[:5] == ["1", "CT_1____x", "2025", "11", "24"]


def test_an_aborted_blob_leaves_nothing(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    writer = blobs.create(new_key(1, "x", DAY))
    writer.write(b"some bytes")
    writer.abort()
    writer.abort()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_the_sweep_removes_what_dead_writers_left_and_spares_the_living(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    living = blobs.create(new_key(1, "x", DAY))
    (tmp_path / "tmp" / "dead").write_bytes(b"half an object")
    assert blobs.sweep() == 1
    living.write(b"whole")
    living.publish()
    assert [b"".join(blobs.stream(key)) for key in blobs.list(1)] == [b"whole"]


def test_a_listing_begins_at_a_day(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    for day in ("2025/11/23", "2025/11/24", "2026/01/02"):
        writer = blobs.create(f"1/x/{day}/blob")
        writer.write(b".")
        writer.publish()
    assert list(blobs.list(1, "2025/11/24")) == ["1/x/2025/11/24/blob", "1/x/2026/01/02/blob"]
    assert list(blobs.list(2)) == []


def test_a_disk_without_its_reserve_refuses_new_objects(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, min_free=1 << 62)
    with pytest.raises(Full, match="free space"):
        blobs.create(new_key(1, "x", DAY))


def test_a_full_disk_is_told_as_such() -> None:
    assert isinstance(told(OSError(errno.ENOSPC, "full")), Full)
    assert isinstance(told(OSError(errno.EDQUOT, "quota")), Full)
