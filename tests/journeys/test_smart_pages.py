"""The pages of a login can be used by everybody: by keyboard, without JavaScript, on a phone."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.authenticator import scan
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
from tests.support.consenting import allow, answer, asked_to_decide, choose, log_in
from tests.support.practice import READS, Practice
from tests.support.site_of_files import site_of
from tests.support.smart_app import PASSWORD, App

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]

APP = {"back": b'<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,">'}
WINDOWS: dict[str, dict[str, Any]] = {"desk": {}, "phone": PHONE}
NAME = "Heart & Lung <App>"
SCOPE = f"launch/patient {READS}"


@pytest.fixture(scope="module")
def app(surgery: Practice) -> Iterator[App]:
    with site_of(APP) as address:
        yield surgery.app(f"{address}back", name=NAME)


def test_login_and_consent_by_keyboard_alone(surgery: Practice, app: App, page: Page) -> None:
    page.goto(surgery.login(app, scope=SCOPE))
    assert labels(page)[:3] == ["User name", "Password", "Sign in"]
    page.reload()
    for text in ("alice", PASSWORD):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    asked_to_decide(page)
    order = labels(page)
    order = order[: order.index("Do not allow") + 1]
    assert order[-2] == "Allow"
    page.reload()
    for word in order[:-1]:
        page.keyboard.press("Tab")
        if "Reports" in word:
            page.keyboard.press("Space")
    page.keyboard.press("Enter")
    granted = app.redeem(answer(page, app.redirect)["code"]).json()["scope"].split()
    assert "patient/ImagingStudy.rs" in granted
    assert "patient/DiagnosticReport.rs" not in granted


def test_login_and_consent_without_javascript(
    surgery: Practice, app: App, browser: Browser
) -> None:
    with window(browser, java_script_enabled=False) as plain:
        plain.expect_refusals(401)
        page = plain.page
        page.goto(surgery.login(app, scope=SCOPE))
        log_in(page, "alice", "not her password")
        expect(page.get_by_role("alert")).to_contain_text("do not fit")
        log_in(page)
        allow(page)
        token = app.redeem(answer(page, app.redirect)["code"]).json()
    assert token["patient"] == surgery.patients["Alice"]


def test_whoever_is_logged_in_is_not_asked_for_the_password_again(
    surgery: Practice, app: App, page: Page
) -> None:
    page.goto(surgery.login(app, scope=SCOPE))
    log_in(page)
    allow(page)
    answer(page, app.redirect)
    page.goto(surgery.login(app, scope=SCOPE))
    asked_to_decide(page)


def walk(surgery: Practice, app: App, here: Window) -> Iterator[str]:
    """Every page that a person may meet, one after the other."""
    page = here.page
    page.goto(surgery.login(app, scope=SCOPE))
    yield "login"
    log_in(page, "drew", "not his password")
    yield "login-wrong"
    log_in(page, "drew")
    yield "patient"
    choose(page, "Liddell")
    asked_to_decide(page)
    yield "consent"
    visits = f"launch/patient launch/encounter openid fhirUser offline_access {READS}"
    page.goto(surgery.login(app, scope=f"{visits} patient/Observation.rs user/*.rs"))
    choose(page, "Liddell")
    expect(page.get_by_role("heading")).to_have_text("Which visit?")
    yield "encounter"
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name="Continue").click()
    yield "consent-much"
    allow(page)
    answer(page, app.redirect)
    page.goto(surgery.login(app, redirect_uri=f"{app.redirect}/elsewhere"))
    yield "error"
    page.goto(f"{surgery.server.base}/oauth/apps")
    yield "apps"
    page.get_by_role("button", name="Sign out").click()
    yield "logout"


def walk_account(surgery: Practice, here: Window) -> Iterator[str]:
    """The pages of one's own account, and those of a second step."""
    page = here.page
    page.goto(f"{surgery.server.base}/oauth/account?lang=ar")
    yield "login-arabic"
    page.goto(f"{surgery.server.base}/oauth/account?lang=en")
    log_in(page, "drew")
    yield "account"
    page.get_by_role("link", name="Set it up").click()
    yield "enrol"
    phone = scan(page.content())
    page.get_by_label("Your password now").fill(PASSWORD)
    page.get_by_label("Six digits").fill(phone.fresh())
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading")).to_have_text("Keep your recovery codes")
    yield "recovery"
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("button", name="Sign out").last.click()
    page.goto(f"{surgery.server.base}/oauth/login")
    log_in(page, "drew")
    expect(page.get_by_role("heading")).to_have_text("Second step")
    yield "code"
    surgery.server.run("user", "totp", "drew")
    page.goto(f"{surgery.server.base}/setup/{'A' * 43}")
    yield "setup-ended"


@pytest.mark.parametrize("name", ["desk", "phone"])
def test_no_page_keeps_anybody_out(
    surgery: Practice, app: App, browser: Browser, name: str
) -> None:
    """WCAG 2.2 AA as far as axe-core sees it, in light and dark, at 360 pixels, and text at 200 %."""
    with window(browser, **WINDOWS[name]) as here:
        here.expect_refusals(400, 401)
        assert_open(here, walk(surgery, app, here), name)


def test_no_page_of_an_account_keeps_anybody_out(surgery: Practice, browser: Browser) -> None:
    with window(browser, **PHONE) as here:
        here.expect_refusals(410)
        assert_open(here, walk_account(surgery, here), "account")


def assert_open(here: Window, places: Iterator[str], name: str) -> None:
    """Look at every page in light and dark, and with large text."""
    found = {}
    for number, place in enumerate(places):
        shoot(here.page, f"{name}-{number}-{place}")
        found[place] = barriers(here.page) + wide(here.page)
        here.page.emulate_media(color_scheme="dark")
        found[place] += barriers(here.page, "color-contrast")
        enlarge_text(here.page)
        found[place] += wide(here.page)
        shoot(here.page, f"{name}-{number}-{place}-dark-large")
        here.page.emulate_media(color_scheme="light")
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


def wide(page: Page) -> list[str]:
    """That the page must be scrolled sideways."""
    over = sideways(page)
    return [f"{over} pixels wider than its window"] if over > 0 else []
