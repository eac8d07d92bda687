"""Our own sandbox: an EHR's page launches a small app, in which a patient's record is seen."""

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.support.apps import launch_demo, sandbox_ehr
from tests.support.browser import PHONE, barriers, enlarge_text, shoot, sideways, window
from tests.support.consenting import allow, deny, log_in
from tests.support.practice import REPORT_TEXT, Practice

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def demo(surgery: Practice) -> Iterator[tuple[str, str]]:
    with launch_demo(surgery) as started:
        yield started


@pytest.fixture(scope="module")
def ehr(
    surgery: Practice, demo: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with sandbox_ehr(surgery, demo[1], tmp_path_factory.mktemp("ehr")) as address:
        yield address


def test_a_patient_logs_in_and_sees_pictures_and_report(demo: tuple[str, str], page: Page) -> None:
    page.goto(demo[0])
    page.get_by_role("button", name="Log in").click()
    log_in(page)
    allow(page)
    sees_alices_record(page)
    expect(page.get_by_text(REPORT_TEXT)).to_be_visible()
    shoot(page, "demo-record")
    assert barriers(page) == []


def sees_alices_record(page: Page) -> None:
    """Her name, and her study with a picture that has been drawn."""
    expect(page.get_by_role("status")).to_contain_text("the record of Alice Liddell")
    picture = page.get_by_role("img", name=re.compile("Small picture"))
    expect(picture).to_be_visible()
    page.wait_for_function("document.querySelector('#studies img').naturalWidth > 20")


def test_the_app_renews_its_access_and_ends_it(
    surgery: Practice, demo: tuple[str, str], page: Page
) -> None:
    page.goto(demo[0])
    page.get_by_role("button", name="Log in").click()
    log_in(page)
    allow(page)
    page.get_by_role("button", name="Get a fresh token").click()
    expect(page.get_by_role("status")).to_have_text("This app has a fresh token.")
    with page.expect_request(f"{surgery.server.base}/oauth/revoke") as asked:
        page.get_by_role("button", name="End access").click()
    expect(page.get_by_role("status")).to_contain_text("Access has ended")
    assert asked.value.response() is not None
    expect(page.get_by_text(REPORT_TEXT)).to_be_hidden()


def test_whoever_refuses_goes_back_to_the_app_which_says_so(
    demo: tuple[str, str], page: Page
) -> None:
    page.goto(demo[0])
    page.get_by_role("button", name="Log in").click()
    log_in(page)
    deny(page)
    expect(page.get_by_role("status")).to_have_text("Access was refused. Nothing is shown.")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_doctor_launches_the_app_from_the_ehr_for_the_patient_on_the_screen(
    ehr: str, page: Page
) -> None:
    page.goto(ehr)
    page.get_by_label("Find by name or number").fill("liddell")
    page.get_by_role("radio").check()
    expect(page.get_by_text("Open record:")).to_contain_text("Liddell")
    shoot(page, "ehr")
    assert barriers(page) == []
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Start the app").click()
    app = opened.value
    log_in(app, "drew")
    allow(app)
    sees_alices_record(app)
    expect(app.locator("#banner")).to_contain_text("Alice Liddell · born 1952-05-04")
    shoot(app, "demo-in-ehr")


def test_an_app_leaves_its_banner_out_where_the_ehr_shows_one(ehr: str, page: Page) -> None:
    page.goto(ehr)
    page.get_by_label("Find by name or number").fill("liddell")
    page.get_by_role("radio").check()
    page.get_by_label("the app need not").check()
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Start the app").click()
    app = opened.value
    log_in(app, "drew")
    allow(app)
    sees_alices_record(app)
    expect(app.locator("#banner")).to_be_hidden()


def test_the_pages_fit_a_phone_and_large_text(
    browser: Browser, ehr: str, demo: tuple[str, str]
) -> None:
    with window(browser, **PHONE) as phone:
        for name, address in (("ehr", ehr), ("demo", demo[0])):
            phone.page.goto(address)
            expect(phone.page.get_by_role("status")).not_to_have_text("Loading …")
            for size in ("small", "large"):
                assert sideways(phone.page) <= 0
                assert barriers(phone.page) == []
                shoot(phone.page, f"{name}-phone-{size}")
                enlarge_text(phone.page)


def test_the_launch_page_goes_only_to_the_server_that_it_is_registered_at(
    demo: tuple[str, str], page: Page
) -> None:
    page.goto(f"{demo[0]}launch.html?iss=http://127.0.0.1:9/fhir&launch=x")
    expect(page.get_by_role("status")).to_contain_text("This app works with")


def test_other_pages_cannot_launch_through_the_ehr(ehr: str) -> None:
    asked = {"app": "x", "patient": "y"}
    headers = {"Origin": ehr.rstrip("/")}
    assert requests.post(f"{ehr}launch", json=asked, headers=headers, timeout=20).status_code == 502
    for other in ({}, {"Origin": "http://127.0.0.1:1"}, headers | {"Host": "evil.example"}):
        answer = requests.post(f"{ehr}launch", json=asked, headers=other, timeout=20)
        assert answer.status_code == 403
    assert requests.post(f"{ehr}launch", data=asked, headers=headers, timeout=20).status_code == 403
    rebound = requests.get(f"{ehr}patients", headers={"Host": "evil.example"}, timeout=20)
    assert rebound.status_code == 403
