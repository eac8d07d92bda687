"""The decode pool: a frame that costs too much costs one answer, and the children are confined."""

import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from dicom.decode_pool import Pool
from dicom.errors import TooLarge, Undecodable
from dicom.pictures import JPEG, PNG, Frame, Options
from tests.support.dicom_frames import frame_of
from tests.support.dicom_objects import image, part10
from tests.support.dicom_samples import bundled

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

MEMORY = 256 << 20


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two children."""
    pool = Pool(2, MEMORY, 20)
    yield pool
    pool.close()


def children() -> list[psutil.Process]:
    return [
        child for child in psutil.Process().children() if "dicom.decode_child" in child.cmdline()
    ]


def small() -> Frame:
    return frame_of(bundled("CT_small.dcm"))


def vast(side: int) -> Frame:
    """A frame of noise that takes long to encode."""
    frame = frame_of(part10(image(2, 2, 1, bytes(4))))
    noise = np.random.default_rng(1).integers(0, 256, side * side, np.uint8)
    return replace(frame, rows=side, columns=side, data=noise.tobytes())


def test_frames_become_pictures_in_another_process(pool: Pool) -> None:
    picture = pool.render(small(), Options())
    assert picture.media_type == JPEG
    assert picture.data.startswith(b"\xff\xd8\xff")
    assert pool.render(small(), Options(PNG)).data.startswith(b"\x89PNG")
    assert len(children()) == 1


def test_frames_are_decoded_for_clients_that_cannot(pool: Pool) -> None:
    original = pool.decode(frame_of(bundled("MR_small.dcm")))
    assert pool.decode(frame_of(bundled("MR_small_jp2klossless.dcm"))) == original


def test_many_threads_share_the_children(pool: Pool) -> None:
    with ThreadPoolExecutor(8) as threads:
        pictures = list(threads.map(lambda _: pool.render(small(), Options()), range(40)))
    assert len({picture.data for picture in pictures}) == 1
    assert 1 <= len(children()) <= 2


def test_a_frame_that_takes_too_long_is_given_up_and_the_next_one_served() -> None:
    pool = Pool(1, 2 << 30, 1)
    pool.warm()
    try:
        assert pool.render(small(), Options()).data
        with pytest.raises(Undecodable, match="longer than it is worth"):
            pool.render(vast(9000), Options(PNG))
        assert not children()
        assert pool.render(small(), Options()).data
    finally:
        pool.close()


def test_a_frame_that_takes_too_much_memory_is_given_up_and_the_next_one_served(
    pool: Pool,
) -> None:
    with pytest.raises(TooLarge):
        pool.render(replace(vast(9000), photometric="PALETTE COLOR", samples=1), Options(PNG))
    assert pool.render(small(), Options()).data


def test_a_child_that_dies_costs_one_answer(pool: Pool) -> None:
    pool.render(small(), Options())
    for child in children():
        child.kill()
        child.wait()
    with pytest.raises(Undecodable, match="broke off"):
        pool.render(small(), Options())
    assert pool.render(small(), Options()).data


def test_refusals_of_the_decoder_come_through(pool: Pool) -> None:
    with pytest.raises(TooLarge, match="too many pixels"):
        pool.render(replace(small(), rows=65535, columns=65535), Options())
    with pytest.raises(Undecodable, match="shorter"):
        pool.render(replace(small(), data=b""), Options())
    with pytest.raises(Undecodable):
        pool.render(replace(small(), transfer_syntax="1.2.3"), Options())
    assert len(children()) == 1


def test_children_cannot_write_files_and_know_no_secrets(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPTYCH_SECRET", "hush")
    pool.render(small(), Options())
    (child,) = children()
    assert "TRIPTYCH_SECRET" not in child.environ()
    assert child.rlimit(resource.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(resource.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(resource.RLIMIT_AS)[0] < 16 << 30


def test_children_do_not_import_from_the_working_folder(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dicom.py").write_text("raise SystemExit('wrong module')")
    monkeypatch.chdir(tmp_path)
    assert pool.render(small(), Options()).data


def test_a_closed_pool_has_no_children_and_takes_no_jobs() -> None:
    pool = Pool(2, MEMORY, 20)
    pool.warm()
    assert pool.render(small(), Options()).data
    assert len(children()) == 2
    open_files = len(os.listdir("/proc/self/fd"))
    pool.close()
    pool.close()
    assert not children()
    assert len(os.listdir("/proc/self/fd")) == open_files - 2
    with pytest.raises(Undecodable, match="closed"):
        pool.render(small(), Options())


def test_closing_waits_for_jobs_under_way() -> None:
    pool = Pool(1, MEMORY, 20)
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(pool.render, vast(1500), Options(PNG))
        while not children():
            assert not job.done()
        pool.close()
        assert job.result().data.startswith(b"\x89PNG")


def test_an_unused_pool_starts_nothing() -> None:
    pool = Pool(4, MEMORY, 20)
    assert not children()
    pool.close()
