"""The viewer in a frame of an EHR's page on another site, over TLS and with third-party cookies blocked.

Chromium keeps no cookie there but one that is Partitioned: the frame's requests say so themselves.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
import requests
from playwright.sync_api import Browser, FrameLocator, Page, Request, expect

from server import clock
from server.flows import clients, launches
from server.flows.clients import Client
from tests.support import logs
from tests.support.apps import framing_ehr
from tests.support.backend import jwks
from tests.support.browser import Window, shoot, window
from tests.support.gallery import stack
from tests.support.practice import REPORT_TEXT, Practice, practice
from tests.support.scenes import ALICES, BOBS
from tests.support.smart_app import PASSWORD
from tests.support.tls import page_around, terminator
from tests.support.views import EHR_SCOPE
from tests.support.waiting import until
from tests.support.web import Web

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]


@dataclass(slots=True)
class Ward:
    """The practice behind TLS, the address of a sandbox EHR, and a client that is another EHR."""

    clinic: Practice
    front: str
    ehr: str
    viewer: str
    other: Client
    page: str
    foreign: str

    def launch(self, user: str = "") -> str:
        """The address of a launch that the other EHR made for Alice."""
        wanted = launches.Wanted(self.viewer, self.clinic.patients["Alice"], user=user)
        house = self.clinic.keys.house
        made = launches.make(house, wanted, by=self.other, now=clock.now())
        logs.keep_out(made.value)
        return made.url


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("frames")
    with (
        terminator(folder / "tls") as tls,
        page_around() as page,
        page_around() as foreign,
        practice(folder / "data", tls.base) as clinic,
        framing_ehr(clinic, tls.base, folder, tls.certificate) as ehr,
    ):
        tls.lead_to(clinic.server.http)
        _earlier(clinic)
        wanted = Client(
            *("", 0, "Other EHR", "backend", EHR_SCOPE, "all"), frame_origins=(page,), jwks=jwks()
        )
        other, _ = clients.add(clinic.keys.house, wanted, "home", now=clock.now())
        yield Ward(clinic, tls.base, ehr, clinic.keys.viewer(), other, page, foreign)


def _earlier(clinic: Practice) -> None:
    """An earlier study of Alice's, until it is a resource."""
    staff = Web(f"{clinic.server.base}/dicomweb", clinic.keys.token("system/*.cruds"))
    assert staff.store(*stack("prior", "20230301", 4)).status_code == 200
    search = f"/fhir/ImagingStudy?patient={clinic.patients['Alice']}"
    everyone = clinic.keys.token("system/*.rs")
    until(lambda: clinic.server.get(search, everyone).json()["total"] == 2, "the earlier study")


@contextmanager
def sitting(browser: Browser) -> Iterator[Window]:
    """A clinician's window, which trusts the certificate of this test."""
    size = {"width": 1280, "height": 900}
    with window(browser, ignore_https_errors=True, viewport=size) as opened:
        yield opened


def around(one: Window, origin: str, address: str) -> FrameLocator:
    """Show an address in a frame of a page of another origin."""
    one.page.goto(f"{origin}/?{urlencode({'shows': address})}")
    return one.page.frame_locator("iframe")


def frames_policy_is_no_problem(one: Window) -> None:
    """A browser that keeps a page out of a frame says so; this test provokes it."""
    one.expected += ["frame-ancestors", "X-Frame-Options", "Refused to frame", "Framing"]


