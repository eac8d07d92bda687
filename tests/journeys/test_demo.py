"""The sample hospital as its visitors meet it: what the README and First steps say, pasted and clicked."""

import json
import re
import stat
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import PHONE, shoot, window
from tests.support.consenting import allow, choose, log_in
from tests.support.gallery import NOTICED, note, sees
from tests.support.sample_hospital import Demo, sample_hospital
from tests.support.shell import finish
from tests.support.tree import ROOT, read

pytestmark = [pytest.mark.journey, pytest.mark.slow]

README = read(Path("README.md")).partition("## The first five minutes")[2].partition("\n## ")[0]
STEPS = read(Path("docs/first-steps.md"))
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWERS = re.compile(r"^```(?:json|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TODAY, YEAR_AGO = "CT head without contrast", "18 Nov 2025 · CT head without contrast"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A hospital whose first start was cut off in the middle of its day."""
    with sample_hospital(tmp_path_factory.mktemp("demo")) as made:
        made.start_and_kill_at("Júlia's head CT")
        made.start()
        yield made


@dataclass(slots=True)
class Visitor:
    """Somebody who clicks what First steps names, and what was clicked."""

    page: Page
    clicked: list[str] = field(default_factory=list)

    def clicks(self, name: str, within: Page | Locator | None = None) -> None:
        """Click the first link or button of a name."""
        place = within or self.page
        named = place.get_by_role("link", name=name).or_(place.get_by_role("button", name=name))
        self.clicked.append(name)
        named.first.click()

    def chooses(self, name: str, option: str) -> None:
        """Choose from a list."""
        self.clicked.append(name)
        self.page.get_by_label(name).select_option(label=option)


def clickable(heading: str) -> list[str]:
    """What First steps tells a visitor to click, in its order."""
    section = STEPS.partition(f"## {heading}\n")[2].partition("\n## ")[0].partition("```")[0]
    return re.findall(r"`([^`]+)`", section)


def matches(expected: str, printed: str) -> bool:
    """Whether an answer of a page is what was printed; `…` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("…"))
    return re.search(pattern, printed, re.DOTALL) is not None


# ---------------------------------------------------------------- what it says and keeps


def test_it_prints_addresses_users_and_a_link_and_keeps_passwords_from_others(demo: Demo) -> None:
    """Architecture, fixed interface: DATA/demo.json, 0600."""
    shown = demo.shown
    assert {one["role"] for one in shown["users"]} == {"patient", "proxy", "clinician", "operator"}
    assert len({one["password"] for one in shown["users"]}) == 4
    assert shown["link"]["url"].startswith(f"{shown['base']}/s/")
    assert set(shown["try"]) >= {"patient", "clinician", "operator"}
    kept = demo.data / "demo.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(shown["link"]["qr"]).stat().st_mode) == 0o600
    assert shown["users"][0]["password"] in kept.read_text(encoding="utf-8")


# ---------------------------------------------------------------- what visitors click


@pytest.mark.browser
def test_a_patient_gets_from_the_link_to_pictures_report_copy_and_passing_on(
    demo: Demo, browser: Browser, tmp_path: Path
) -> None:
    """Every click of First steps, and none besides."""
    with window(browser, viewport={"width": 1366, "height": 860}) as desk:
        visitor = Visitor(desk.page)
        _opens(visitor, demo)
        _compares(visitor)
        visitor.page.go_back()
        visitor.clicks("Reports")
        expect(visitor.page.get_by_text("A report exists. It is not finished")).to_be_visible()
        shoot(visitor.page, "demo-reports")
        visitor.clicks("This link")
        _keeps(visitor, tmp_path)
        _passes_on(visitor, browser)
    assert visitor.clicked == clickable("A patient")


def _opens(visitor: Visitor, demo: Demo) -> None:
    page, link = visitor.page, demo.shown["link"]
    page.goto(link["url"])
    page.locator("#factor").fill(_typed(link["answer"]))
    visitor.clicks("Open")
    visitor.clicks("Pictures", page.locator("main"))
    shoot(page, "demo-pictures")
    visitor.clicks("Look at them with contrast and zoom", page.get_by_role("region", name=TODAY))
    visitor.clicks("I understand")


def _typed(answer: str) -> str:
    """17 May 1962 as a form takes it."""
    return datetime.strptime(answer, "%d %B %Y").replace(tzinfo=UTC).strftime("%d %m %Y")


def _compares(visitor: Visitor) -> None:
    page = visitor.page
    sees(page, 21)
    report = page.get_by_role("region", name="Report")
    expect(report.locator(".conclusion")).to_contain_text("on the left of 2025 has gone")
    expect(report).to_contain_text("Corrected")
    visitor.chooses("Compare with", YEAR_AGO)
    sees(page, 13, pane=1)
    assert note(page, "place") == "Picture 21 of 40"
    assert note(page, "prior", 1) == "EARLIER STUDY"
    shoot(page, "demo-compare")


def _keeps(visitor: Visitor, folder: Path) -> None:
    with visitor.page.expect_download() as saved:
        visitor.clicks("Pictures and reports as a disc in a ZIP")
    saved.value.save_as(folder / "pictures.zip")
    with zipfile.ZipFile(folder / "pictures.zip") as disc:
        assert any(name.endswith("DICOMDIR") for name in disc.namelist())
        assert len(disc.namelist()) > 67


def _passes_on(visitor: Visitor, browser: Browser) -> None:
    """A relative opens the second link with its PIN, and sees nothing any more once it is ended."""
    page = visitor.page
    visitor.clicks("Make a link")
    url, pin = page.locator(".secret").all_inner_texts()
    with window(browser, **PHONE) as phone:
        phone.page.goto(url)
        phone.page.locator("#factor").fill(pin)
        phone.page.get_by_role("button", name="Open").click()
        phone.page.get_by_role("link", name="Pictures").first.click()
        expect(phone.page.locator(".series img").first).to_be_visible()
        shoot(phone.page, "demo-passed-phone")
        visitor.clicks("This link")
        phone.expect_refusals(401)
        visitor.clicks("End it")
        expect(phone.page.get_by_role("alert")).to_contain_text("This link was ended")
    expect(page.get_by_role("button", name="End it")).to_have_count(0)


@pytest.mark.browser
def test_a_clinician_launches_the_viewer_and_sees_every_kind_of_picture(
    demo: Demo, browser: Browser
) -> None:
    users = {one["role"]: one for one in demo.shown["users"]}
    with window(browser, viewport={"width": 1366, "height": 860}) as desk:
        visitor = Visitor(desk.page)
        desk.page.add_init_script(NOTICED)
        desk.page.goto(demo.shown["try"]["clinician"])
        log_in(desk.page, users["clinician"]["name"], users["clinician"]["password"])
        visitor.clicked.append("Sign in")
        visitor.clicks("Allow")
        sees(desk.page, 21)
        desk.page.get_by_label("Brightness").select_option(label="Bone")
        sees(desk.page, 21, "lossless")
        shoot(desk.page, "demo-bone")
    assert visitor.clicked == clickable("A clinician")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("role", "patient", "kind", "first"),
    [("proxy", "Ελένη Παπαδάκη", "MR", 12), ("clinician", "Sten Ødegård", "US", 9)],
)
def test_who_logs_in_on_a_phone_sees_those_in_their_care(
    demo: Demo, browser: Browser, role: str, patient: str, kind: str, first: int
) -> None:
    """A mother has one patient, and is not asked whom; a doctor chooses."""
    [user] = [one for one in demo.shown["users"] if one["role"] == role]
    asked = {"iss": demo.shown["fhir"], "client_id": demo.shown["clients"]["viewer"]}
    with window(browser, **PHONE) as phone:
        phone.page.add_init_script(NOTICED)
        phone.page.goto(f"{demo.shown['viewer']}?{urlencode(asked)}")
        log_in(phone.page, user["name"], user["password"])
        if role == "clinician":
            choose(phone.page, f"{patient}, 1941")
        allow(phone.page)
        expect(phone.page.locator("#who")).to_have_text(patient)
        sees(phone.page, first)
        assert kind in phone.page.locator("#what").inner_text()
        shoot(phone.page, f"demo-{kind}-phone")


# ---------------------------------------------------------------- what visitors paste


@pytest.mark.parametrize("page", [README, STEPS], ids=["README", "first-steps"])
def test_every_step_answers_as_the_page_shows(demo: Demo, page: str) -> None:
    commands, answers = COMMANDS.findall(page), ANSWERS.findall(page)
    assert len(commands) == len(answers) > 0
    for command, expected, printed in zip(commands, answers, demo.pasted(*commands), strict=True):
        assert matches(expected, printed), f"{command}\nprinted\n{printed}\nnot\n{expected}"


def test_the_lines_that_the_demo_prints_work(demo: Demo) -> None:
    tries = demo.shown["try"]
    [record] = demo.pasted(tries["EHR engineer"])
    assert json.loads(record)["total"] == 3
    for words in (tries["interface analyst"], tries["operator"]):
        assert words in README


# ---------------------------------------------------------------- again, and elsewhere


def test_a_second_start_changes_nothing_and_prints_the_same(demo: Demo) -> None:
    before = demo.shown
    demo.stop()
    told = demo.start()
    passing = {"token", "try"}
    assert {k: v for k, v in demo.shown.items() if k not in passing} == {
        k: v for k, v in before.items() if k not in passing
    }
    assert demo.shown["try"]["patient"] == before["try"]["patient"]
    assert "Júlia's head CT" not in told


def test_its_data_is_never_served_beyond_this_machine(demo: Demo) -> None:
    """Not by `serve` either, which would serve it to whoever reaches it."""
    demo.stop()
    everywhere = "0.0.0.0"  # noqa: S104 (it is refused)
    settings = {"TRIPTYCH_HOST": everywhere, "TRIPTYCH_BASE_URL": "https://images.example"}
    refused = finish(
        sys.executable, "-m", "server", "serve", cwd=ROOT, **{**demo.environment, **settings}
    )
    assert refused.returncode != 0
    assert "a demo serves loopback only" in refused.stderr
