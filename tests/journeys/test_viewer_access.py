"""The viewer when something fails or ends, and how it is entered: who may look, and what others are told."""

import re

import pytest
from playwright.sync_api import Browser, expect

from server import clock
from server.flows import links
from tests.support import holder
from tests.support.browser import barriers, shoot, window
from tests.support.gallery import (
    CONCLUSION,
    KEY,
    NOTICED,
    ODD,
    SLICES,
    STACK,
    Gallery,
    box,
    looking,
    opened,
    sees,
)
from tests.support.practice import REPORT_TEXT
from tests.support.scenes import ALICES, BOBS
from tests.support.smart_app import PASSWORD

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]


def test_its_files_are_public_stay_fresh_and_let_no_other_site_in(halls: Gallery) -> None:
    """They hold nothing of a patient; each is asked for again, and is sent again only when changed."""
    get = halls.practice.server.get
    page = get("/apps/viewer/")
    policy = page.headers["Content-Security-Policy"]
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Content-Encoding"] == "gzip"
    assert page.headers["Cache-Control"] == "public, no-cache"
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    kept = [*re.findall(r'(?:href|src)="([0-9a-f]{16}/[\w./]+)"', page.text)]
    assert len(kept) > 15
    for name in kept:
        assert "immutable" in get(f"/apps/viewer/{name}").headers["Cache-Control"], name
    older = get(f"/apps/viewer/{'0' * 16}/main.js")
    assert (older.status_code, older.headers["Cache-Control"]) == (200, "public, no-cache")
    arabic = get("/apps/viewer/?lang=ar&study=1.2.3")
    assert '<html lang="ar" dir="rtl">' in arabic.text
    assert "studies/1.2.3/thumbnail" in arabic.text
    assert "thumbnail" not in get('/apps/viewer/?study=1"><b>').text
    again = get("/apps/viewer/", If_None_Match=page.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    plain = get("/apps/viewer/", Accept_Encoding="identity")
    assert "Content-Encoding" not in plain.headers
    assert plain.text == page.text
    for path in ("none.js", "../web/viewer.py", "%2e%2e/local_site.py", "words/"):
        assert get(f"/apps/viewer/{path}").status_code == 404


# ---------------------------------------------------------------- when something fails


def test_a_frame_that_cannot_be_decoded_says_why_and_the_others_go_on(
    halls: Gallery, browser: Browser
) -> None:
    with looking(browser, halls) as one:
        one.expect_refusals(406)
        opened(one.page, halls, ODD)
        expect(one.page.locator("#series button")).to_have_text(
            [re.compile("^CR"), re.compile("^US"), re.compile("^CT")], use_inner_text=True
        )
        one.page.get_by_role("button", name=re.compile("^CT")).click()
        message = one.page.locator('[data-note="message"]')
        expect(message).to_contain_text("cannot be shown here; the others can")
        expect(message).to_contain_text("cannot be decoded")
        assert box(one.page)[:2] == [*box(one.page)[4:]], "nothing is drawn in its place"
        one.page.locator("canvas").press("ArrowDown")
        sees(one.page, 3)
        expect(message).to_have_text("")


def test_a_page_goes_blank_when_the_access_is_taken_away(halls: Gallery, browser: Browser) -> None:
    """Rules 7. That one may still look is asked by what shows nothing (304) and is no event of audit."""
    token = halls.token()
    with looking(browser, halls, token) as one:
        one.expect_refusals(401)
        opened(one.page, halls)
        expect(one.page.locator(".conclusion")).to_be_visible()
        with one.page.expect_response(lambda answer: answer.status == 304) as asked:
            pass
        assert asked.value.url.endswith("/metadata")
        with one.page.expect_response(lambda answer: answer.status == 401):
            halls.end(token)
        expect(one.page.get_by_role("alert")).to_contain_text("Your access has ended")
        expect(one.page.locator("canvas")).to_have_count(0)
        assert not re.search("Liddell|1952|hole|CT head", one.page.content())
        shoot(one.page, "viewer-ended")


@pytest.mark.parametrize(
    ("study", "statuses", "words"),
    [(BOBS, (403, 404), "nothing here for you to see"), ("1.2.3.4", (403, 404), "Check the link")],
)
def test_what_is_not_there_or_not_yours_is_said_alike(
    halls: Gallery, browser: Browser, study: str, statuses: tuple[int, ...], words: str
) -> None:
    with looking(browser, halls) as one:
        one.expect_refusals(*statuses)
        one.page.goto(halls.of(study))
        expect(one.page.get_by_role("alert")).to_contain_text(words)
        assert "Cratchit" not in one.page.content()


def test_without_any_access_the_page_says_what_to_do(halls: Gallery, browser: Browser) -> None:
    with window(browser) as one:
        one.expect_refusals(401)
        one.page.goto(halls.of(STACK))
        expect(one.page.get_by_role("alert")).to_contain_text("ask for a new link")
        assert barriers(one.page) == []


def test_a_server_that_cannot_be_reached_is_said_and_tried_again(
    halls: Gallery, browser: Browser
) -> None:
    with looking(browser, halls) as one:
        one.expected.append("ERR_INTERNET_DISCONNECTED")
        opened(one.page, halls)
        one.page.context.set_offline(True)
        one.page.locator("canvas").press("End")
        message = one.page.locator('[data-note="message"]')
        expect(message).to_contain_text("Check your connection")
        one.page.context.set_offline(False)
        sees(one.page, SLICES)
        expect(message).to_have_text("")


# ---------------------------------------------------------------- by a link, and by an EHR


def test_whoever_opened_a_magic_link_looks_until_it_is_revoked(
    halls: Gallery, browser: Browser
) -> None:
    """The session's cookie is all that the page has; what the link does not show is not there."""
    keys, clinic = halls.practice.keys, halls.practice
    made = holder.link(keys, clinic.patients["Alice"])
    cookies = holder.opened(clinic.server.base, made).browser.cookies
    with window(browser) as one:
        one.expect_refusals(401, 403, 404, 406)  # one small picture cannot be decoded
        one.page.context.add_cookies(
            [{"name": c.name, "value": c.value or "", "url": clinic.server.base} for c in cookies]
        )
        one.page.add_init_script(NOTICED)
        one.page.goto(f"{clinic.server.base}/s/pictures")
        one.page.locator(f'a.button[href*="{STACK}"]').click()
        sees(one.page, KEY + 1)
        expect(one.page.locator(".conclusion")).to_have_text(CONCLUSION)
        one.page.get_by_role("link", name="Back to all pictures and reports").click()
        expect(one.page).to_have_url(f"{clinic.server.base}/s/pictures")
        one.page.go_back()
        sees(one.page, KEY + 1)
        links.revoke(keys.house, made.id, now=clock.now())
        expect(one.page.get_by_role("alert")).to_contain_text("Your access has ended")
        one.page.goto(halls.of(STACK))
        expect(one.page.get_by_role("alert")).to_contain_text("ask for a new link")


def test_an_ehr_launches_the_viewer_for_the_patient_on_its_screen(
    halls: Gallery, browser: Browser
) -> None:
    """SMART App Launch 2.2, public client with PKCE; the token stays in memory."""
    clinic = halls.practice
    app = clinic.app(halls.address, launch_uri=halls.address)
    launched = clinic.launch(app.id, clinic.patients["Alice"])
    with window(browser) as one:
        one.page.add_init_script(NOTICED)
        one.page.goto(f"{launched}&client_id={app.id}&study={ALICES}")
        one.page.get_by_label("User name").fill("alice")
        one.page.get_by_label("Password").fill(PASSWORD)
        one.page.get_by_role("button", name="Sign in").click()
        one.page.get_by_role("button", name="Allow", exact=True).click()
        expect(one.page.locator(".conclusion, .narrative").first).to_contain_text(REPORT_TEXT)
        expect(one.page.locator(".pane")).to_have_attribute("data-shown", re.compile("rendered"))
        assert one.page.url == halls.address
        kept = one.page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")
        assert "token" not in kept


def test_the_viewer_takes_no_permission_from_another_server(
    halls: Gallery, browser: Browser
) -> None:
    with looking(browser, halls) as one:
        one.page.goto(f"{halls.address}?iss=https://elsewhere.example/fhir&launch=x&client_id=y")
        expect(one.page.get_by_role("alert")).to_contain_text("You may not see this")
