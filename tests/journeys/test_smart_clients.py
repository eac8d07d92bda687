"""Stock SMART and DICOMweb clients log in, read record and pixels with one token, renew and end it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from dicomweb_client import DICOMwebClient
from fhirclient.client import FHIRClient
from fhirclient.models.diagnosticreport import DiagnosticReport
from fhirclient.models.imagingstudy import ImagingStudy
from playwright.sync_api import Page, expect

from tests.support import logs
from tests.support.consenting import allow, answer, log_in
from tests.support.practice import READS, Practice
from tests.support.site_of_files import site_of
from tests.support.smart_app import App, Person
from tests.support.stock_pages import fhirclient_app, kit

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]

SCOPE = f"openid fhirUser online_access {READS}"


@pytest.fixture(scope="module")
def back(surgery: Practice) -> Iterator[App]:
    """An app that only takes what the login sends back, as a native one would."""
    page = b'<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,">'
    with site_of({"back": page}) as address:
        yield surgery.app(f"{address}back")


@pytest.fixture(scope="module")
def npm_app(surgery: Practice) -> Iterator[tuple[str, str]]:
    """An app on npm fhirclient: its address and its client_id."""
    files: dict[str, bytes] = {}
    with site_of(files) as address:
        app = surgery.app(f"{address}index.html", launch_uri=f"{address}launch.html")
        files |= fhirclient_app(app.id, surgery.fhir, SCOPE)
        yield address, app.id


def found_in(page: Page) -> dict[str, Any]:
    """What the app on npm fhirclient wrote into its page."""
    expect(page.locator("#found")).not_to_be_empty()
    found: dict[str, Any] = json.loads(page.locator("#found").inner_text())
    assert "error" not in found, found
    logs.keep_out(found.pop("token"))
    return found


def is_alices(surgery: Practice, read: dict[str, Any]) -> bool:
    """Whether an app read her one study and her one report."""
    return read == {"patient": surgery.patients["Alice"], "studies": 1, "reports": 1}


def test_npm_fhirclient_launches_alone(
    surgery: Practice, npm_app: tuple[str, str], page: Page
) -> None:
    page.goto(f"{npm_app[0]}alone.html")
    log_in(page)
    allow(page)
    found = found_in(page)
    assert is_alices(surgery, found["first"])
    assert is_alices(surgery, found["again"])
    assert found["renewed"]
    assert found["user"].endswith(f"Patient/{surgery.patients['Alice']}")


def test_npm_fhirclient_keeps_its_session_where_its_user_does_not_say_who_they_are(
    surgery: Practice, npm_app: tuple[str, str], page: Page
) -> None:
    page.goto(f"{npm_app[0]}alone.html")
    log_in(page)
    page.get_by_role("checkbox", name="Your own entry in the directory").uncheck()
    allow(page)
    found = found_in(page)
    assert is_alices(surgery, found["again"])
    assert found["renewed"]
    assert "user" not in found


def test_npm_fhirclient_is_launched_by_an_ehr(
    surgery: Practice, npm_app: tuple[str, str], page: Page
) -> None:
    page.goto(surgery.launch(npm_app[1], surgery.patients["Alice"], user="drew"))
    log_in(page, "drew")
    allow(page)
    found = found_in(page)
    assert is_alices(surgery, found["first"])
    assert is_alices(surgery, found["again"])
    assert "Practitioner/" in found["user"]


def test_npm_fhir_kit_client_reads_the_record(
    surgery: Practice, back: App, page: Page, tmp_path: Path
) -> None:
    words = back.request(scope=f"launch/patient {SCOPE}")
    form = {"client_id": back.id, "redirect_uri": back.redirect}
    form |= {"code_verifier": back.verifier, "other": surgery.patients["Bob"]}
    with kit(tmp_path, surgery.fhir, form, words) as program:
        assert program.stdout is not None
        page.goto(program.stdout.readline().strip())
        log_in(page)
        allow(page)
        told, _ = program.communicate(answer(page, back.redirect)["code"] + "\n", timeout=60)
    read = json.loads(told.splitlines()[-1])
    assert read.pop("refused") == 403
    assert is_alices(surgery, read)


def test_pypi_fhirclient_reads_the_record_and_renews(
    surgery: Practice, back: App, page: Page
) -> None:
    smart = FHIRClient(
        settings={
            "app_id": back.id,
            "api_base": surgery.fhir,
            "redirect_uri": back.redirect,
            "scope": f"launch/patient {SCOPE}",
        }
    )
    assert smart.prepare() is False
    page.goto(smart.authorize_url)
    log_in(page)
    allow(page)
    answer(page, back.redirect)
    smart.handle_callback(page.url)
    assert reads_alices(smart, surgery)
    before = logs.keep_out(smart.server.auth.access_token)
    assert smart.reauthorize()
    assert logs.keep_out(smart.server.auth.access_token) != before
    assert reads_alices(smart, surgery)


def reads_alices(smart: Any, surgery: Practice) -> bool:
    """Whether the client finds her, her study and her report."""
    about = {"patient": smart.patient.id}
    studies = [*ImagingStudy.where(about).perform_resources_iter(smart.server)]
    reports = [*DiagnosticReport.where(about).perform_resources_iter(smart.server)]
    read = {"patient": smart.patient.id, "studies": len(studies), "reports": len(reports)}
    return smart.human_name(smart.patient.name[0]) == "Alice Liddell" and is_alices(surgery, read)


def test_the_token_of_a_login_opens_the_pixels_until_it_is_ended(
    surgery: Practice, back: App, page: Page
) -> None:
    """One token for record and pixels; after revocation neither opens, and nothing renews it."""
    page.goto(surgery.login(back, scope=f"launch/patient {SCOPE}"))
    log_in(page)
    allow(page)
    first = back.redeem(answer(page, back.redirect)["code"]).json()
    assert pixels(surgery, first["access_token"]) > 0
    second = back.refresh(first["refresh_token"]).json()
    assert pixels(surgery, second["access_token"]) > 0
    for one in (first, second):
        logs.keep_out(one["access_token"])
        logs.keep_out(one["refresh_token"])
    assert back.post("/oauth/revoke", {"token": second["refresh_token"]}).status_code == 200
    for path in (
        f"/fhir/Patient/{first['patient']}",
        f"/dicomweb/studies/{surgery.study}/metadata",
    ):
        assert surgery.server.get(path, second["access_token"]).status_code == 401
    refused = back.refresh(second["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("kind", ["public", "confidential"])
def test_only_a_public_app_may_renew_without_naming_itself(surgery: Practice, kind: str) -> None:
    """npm fhirclient sends the refresh token alone (RFC 6749 6); a secret is asked of who has one."""
    app = surgery.app("http://127.0.0.1:9/back", kind)
    alice = Person(surgery.server, "alice")
    given = app.tokens(alice, scope="launch/patient online_access patient/Patient.rs")
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    answer = requests.post(f"{surgery.server.base}/oauth/token", data=form, timeout=60)
    assert answer.status_code == (200 if kind == "public" else 401)


def pixels(surgery: Practice, token: str) -> int:
    """How many frames dicomweb-client gets of her study, each of it whole."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    client = DICOMwebClient(f"{surgery.server.base}/dicomweb", session=session)
    assert len(client.search_for_studies()) == 1
    instances = client.retrieve_study_metadata(surgery.study)
    taken = 0
    for one in instances:
        series, uid = (one[tag]["Value"][0] for tag in ("0020000E", "00080018"))
        frames = client.retrieve_instance_frames(surgery.study, series, uid, [1])
        taken += sum(bool(frame) for frame in frames)
    assert taken == len(instances)
    assert len(client.retrieve_study(surgery.study)) == len(instances)
    return taken
