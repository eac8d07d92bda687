"""Somebody with a phone and a Magic Link: asked, shown, and at the end of it shown nothing more."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import Browser, Page, expect

from server import clock
from server.flows import links
from server.flows.links import Made
from tests.support.browser import (
    PHONE,
    Window,
    barriers,
    enlarge_text,
    labels,
    shoot,
    sideways,
    window,
)
from tests.support.holder import BORN, link, opened
from tests.support.practice import REPORT_TEXT, Practice

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(params=["en", "de", "ar"])
def phone(surgery: Practice, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Window]:
    """A phone whose owner has chosen a language by the switch of a page."""
    with window(browser, **PHONE) as opened:
        opened.page.goto(f"{surgery.server.base}/s/?lang={request.param}")
        yield opened


def given(surgery: Practice) -> Made:
    return link(surgery.keys, surgery.patients["Alice"])


def enter(page: Page, made: Made) -> None:
    """Open a link as its patient does."""
    page.goto(made.url)
    page.locator("#factor").fill(made.answer or BORN)
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/s/open")


def good(page: Page, name: str) -> None:
    """Nothing that keeps people out, and no page wider than the phone, at 200 % text too."""
    shoot(page, f"link-{name}-{page.evaluate('document.documentElement.lang')}")
    assert barriers(page) == []
    assert sideways(page) == 0
    enlarge_text(page)
    assert sideways(page) == 0
    page.reload()


def test_every_page_is_fit_for_a_phone_and_for_everybody(surgery: Practice, phone: Window) -> None:
    page, made = phone.page, given(surgery)
    page.goto(made.url)
    good(page, "ask")
    page.goto(f"{surgery.server.base}/s/n{'x' * 27}")
    good(page, "ask-named")
    page.goto(made.url)
    enter(page, made)
    good(page, "open")
    page.locator('main a[href="/s/pictures"]').first.click()
    good(page, "pictures")
    page.locator(".series a").first.click()
    expect(page.locator("img.picture")).to_have_js_property("complete", True)
    assert page.locator("img.picture").evaluate("one => one.naturalWidth") > 20
    good(page, "picture")
    page.locator('nav a[href="/s/reports"]').click()
    good(page, "reports")
    page.locator('main a[href^="/s/reports/"]').first.click()
    expect(page.get_by_text(REPORT_TEXT).first).to_be_visible()
    good(page, "report")
    page.locator('nav a[href="/s/link"]').click()
    good(page, "link")
    page.locator('form[action="/s/pass-on"] button').click()
    shoot(page, "link-passed")
    assert barriers(page) == []
    page.goto(f"{surgery.server.base}/s/not-me")
    good(page, "not-me")


def test_a_page_that_is_open_goes_blank_when_its_link_is_revoked(
    surgery: Practice, desk: Window
) -> None:
    page, made = desk.page, given(surgery)
    enter(page, made)
    page.goto(f"{surgery.server.base}/s/pictures")
    expect(page.locator(".series img").first).to_be_visible()
    desk.expect_refusals(401)
    links.revoke(surgery.keys.house, made.id, now=clock.now())
    expect(page.get_by_role("alert")).to_have_text(
        "This link was ended. Nothing is shown any more."
    )
    assert page.locator("img").count() == 0
    assert "Alice" not in page.content()
    shoot(page, "link-ended")


def test_everything_is_there_without_a_script(surgery: Practice, browser: Browser) -> None:
    made = given(surgery)
    with window(browser, **PHONE, java_script_enabled=False) as plain:
        page = plain.page
        enter(page, made)
        page.get_by_role("link", name="Pictures").first.click()
        page.locator(".series a").first.click()
        expect(page.get_by_role("heading", name="Picture 2 of 3")).to_be_visible()
        page.get_by_role("link", name="Next picture").click()
        expect(page.get_by_role("heading", name="Picture 3 of 3")).to_be_visible()
        plain.expect_refusals(401)
        links.revoke(surgery.keys.house, made.id, now=clock.now())
        page.get_by_role("link", name="Previous picture").click()
        expect(page.get_by_role("heading", name="This link is closed")).to_be_visible()


def test_a_keyboard_alone_opens_a_link_and_gets_to_the_pictures(
    surgery: Practice, page: Page
) -> None:
    made = given(surgery)
    page.goto(made.url)
    assert labels(page)[:2] == ["Your date of birth", "Open"]
    page.locator("#factor").focus()
    page.keyboard.type(BORN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/s/open")
    page.get_by_role("link", name="Pictures").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/s/pictures")


def test_a_picture_is_not_stretched_on_paper(surgery: Practice, page: Page) -> None:
    """Hazard: a body of false proportions. Printed, the picture keeps its own."""
    enter(page, given(surgery))
    page.goto(f"{surgery.server.base}/s/pictures")
    page.locator(".series a").first.click()
    page.emulate_media(media="print")
    fit = page.locator("img.picture").evaluate("one => getComputedStyle(one).objectFit")
    assert fit == "contain"
    expect(page.locator("nav")).to_be_hidden()
    expect(page.locator(".intended")).to_be_visible()
    expect(page.locator("figcaption")).to_contain_text("Alice Liddell")


@pytest.fixture(scope="module")
def unpacked(surgery: Practice, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disc in a folder, as somebody has it at home."""
    folder = tmp_path_factory.mktemp("disc")
    answer = opened(surgery.server.base, given(surgery)).get("/s/disc")
    ZipFile(BytesIO(answer.content)).extractall(folder)
    return folder


def test_a_disc_is_looked_at_without_a_network(unpacked: Path, browser: Browser) -> None:
    with window(browser, **PHONE, offline=True) as shown:
        page = shown.page
        page.goto(f"{unpacked.as_uri()}/INDEX.HTM")
        good(page, "disc")
        page.locator(".series a").first.click()
        expect(page.locator("figure:visible")).to_have_count(1)
        expect(page.get_by_text("Picture 2 of 3")).to_be_visible()
        page.get_by_role("button", name="Next picture").click()
        expect(page.get_by_text("Picture 3 of 3")).to_be_visible()
        page.get_by_role("slider").press("ArrowLeft")
        expect(page.get_by_text("Picture 2 of 3")).to_be_visible()
        picture = page.locator("figure:visible img")
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("one => one.naturalWidth") == 128
        good(page, "disc-series")
        page.get_by_role("link", name="Start").click()
        page.locator('a[href^="REPORTS/"]').click()
        expect(page.get_by_text(REPORT_TEXT).first).to_be_visible()
        good(page, "disc-report")


def test_a_disc_is_pages_of_pictures_without_a_script(unpacked: Path, browser: Browser) -> None:
    with window(browser, java_script_enabled=False, offline=True) as shown:
        shown.page.goto(f"{unpacked.as_uri()}/INDEX.HTM")
        shown.page.locator(".series a").first.click()
        expect(shown.page.locator("figure:visible")).to_have_count(3)
        expect(shown.page.get_by_role("slider")).to_be_hidden()
