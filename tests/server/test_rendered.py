"""Pictures at the running server (PS3.18 10.4.1.1.7 and 10.4.1.1.8)."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
import requests
from PIL import Image

from tests.support.scenes import ALICES, SYSTEM, address, alices, bundled, instance
from tests.support.server import Server, running
from tests.support.web import Web, value, web

CT, COLOUR = address(ALICES, 1, 1), address(ALICES, 2, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data"), ISSUER=SYSTEM) as started:
        assert web(started).store(*alices()).status_code == 200
        yield started


@pytest.fixture(scope="module")
def staff(server: Server) -> Web:
    return web(server)


def shown(answer: requests.Response, kind: str = "JPEG") -> Image.Image:
    """The picture that an answer holds."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Length"] == str(len(answer.content))
    picture = Image.open(BytesIO(answer.content))
    assert picture.format == kind
    assert answer.headers["Content-Type"] == f"image/{kind.lower()}"
    return picture


@pytest.mark.parametrize(
    ("path", "size", "mode"),
    [
        (f"{CT}/rendered", (128, 128), "L"),
        (f"{CT}/frames/1/rendered", (128, 128), "L"),
        (f"{address(ALICES, 1, 3)}/rendered", (256, 1024), "L"),
        (f"{COLOUR}/rendered", (320, 240), "RGB"),
        (f"{COLOUR}/frames/30/rendered", (320, 240), "RGB"),
    ],
)
def test_a_frame_is_shown_as_jpeg_in_its_own_size(
    staff: Web, path: str, size: tuple[int, int], mode: str
) -> None:
    picture = shown(staff.get(path))
    assert (picture.size, picture.mode) == (size, mode)
    assert len(np.unique(np.asarray(picture))) > 50


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("*/*", "", "JPEG"),
        ("image/*", "", "JPEG"),
        ("image/png", "", "PNG"),
        ("image/webp, image/png;q=0.5", "", "WEBP"),
        ("*/*", "?accept=image/png", "PNG"),
    ],
)
def test_the_caller_chooses_the_kind_of_picture(
    staff: Web, accept: str, query: str, kind: str
) -> None:
    shown(staff.get(f"{CT}/rendered{query}", accept), kind)


def test_a_window_decides_what_is_black_and_what_is_white(staff: Web) -> None:
    """PS3.18 8.3.5.1.4."""
    own = np.asarray(shown(staff.get(f"{CT}/rendered", "image/png"), "PNG"))
    path = f"{CT}/rendered?window=-100000,1,linear"
    white = np.asarray(shown(staff.get(path, "image/png"), "PNG"))
    assert own.min() < 50
    assert white.min() == 255


def test_a_viewport_makes_the_picture_fit(staff: Web) -> None:
    """PS3.18 8.3.5.1.3."""
    assert shown(staff.get(f"{CT}/rendered?viewport=64,64")).size == (64, 64)
    assert shown(staff.get(f"{COLOUR}/rendered?viewport=160,160")).size == (160, 120)


def test_a_lower_quality_makes_fewer_bytes(staff: Web) -> None:
    high, low = (staff.get(f"{CT}/rendered?quality={q}") for q in (95, 20))
    assert len(low.content) < len(high.content) / 2


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("window=1", 400),
        ("window=1,0", 400),
        ("window=a,b", 400),
        ("viewport=0,10", 400),
        ("viewport=10", 400),
        ("viewport=100000,10", 413),
        ("quality=0", 400),
        ("quality=best", 400),
    ],
)
def test_a_wish_that_cannot_be_read_is_refused_in_words(
    staff: Web, query: str, status: int
) -> None:
    answer = staff.get(f"{CT}/rendered?{query}")
    assert answer.status_code == status
    assert answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize("what", ["rendered", "thumbnail"])
@pytest.mark.parametrize(("frame", "status"), [("0", 404), ("31", 404), ("x", 400)])
def test_a_frame_that_there_is_not_has_no_picture(
    staff: Web, what: str, frame: str, status: int
) -> None:
    assert staff.get(f"{COLOUR}/frames/{frame}/{what}").status_code == status


def test_a_form_that_pictures_do_not_have_is_406(staff: Web) -> None:
    for what in ("rendered", "thumbnail"):
        answer = staff.get(f"{CT}/{what}", "image/tiff")
        assert answer.status_code == 406
        assert "image/jpeg" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    "path", [address(ALICES), address(ALICES, 1), CT, f"{COLOUR}/frames/3"], ids=str
)
def test_a_thumbnail_is_a_small_jpeg(staff: Web, path: str) -> None:
    picture = shown(staff.get(f"{path}/thumbnail"))
    assert max(picture.size) == 128
    assert len(staff.get(f"{path}/thumbnail").content) < 10_000


def test_what_has_no_pixels_has_no_picture_and_says_so(staff: Web) -> None:
    [kept] = staff.store(bundled("rtplan.dcm")).json()["00081199"]["Value"]
    plan = value(kept, "00081190")
    for path in (plan, plan.split("/instances/")[0], plan.split("/series/")[0]):
        answer = staff.get(f"{path}/thumbnail")
        assert answer.status_code == 404
        assert "no picture" in answer.json()["issue"][0]["diagnostics"]
    assert staff.get(f"{plan}/rendered").status_code == 404


def test_a_codestream_that_cannot_be_decoded_costs_one_answer(staff: Web) -> None:
    study = f"{ALICES}.60"
    broken = bytearray(instance("JPEG2000.dcm", 1, study=study))
    start = broken.index(b"\xff\x4f\xff\x51")
    broken[start + 60 : start + 160] = b"\xff" * 100
    assert staff.store(bytes(broken)).status_code in (200, 202)
    answer = staff.get(address(study, 1, 1) + "/rendered")
    assert answer.status_code in (406, 413)
    shown(staff.get(f"{CT}/rendered?quality=77"))


def test_the_same_picture_is_the_same_bytes(staff: Web) -> None:
    first, again = (staff.get(f"{CT}/rendered?viewport=100,100") for _ in range(2))
    assert first.content == again.content
    assert first.headers["ETag"] == again.headers["ETag"]
    other = staff.get(f"{CT}/rendered?viewport=101,101")
    assert other.headers["ETag"] != first.headers["ETag"]
