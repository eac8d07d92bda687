"""The viewer launched from an EHR, as a browser sees it: in a frame of the EHR's page."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from tests.support import logs
from tests.support.backend import Backend, post
from tests.support.server import Server
from tests.support.smart_app import PASSWORD, forms

ORIGIN = "https://ehr.example"
EHR_SCOPE = "launch vouch system/Patient.rs system/ImagingStudy.rs"
# What a browser says of a page in a frame of another site, and of a script of that page.
FRAME = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
INSIDE = FRAME | {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-User": "?1"}
SCRIPT = {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}


@dataclass(slots=True)
class Screen:
    """A browser with an EHR's page open. It follows redirects as far as our own pages go."""

    server: Server
    http: requests.Session = field(default_factory=requests.Session)
    view: str = ""

    def open(self, address: str, headers: dict[str, str] | None = None) -> requests.Response:
        """Load an address into a frame, unless the headers say other."""
        sent = FRAME if headers is None else headers
        answer = self._get(urljoin(self.server.base, address), sent)
        while answer.status_code == 303:
            answer = self._get(urljoin(answer.url, answer.headers["Location"]), sent)
        self.view = parse_qs(urlsplit(answer.url).query).get("view", [self.view])[0]
        return answer

    def _get(self, address: str, headers: dict[str, str]) -> requests.Response:
        answer = self.http.get(address, headers=headers, allow_redirects=False, timeout=60)
        for cookie in self.http.cookies:
            if cookie.name.startswith("triptych"):
                logs.keep_out(cookie.value or "")
        return answer

    def read(self, path: str, method: str = "GET", **more: str) -> requests.Response:
        """What a script of the view's page asks."""
        headers = SCRIPT | {"Triptych-View": self.view}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        sent = {name: value for name, value in headers.items() if value}
        return self.http.request(method, self.server.base + path, headers=sent, timeout=60)


def launched(ehr: Backend, viewer: str, patient: str, **more: Any) -> dict[str, str]:
    """The launch that an EHR makes: its address, and its value."""
    form = {"client": viewer, "patient": patient} | more
    answer = post(ehr.server, "/oauth/launch", ehr.proof() | form)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    logs.keep_out(made["launch"])
    return made


def ancestors(answer: requests.Response) -> str:
    """Whose frames a page may stand in (CSP frame-ancestors)."""
    found = re.search("frame-ancestors ([^;]*)", answer.headers["Content-Security-Policy"])
    return found[1] if found else ""


def signed_in(screen: Screen, page: requests.Response, name: str) -> requests.Response:
    """Fill in the login page in its frame and follow."""
    form = forms(page)[-1].filled(username=name, password=PASSWORD)
    there = urljoin(page.url, forms(page)[-1].action)
    answer = screen.http.post(there, data=form, headers=INSIDE, allow_redirects=False, timeout=60)
    assert answer.status_code == 303, answer.text
    return screen.open(urljoin(answer.url, answer.headers["Location"]), INSIDE)
