"""The shelf of pictures: what is on it is not made again, and it does not grow without end."""

from collections.abc import Iterator

import pytest

from dicom.decode_pool import Pool
from dicom.pictures import Frame, Options
from server.flows.darkroom import Darkroom
from tests.support.dicom_frames import frame_of
from tests.support.scenes import bundled


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(1, 1 << 30, 20)
    yield made
    made.close()


def test_a_picture_asked_for_again_comes_from_the_shelf(pool: Pool) -> None:
    darkroom, made = Darkroom(pool), list[int]()

    def frame() -> Frame:
        made.append(1)
        return frame_of(bundled("CT_small.dcm"))

    first = darkroom.picture(("a", 1, Options()), frame)
    assert darkroom.picture(("a", 1, Options()), frame) is first
    assert len(made) == 1
    darkroom.picture(("a", 1, Options(quality=50)), frame)
    darkroom.picture(("b", 1, Options()), frame)
    assert len(made) == 3


def test_those_not_asked_for_longest_make_room(pool: Pool) -> None:
    data = frame_of(bundled("CT_small.dcm"))
    size = len(pool.render(data, Options()).data)
    darkroom, made = Darkroom(pool, shelf_bytes=2 * size), list[str]()

    def ask(name: str) -> None:
        def frame() -> Frame:
            made.append(name)
            return data

        darkroom.picture((name, 1, Options()), frame)

    for name in ("a", "b", "a", "c", "a", "b"):
        ask(name)
    assert made == ["a", "b", "c", "b"]


def test_a_picture_larger_than_the_shelf_is_served_all_the_same(pool: Pool) -> None:
    darkroom = Darkroom(pool, shelf_bytes=10)
    data = frame_of(bundled("CT_small.dcm"))
    assert darkroom.picture(("a", 1, Options()), lambda: data).data
    assert darkroom.picture(("a", 1, Options()), lambda: data).data