def test_an_ehr_shows_pictures_report_and_the_study_before_side_by_side_in_its_own_page(
    ward: Ward, browser: Browser
) -> None:
    """No login, no token in the browser, and blank when the EHR ends it."""
    asked: list[Request] = []
    with sitting(browser) as one:
        one.expect_refusals(401, 403)
        one.page.on("request", lambda request: asked.append(request))
        launch = start(one.page, ward)
        frame = one.page.frame_locator("#frame")
        frame.get_by_role("button", name="I understand").click()
        expect(frame.locator(".conclusion, .narrative").first).to_contain_text(REPORT_TEXT)
        for pane in (0, 1):
            shown = frame.locator(".pane").nth(pane)
            expect(shown).to_have_attribute("data-shown", re.compile("rendered"))
        expect(frame.locator('[data-note="prior"]').nth(1)).to_have_text("EARLIER STUDY")
        shoot(one.page, "viewer-in-ehr")
        inside = [each for each in asked if each.url.startswith(f"{ward.front}/")]
        assert len(inside) > 10
        sent = [each.all_headers() for each in inside]
        assert not any("authorization" in headers for headers in sent)
        assert {headers.get("sec-fetch-storage-access", "none") for headers in sent} == {"none"}
        kept = one.page.context.cookies()
        assert {(c["name"][:21], c["sameSite"], c["secure"], c["httpOnly"]) for c in kept} == {
            ("__Host-triptych-view-", "None", True, True)
        }
        assert refused(one.page, f"/dicomweb/studies/{BOBS}/series") == 403
        assert refused(one.page, f"/dicomweb/studies/{ALICES}/series") == 200
        end(ward, launch)
        expect(frame.get_by_role("alert")).to_contain_text("Your access has ended")
        expect(frame.locator("canvas")).to_have_count(0)
        shoot(one.page, "viewer-in-ehr-ended")


def start(page: Page, ward: Ward) -> str:
    """Choose Alice's newer study and start the viewer in the page; gives the launch."""
    page.goto(ward.ehr)
    page.get_by_label("Find by name or number").fill("liddell")
    page.get_by_role("radio").check()
    newer = page.locator("#study option").filter(has_text="2024-02-29")
    page.get_by_label("Study").select_option(newer.get_attribute("value"))
    page.get_by_label("Inside this page").check()
    shoot(page, "ehr-before-frame")
    with page.expect_response("**/launch") as made:
        page.get_by_role("button", name="Start the app").click()
    return logs.keep_out(str(made.value.json()["launch"]))


def end(ward: Ward, launch: str) -> None:
    """Close the record at the EHR."""
    origin = {"Origin": ward.ehr.rstrip("/")}
    asked = {"launch": launch}
    answer = requests.post(f"{ward.ehr}end", json=asked, headers=origin, timeout=20)
    assert answer.status_code == 200, answer.text


def refused(page: Page, path: str) -> int:
    """The status that a script of the frame's own page gets."""
    (frame,) = [one for one in page.frames if "/apps/viewer/" in one.url]
    script = """async (path) => {
      const view = new URL(location).searchParams.get("view");
      return (await fetch(path, { headers: { "Triptych-View": view } })).status;
    }"""
    return int(frame.evaluate(script, path))


def test_who_is_not_named_signs_in_inside_the_frame_with_a_cookie_of_its_own(
    ward: Ward, browser: Browser
) -> None:
    with sitting(browser) as one:
        frame = around(one, ward.page, ward.launch())
        frame.get_by_label("User name").fill("drew")
        frame.get_by_label("Password").fill(PASSWORD)
        shoot(one.page, "login-in-ehr")
        frame.get_by_role("button", name="Sign in").click()
        frame.get_by_role("button", name="I understand").click()
        expect(frame.locator("nav[aria-labelledby=who] button")).to_have_count(2)
        shoot(one.page, "viewer-in-ehr-list")
        assert {c["name"].removeprefix("__Host-")[:13] for c in one.page.context.cookies()} == {
            "triptych-fram",
            "triptych-view",
        }
        one.page.goto(f"{ward.front}/oauth/apps")
        expect(one.page.get_by_label("Password")).to_be_visible()


def test_a_page_of_another_origin_shows_none_of_ours(ward: Ward, browser: Browser) -> None:
    """Neither the login nor, once somebody is named, the viewer: the browser keeps them out."""
    app = ward.clinic.app("http://127.0.0.1:9/back", launch_uri="http://127.0.0.1:9/launch")
    login = ward.clinic.login(app, aud=f"{ward.front}/fhir").replace(
        ward.clinic.server.base, ward.front
    )
    for address in (ward.launch(), ward.launch("drew"), f"{ward.front}/apps/viewer/", login):
        with sitting(browser) as one:
            one.expect_refusals(403)
            frames_policy_is_no_problem(one)
            around(one, ward.foreign, address)
            one.page.wait_for_load_state("networkidle")
            (inside,) = [each for each in one.page.frames if each.parent_frame]
            assert inside.url.startswith("chrome-error:"), address
