"""Whose frames the pages of a login may stand in: those of the EHR that launched, and of nobody else."""

from collections.abc import Callable
from urllib.parse import urljoin

import pytest
import requests

from server.errors import Invalid
from server.flows import clients
from server.flows.clients import APP_SCOPES, Client
from tests.support.backend import Backend
from tests.support.clinic import Clinic
from tests.support.smart_app import App, forms
from tests.support.views import (
    EHR_SCOPE,
    FRAME,
    INSIDE,
    ORIGIN,
    Screen,
    ancestors,
    launched,
    signed_in,
)


@pytest.fixture(scope="module")
def ehr(smart: Clinic) -> Backend:
    """An EHR whose pages show ours, and which says who is signed in there."""
    return smart.keys.backend("all", EHR_SCOPE, ORIGIN)


def test_pages_stand_in_frames_of_the_ehr_that_launched_and_of_nobody_else(
    smart: Clinic, ehr: Backend
) -> None:
    """Login and consent of any app that it launches. The same app without a launch is for no frame."""
    app, drew = smart.public, smart.stranger("drew")
    value = launched(ehr, app.id, smart.patients["Alice"])["launch"]
    scope = "launch patient/*.rs"
    screen = Screen(smart.server, drew.http)
    page = app.ask(drew, scope=scope, launch=value)
    assert ancestors(page) == ORIGIN, "a page says so in a window of its own too"
    value = launched(ehr, app.id, smart.patients["Alice"])["launch"]
    address = f"{smart.server.base}/oauth/authorize"
    page = framed(screen, address, app.request(scope=scope, launch=value))
    assert ancestors(page) == ORIGIN
    page = signed_in(screen, page, "drew")
    assert forms(page)[-1].values("decision")
    assert ancestors(page) == ORIGIN
    decision = forms(page)[-1].filled(decision="allow")
    there = urljoin(page.url, forms(page)[-1].action)
    pressed = {name: value for name, value in INSIDE.items() if name != "Sec-Fetch-User"}
    for headers, status in ((pressed, 403), (FRAME, 403), (INSIDE, 303)):
        answer = screen.http.post(
            there, data=decision, headers=headers, allow_redirects=False, timeout=60
        )
        assert answer.status_code == status
    for request in (app.request(scope="launch/patient patient/*.rs"), unregistered(smart, app)):
        answer = framed(Screen(smart.server), address, request)
        assert answer.status_code == 403
        assert ancestors(answer) == "'none'"
        assert answer.headers["X-Frame-Options"] == "DENY"


def framed(screen: Screen, address: str, words: dict[str, str]) -> requests.Response:
    return screen.open(requests.Request("GET", address, params=words).prepare().url or "")


def unregistered(smart: Clinic, app: App) -> dict[str, str]:
    """A request of a launch by an EHR that shows nothing in frames."""
    value = launched(smart.ehr, app.id, smart.patients["Alice"])["launch"]
    return dict(app.request(scope="launch patient/*.rs", launch=value))


@pytest.mark.parametrize("dest", ["iframe", "frame", "embed", "object"])
@pytest.mark.parametrize(
    "path",
    ["/oauth/login", "/oauth/apps", "/desk/", "/s/", "/apps/viewer/", "/apps/viewer/?view=1"],
)
def test_every_other_page_is_refused_in_a_frame(smart: Clinic, path: str, dest: str) -> None:
    answer = smart.get(path, Sec_Fetch_Dest=dest, Sec_Fetch_Site="cross-site")
    assert answer.status_code == 403
    alone = smart.get(path)
    assert ancestors(alone) == "'none'"


WRONG: dict[str, Callable[[], Client]] = {
    "a path": lambda: _ehr("https://ehr.example/app"),
    "a stroke": lambda: _ehr("https://ehr.example/"),
    "any host": lambda: _ehr("https://*.example"),
    "anybody": lambda: _ehr("*"),
    "another policy": lambda: _ehr("https://ehr.example; script-src *"),
    "no https": lambda: _ehr("http://ehr.example"),
    "no EHR": lambda: _ehr(ORIGIN, scope="system/Patient.rs"),
    "an app": lambda: Client(
        "", 0, "x", "public", APP_SCOPES, redirect_uris=(ORIGIN,), frame_origins=(ORIGIN,)
    ),
    "a viewer of its own making": lambda: Client("", 0, "x", "viewer", "patient/*.rs"),
}


def _ehr(origin: str, scope: str = "system/Patient.rs launch") -> Client:
    return Client("", 0, "x", "backend", scope, "all", frame_origins=(origin,), jwks_uri=ORIGIN)


@pytest.mark.parametrize("wanted", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_origin_of_an_ehr_is_not_registered(wanted: Callable[[], Client]) -> None:
    with pytest.raises(Invalid):
        clients.check(wanted())
