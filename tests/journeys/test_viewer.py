"""The viewer in a real browser: pictures, report, sides and names, and what is said when something fails."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.support.browser import PHONE, barriers, enlarge_text, labels, shoot, sideways
from tests.support.gallery import (
    ARRIVING,
    CONCLUSION,
    KEY,
    ODD,
    PRIOR,
    SLICES,
    Gallery,
    box,
    looking,
    middle,
    note,
    opened,
    sees,
)
from tests.support.practice import REPORT_TEXT

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]
HAND: dict[str, Any] = {**PHONE}
TABLET = {"viewport": {"width": 820, "height": 1180}, "has_touch": True}


# ---------------------------------------------------------------- the first picture


def test_the_first_picture_costs_few_bytes_and_few_requests(
    halls: Gallery, browser: Browser
) -> None:
    """Design: at most 60 KB before the first picture, 15 KB of them script; 140 KB settled (14).

    The picture stands in the page, before any script: what comes with it is what a browser is not
    told to fetch later. The whole page is few files of ours, 28 KB of script, and few searches.
    """
    with looking(browser, halls) as one:
        finished: list[Request] = []
        one.page.on("requestfinished", lambda asked: finished.append(asked))
        one.page.goto(halls.of(PRIOR))
        text = one.page.evaluate("fetch(location).then((answer) => answer.text())")
        sees(one.page, 7)
        expect(one.page.locator("#report article, #report p").first).to_be_visible()
        found = [*finished]
        sizes = {asked.url: asked.sizes()["responseBodySize"] for asked in found}
        one.page.reload()
        sees(one.page, 7)
        again = [asked.url for asked in finished[len(found) :] if "/apps/viewer/" in asked.url]
        kept = [url for url in again if url.endswith((".js", ".css", ".json"))]
        travelled = one.page.evaluate(_TRAVELLED)
    later = set(re.findall(r'href="([^"]+)" fetchpriority="low"', text))
    assert len(later) > 5
    ours = {url: size for url, size in sizes.items() if "/dicomweb/" not in url}
    ours = {url: size for url, size in ours.items() if "/fhir/" not in url}
    assert sum(size for url, size in ours.items() if url.endswith(".js")) < 28_000
    first = {url: s for url, s in ours.items() if not any(url.endswith(one) for one in later)}
    first = {url: s for url, s in first.items() if not url.endswith(("report.js", "icon.svg"))}
    assert sum(size for url, size in first.items() if url.endswith(".js")) < 15_000
    assert len(first) <= 7
    [poster] = [size for url, size in sizes.items() if "/thumbnail" in url]
    assert sum(ours.values()) + poster < 60_000
    assert sum(sizes.values()) < 140_000
    assert len(ours) <= 19
    assert len(found) <= 36
    assert kept, "a page opened again names its files"
    assert travelled == 0, "and has them"


_TRAVELLED = """() => performance.getEntriesByType("resource")
  .filter(({ name }) => /apps.viewer.*(js|css|json)$/.test(name))
  .reduce((sum, { transferSize }) => sum + transferSize, 0)"""


def test_without_a_script_the_picture_is_there_and_the_way_to_the_others(
    halls: Gallery, browser: Browser
) -> None:
    with looking(browser, halls, java_script_enabled=False) as one:
        one.page.goto(halls.of(PRIOR, lang="de"))
        expect(one.page.locator(".poster img")).to_have_js_property("complete", True)
        assert one.page.locator(".poster img").evaluate("one => one.naturalWidth") == 512
        told = one.page.locator("noscript").inner_html()  # a browser driven from outside hides it
        assert "Diese Seite braucht JavaScript" in told
        assert '<a href="../../s/pictures"' in told


def test_the_poster_is_drawn_before_the_list_of_pictures_is_there(
    alice: Page, halls: Gallery
) -> None:
    held: list[Route] = []
    alice.route("**/instances?**", lambda route: held.append(route))
    alice.goto(halls.of(PRIOR))
    alice.wait_for_function("() => document.querySelector('canvas')?.width > 300")
    expect(alice.locator("h1")).to_have_text("Alice Liddell")
    alice.wait_for_function(
        "() => { const one = document.querySelector('canvas');"
        "return one.getContext('2d').getImageData(0, 0, one.width, one.height).data"
        ".some((value, at) => at % 4 === 0 && value > 60); }"
    )
    assert note(alice, "place") == ""
    held[0].continue_()
    sees(alice, 7)


def test_the_notice_is_shown_once_a_session(halls: Gallery, browser: Browser) -> None:
    """Rules 8: for information, not for primary diagnosis."""
    with looking(browser, halls, noticed=False) as one:
        one.page.goto(halls.of(PRIOR))
        expect(one.page.get_by_role("dialog")).to_contain_text("not for primary diagnosis")
        one.page.get_by_role("button", name="I understand").click()
        sees(one.page, 7)
        one.page.reload()
        sees(one.page, 7)
        expect(one.page.get_by_role("dialog")).to_be_hidden()
        expect(one.page.locator("footer")).to_contain_text("not for primary diagnosis")


def test_a_picture_says_whose_it_is_when_it_was_made_and_where_left_and_right_are(
    alice: Page, halls: Gallery
) -> None:
    opened(alice, halls)
    assert note(alice, "name") == "Alice Liddell"
    assert note(alice, "birth") == "born 4 May 1952"
    assert note(alice, "date") == "1 Mar 2026"
    assert note(alice, "place") == f"Picture {KEY + 1} of {SLICES}"
    assert note(alice, "thickness") == "Slice 5 mm"
    assert note(alice, "lossy") == "Compressed for viewing"
    sides = {edge: note(alice, edge) for edge in ("left", "right", "top", "bottom")}
    assert sides == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert "Liddell" not in alice.title()


# ---------------------------------------------------------------- through the stack


def test_keys_wheel_drag_and_slider_go_through_the_stack(alice: Page, halls: Gallery) -> None:
    opened(alice, halls)
    canvas = alice.locator("canvas")
    for key, place in (
        ("ArrowDown", 8),
        ("ArrowUp", 7),
        ("PageDown", 17),
        ("End", 24),
        ("Home", 1),
    ):
        canvas.press(key)
        sees(alice, place)
    canvas.hover()
    alice.mouse.wheel(0, 40)
    sees(alice, 2)
    alice.mouse.down()
    shape = canvas.bounding_box()
    assert shape is not None
    alice.mouse.move(shape["x"] + shape["width"] / 2, shape["y"] + shape["height"] / 2 + 37)
    alice.mouse.up()
    sees(alice, 5)
    alice.get_by_role("slider", name="Picture").press("ArrowRight")
    sees(alice, 6)
    alice.get_by_role("button", name="Next picture").click()
    sees(alice, 7)
    expect(alice.locator("#live")).to_have_text("Picture 7 of 24")
    expect(alice.get_by_role("slider")).to_have_attribute("aria-valuetext", "Picture 7 of 24")


def test_a_finger_browses_and_two_make_it_larger(halls: Gallery, browser: Browser) -> None:
    with looking(browser, halls, **HAND) as one:
        opened(one.page, halls)
        touch = one.page.context.new_cdp_session(one.page)
        place = one.page.locator("canvas").bounding_box()
        assert place is not None
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2

        def fingers(kind: str, *points: tuple[float, float]) -> None:
            at = [{"x": x + dx, "y": y + dy, "id": n} for n, (dx, dy) in enumerate(points)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

        fingers("touchStart", (0, 0))
        fingers("touchMove", (0, 25))
        fingers("touchEnd")
        sees(one.page, KEY + 3)
        before = box(one.page)
        fingers("touchStart", (-20, 0), (20, 0))
        fingers("touchMove", (-21, 0), (21, 0))
        fingers("touchMove", (-35, 0), (35, 0))
        fingers("touchEnd")
        one.page.wait_for_function(f"() => ({_WIDTH})() > {(before[2] - before[0]) * 1.2}")


_WIDTH = """() => {
  const one = document.querySelector("canvas");
  const row = one.getContext("2d").getImageData(0, one.height / 2, one.width, 1).data;
  const lit = [...row].flatMap((value, at) => at % 4 === 0 && value > 16 ? [at / 4] : []);
  return lit.at(-1) - lit[0];
}"""


def test_contrast_is_changed_by_drag_key_and_preset_from_stored_values(
    alice: Page, halls: Gallery
) -> None:
    opened(alice, halls)
    before = middle(alice)
    alice.get_by_label("Brightness").select_option(label="Bone")
    sees(alice, KEY + 1, "lossless")
    assert note(alice, "lossy") == ""
    assert note(alice, "window") == "C 480 W 2500"
    assert middle(alice)[0] < before[0]
    alice.get_by_role("button", name="Contrast").click()
    alice.locator("canvas").press("ArrowRight")
    expect(alice.locator('[data-note="window"]')).not_to_have_text("C 480 W 2500")
    assert alice.get_by_label("Brightness").input_value() == "custom"
    alice.locator("canvas").press("0")
    sees(alice, KEY + 1)
    assert note(alice, "window") == "C 40 W 100"


def test_frames_play_only_when_somebody_asks_and_stop_again(alice: Page, halls: Gallery) -> None:
    opened(alice, halls, ODD)
    alice.get_by_role("button", name=re.compile("^US")).click()
    sees(alice, 16)
    expect(alice.get_by_role("button", name="Contrast")).to_be_hidden()
    alice.get_by_role("button", name="Play").click()
    expect(alice.locator('[data-note="place"]')).not_to_have_text("Picture 16 of 30")
    alice.get_by_role("button", name="Stop").click()
    expect(alice.get_by_role("button", name="Play")).to_be_visible()
    assert middle(alice) != [0, 0, 0]


def test_pixels_that_are_not_square_are_never_distorted_on_screen_or_paper(
    alice: Page, halls: Gallery
) -> None:
    """100 columns of 50 rows, each twice as high as wide: a square."""
    opened(alice, halls, ODD)
    alice.get_by_role("button", name=re.compile("^CR")).click()
    sees(alice, 1)
    assert note(alice, "side") == "RIGHT"
    assert (note(alice, "left"), note(alice, "right"), note(alice, "top")) == ("R", "L", "H")
    for how in ("rendered", "lossless"):
        left, top, right, bottom, _, _ = box(alice)
        assert right - left == pytest.approx(bottom - top, rel=0.03), how
        alice.get_by_role("button", name="Contrast").click()
        alice.locator("canvas").press("ArrowRight")
        sees(alice, 1, "lossless")
    left_edge, right_edge = alice.evaluate(_EDGES)
    assert left_edge > 200
    assert right_edge < left_edge - 100
    alice.emulate_media(media="print")
    assert alice.locator("canvas").evaluate("one => getComputedStyle(one).objectFit") == "contain"
    alice.evaluate("dispatchEvent(new Event('beforeprint'))")
    for words in ("Alice Liddell", "4 May 1952", "29 Feb 2024", "Picture 1 of 1"):
        expect(alice.locator("#paper")).to_contain_text(words)
    expect(alice.get_by_text("not for primary diagnosis").first).to_be_visible()
    expect(alice.locator("#tools")).to_be_hidden()


# MONOCHROME1: the lowest value, on the left, is white.
_EDGES = """() => {
  const one = document.querySelector("canvas");
  const row = [...one.getContext("2d").getImageData(0, one.height / 2, one.width, 1).data]
    .filter((_, at) => at % 4 === 0);
  const lit = row.findIndex((value) => value > 16);
  return [row[lit + 10], row[lit + Math.round((one.width - 2 * lit) * 0.9)] ?? 0];
}"""


# ---------------------------------------------------------------- beside the picture


def test_key_pictures_come_first_and_are_a_list_to_jump_by(alice: Page, halls: Gallery) -> None:
    opened(alice, halls)
    alice.locator("canvas").press("End")
    sees(alice, SLICES)
    alice.get_by_label("Key pictures").select_option(label="1 · For Surgery")
    sees(alice, KEY + 1)


def test_an_earlier_study_lies_beside_it_at_the_same_place_and_is_marked(
    alice: Page, halls: Gallery
) -> None:
    opened(alice, halls)
    alice.get_by_label("Compare with").select_option(PRIOR)
    sees(alice, KEY + 1, pane=1)
    assert note(alice, "prior", 1) == "EARLIER STUDY"
    assert note(alice, "date", 1) == "1 Mar 2025"
    assert note(alice, "prior", 0) == ""
    alice.locator("canvas").first.press("PageUp")
    sees(alice, 1, pane=1)
    alice.get_by_label("Brightness").select_option(label="Bone")
    sees(alice, 1, "lossless", pane=1)
    shoot(alice, "viewer-compare")
    alice.get_by_label("Compare with").select_option(label="Nothing")
    expect(alice.locator(".pane")).to_have_count(1)


def test_a_study_to_compare_with_moves_nothing_and_the_same_kind_comes_first(
    alice: Page, halls: Gallery
) -> None:
    opened(alice, halls)
    first = alice.get_by_label("Compare with").locator("option").nth(1)
    expect(first).to_contain_text("CT")
    alice.get_by_label("Compare with").select_option(ODD)
    beside = alice.locator(".pane").nth(1).locator('[data-note="place"]')
    expect(beside).to_have_text("Picture 2 of 3")
    assert note(alice, "place") == f"Picture {KEY + 1} of {SLICES}"


def test_the_report_stands_beside_the_pictures_its_conclusion_first(
    alice: Page, halls: Gallery
) -> None:
    opened(alice, halls)
    report = alice.get_by_role("region", name="Report")
    expect(report.locator(".conclusion")).to_have_text(CONCLUSION)
    expect(report).to_contain_text("The ground was looked at.")
    expect(report).to_contain_text("Final")
    expect(report).not_to_contain_text(REPORT_TEXT)
    with alice.expect_download() as saved:
        report.get_by_role("button", name="Save the document PDF").click()
    assert saved.value.suggested_filename == "report.pdf"
    assert saved.value.path().read_bytes().startswith(b"%PDF")


def test_without_a_study_all_that_one_may_see_are_listed(alice: Page, halls: Gallery) -> None:
    alice.goto(halls.address.rstrip("/"))
    choices = alice.get_by_role("navigation").get_by_role("button")
    expect(choices.filter(has_text="CT head")).not_to_have_count(0)
    choices.filter(has_text="1 Mar 2025").click()
    sees(alice, 7)
    assert barriers(alice) == []


def test_pictures_that_still_arrive_are_announced_and_join_those_shown(
    alice: Page, halls: Gallery
) -> None:
    """Rules 4: every page of pictures says whether the study is settled; one may be open before it begins."""
    alice.goto(halls.of(ARRIVING, wait="yes"))
    expect(alice.get_by_text("Waiting for the first picture")).to_be_visible()
    with alice.expect_response(lambda answer: answer.status == 304) as asked:
        pass
    assert "/dicomweb/studies?" in asked.value.url
    with halls.arriving() as coming:
        expect(alice.locator(".pane")).to_have_attribute("data-shown", re.compile("rendered"))
        expect(alice.get_by_text("Pictures are still arriving")).to_be_visible()
        coming.stop()
    expect(alice.get_by_role("slider")).to_have_attribute("max", str(coming.sent), timeout=20_000)
    expect(alice.get_by_text("Pictures are still arriving")).to_be_hidden(timeout=20_000)
    assert f"of {coming.sent}" in note(alice, "place")


# ---------------------------------------------------------------- for everybody


@pytest.mark.parametrize(
    ("language", "options"),
    [("en", {}), ("es", HAND), ("ar", HAND | {"color_scheme": "dark"}), ("de", TABLET)],
)
def test_nobody_is_kept_out(
    halls: Gallery, browser: Browser, language: str, options: dict[str, Any]
) -> None:
    """WCAG 2.2 A and AA by axe-core; nothing to be scrolled sideways, also at 200 % text."""
    with looking(browser, halls, **options) as one:
        opened(one.page, halls, lang=language)
        expect(one.page.locator(".conclusion")).to_be_visible()
        assert one.page.locator("html").get_attribute("lang") == language
        assert barriers(one.page) == []
        assert sideways(one.page) <= 0
        assert one.page.evaluate(_SMALL) == []
        shoot(one.page, f"viewer-{language}")
        _sides_of_a_body_stay(one.page)
        enlarge_text(one.page)
        assert sideways(one.page) <= 0


_SMALL = """() => [...document.querySelectorAll("button, select")]
  .filter((one) => one.offsetHeight > 0 && one.offsetHeight < 44).map((one) => one.outerHTML)"""


def _sides_of_a_body_stay(page: Page) -> None:
    """Whatever the direction of the script, and in the letters of the standard."""
    assert (note(page, "left"), note(page, "right")) == ("R", "L")
    left, right = (page.locator(f".edge.{side}").bounding_box() for side in ("left", "right"))
    assert left is not None
    assert right is not None
    assert left["x"] < right["x"]


def test_everything_can_be_reached_by_the_tab_key(alice: Page, halls: Gallery) -> None:
    opened(alice, halls)
    expect(alice.locator(".conclusion")).to_be_visible()
    reached = labels(alice)
    for name in ("Browse", "Contrast", "Move", "Reset", "Play", "Print", "How to use this page"):
        assert name in reached
    assert any("Save the document" in word for word in reached)
