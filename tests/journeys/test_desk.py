"""Somebody at the desk with a real browser: a keyboard alone, a phone, the dark, no script at all."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PHONE, Window, barriers, enlarge_text, shoot, sideways, window
from tests.support.practice import Practice
from tests.support.smart_app import PASSWORD

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def office(surgery: Practice) -> Practice:
    """The practice with somebody at its desk, who leaves its records as they are."""
    surgery.keys.user("desk-clerk", "operator")
    return surgery


@pytest.fixture(params=["en", "ar"])
def phone(office: Practice, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Window]:
    """A phone of somebody who is signed in, in the dark, and speaks a language."""
    with window(browser, **PHONE, color_scheme="dark") as opened:
        opened.page.goto(f"{office.server.base}/desk/?lang={request.param}")
        sign_in(opened.page)
        yield opened


def sign_in(page: Page) -> None:
    page.locator("#username").fill("desk-clerk")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/desk/**")


def good(page: Page, name: str) -> None:
    """Nothing that keeps people out, and no page wider than its window, at 200 % text too."""
    shoot(page, f"desk-{name}-{page.evaluate('document.documentElement.lang')}")
    assert barriers(page) == []
    assert sideways(page) == 0
    enlarge_text(page)
    assert sideways(page) == 0
    page.reload()


def test_every_page_of_the_desk_is_fit_for_a_phone_and_for_everybody(
    office: Practice, phone: Window
) -> None:
    page, base = phone.page, office.server.base
    at = f"/desk/patients/{office.patients['Alice']}"
    second = f"{at}/link/factor?study={office.study}&span=30d"
    pages = (
        ("start", "/desk/"),
        ("found", "/desk/?find=liddell"),
        ("chart", at),
        ("merge", f"{at}/merge?into={office.patients['Bob']}"),
        ("what", f"{at}/link"),
        ("factor", second),
        ("links", "/desk/links"),
        ("review", "/desk/review?state=noted"),
        ("messages", "/desk/messages"),
        ("feeds", "/desk/feeds"),
        ("audit", "/desk/audit"),
        ("recalls", "/desk/recalls"),
        ("jobs", "/desk/jobs"),
        ("health", "/desk/health"),
    )
    english = page.evaluate("document.documentElement.lang") == "en"
    for name, path in pages:
        if english or name in ("chart", "factor", "messages"):
            page.goto(base + path)
            good(page, name)
    page.goto(f"{base}/desk/messages?control=R1")
    page.locator("td a").first.click()
    good(page, "message")
    page.goto(base + second)
    page.locator("main form button").click()
    expect(page.locator(".sheet svg")).to_be_visible()
    shoot(page, "desk-made")
    assert barriers(page) == []
    assert sideways(page) == 0


def test_a_keyboard_alone_finds_a_patient_and_hands_over_a_link(
    office: Practice, page: Page
) -> None:
    page.goto(f"{office.server.base}/desk/")
    sign_in(page)
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("liddell")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    go(page, "Alice Liddell")
    expect(page.get_by_role("heading", name="Alice Liddell")).to_be_visible()
    go(page, "Make a link")
    page.get_by_role("button", name="Next").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.get_by_role("radio", name="PIN Tell").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This is shown once.")).to_be_visible()
    secret = page.locator(".secret").nth(1).inner_text()
    assert len(secret) == 6
    page.emulate_media(media="print")
    expect(page.locator(".sheet svg")).to_be_visible()
    expect(page.locator(".secret").nth(1)).to_be_hidden()
    expect(page.get_by_role("navigation")).to_be_hidden()


def go(page: Page, name: str) -> None:
    """Follow a link with the keyboard: the Tab key comes to it, Enter goes there."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == name:
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
    pytest.fail(f"the Tab key never came to {name}")


def test_the_desk_needs_no_script_and_shows_tables_as_tables(
    office: Practice, browser: Browser
) -> None:
    with window(browser, java_script_enabled=False) as plain:
        page = plain.page
        page.goto(f"{office.server.base}/desk/messages?control=R1")
        sign_in(page)
        page.locator("td a").first.click()
        expect(page.get_by_role("heading", name="ORU^R01 R1")).to_be_visible()
        expect(page.get_by_text("|1||ALICE||Liddell^Alice")).to_be_visible()
        page.get_by_role("link", name="Feeds").click()
        expect(page.get_by_role("table")).to_have_count(1)
        expect(page.get_by_role("columnheader")).to_have_count(7)
        page.get_by_role("button", name="Sign out").click()
        page.goto(f"{office.server.base}/desk/")
        expect(page.locator("#username")).to_be_visible()
