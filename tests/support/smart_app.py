"""An app as its own program would be, and its user's browser: pages are read as HTML forms, no more."""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

from tests.support import logs
from tests.support.server import Server

REDIRECT = "http://127.0.0.1:9/callback"
LAUNCH = "http://127.0.0.1:9/launch"
PASSWORD = "correct horse battery"
EVERYTHING = "openid fhirUser launch/patient offline_access patient/*.rs"


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes, and its fields as (name, type, value, whether checked)."""

    method: str
    action: str
    fields: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """The values that a field offers."""
        return [value for found, _, value, _ in self.fields if found == name]

    def filled(self, **given: Any) -> list[tuple[str, str]]:
        """What a browser sends: hidden fields and ticked boxes, unless others are given."""
        kept = [
            (name, value)
            for name, kind, value, checked in self.fields
            if name not in given and (kind == "hidden" or (kind == "checkbox" and checked))
        ]
        for name, value in given.items():
            kept += [(name, one) for one in ([value] if isinstance(value, str) else value)]
        return kept


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(found.get("method", "get"), found["action"]))
        elif tag in ("input", "button") and self.forms and "name" in found:
            kind = found.get("type", "text")
            entry = (found["name"], kind, found.get("value", ""), "checked" in dict(attrs))
            self.forms[-1].fields.append(entry)


def forms(page: requests.Response) -> list[Form]:
    """The forms of a page."""
    parser = _Forms()
    parser.feed(page.text)
    return parser.forms


@dataclass(slots=True)
class Person:
    """Somebody at a browser. Redirects are followed as far as our own pages go."""

    server: Server
    name: str = ""
    password: str = PASSWORD
    http: requests.Session = field(default_factory=requests.Session)

    def open(self, address: str, **more: Any) -> requests.Response:
        """GET a page, or POST with `data`."""
        method = "POST" if "data" in more else "GET"
        return self._follow(self.http.request(method, address, allow_redirects=False, **more))

    def _follow(self, answer: requests.Response) -> requests.Response:
        while answer.status_code in (302, 303):
            there = urljoin(answer.url, answer.headers["Location"])
            if not there.startswith(self.server.base + "/"):
                return answer
            answer = self.http.get(there, allow_redirects=False, timeout=60)
        return answer

    def send(self, page: requests.Response, **given: Any) -> requests.Response:
        """Fill in the last form of a page and send it."""
        form = forms(page)[-1]
        return self.open(urljoin(page.url, form.action), data=form.filled(**given), timeout=60)

    def log_in(self, page: requests.Response) -> requests.Response:
        """Answer a login page, and no other."""
        if not forms(page) or "password" not in [one[0] for one in forms(page)[-1].fields]:
            return page
        return self.send(page, username=self.name, password=self.password)

    def reach_consent(
        self, page: requests.Response, patient: str = "", encounter: str = ""
    ) -> requests.Response:
        """Log in, and pick if asked."""
        page = self.log_in(page)
        for name, value in (("patient", patient), ("encounter", encounter)):
            if page.status_code == 200 and forms(page) and forms(page)[-1].values(name):
                page = self.send(page, **{name: value})
        return page

    def allow(self, page: requests.Response, **given: Any) -> requests.Response:
        """Say yes; `scope` narrows."""
        return self.send(page, decision="allow", **given)


@dataclass(slots=True)
class App:
    """A registered app. `proof` signs what an asymmetric one sends to the token endpoint."""

    server: Server
    id: str
    secret: str = ""
    redirect: str = REDIRECT
    proof: Any = None
    verifier: str = ""
    last: dict[str, Any] = field(default_factory=dict)

    def request(self, **other: Any) -> dict[str, str]:
        """The parameters of an authorization request, but for those given; None leaves one out."""
        self.verifier = secrets.token_urlsafe(48)
        good = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect,
            "scope": EVERYTHING,
            "state": secrets.token_urlsafe(12),
            "aud": self.server.base + "/fhir",
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (good | other).items() if value is not None}

    def ask(self, person: Person, *, post: bool = False, **other: Any) -> requests.Response:
        """Send the person's browser to the authorization endpoint."""
        words, address = self.request(**other), self.server.base + "/oauth/authorize"
        if post:
            return person.open(address, data=words, timeout=60)
        return person.open(f"{address}?{urlencode(words)}", timeout=60)

    def code(self, person: Person, *, patient: str = "", encounter: str = "", **other: Any) -> str:
        """The whole way to a code."""
        chosen = {"scope": other.pop("ticked")} if "ticked" in other else {}
        page = person.reach_consent(self.ask(person, **other), patient, encounter)
        return logs.keep_out(told(person.allow(page, **chosen))["code"])

    def redeem(self, code: str, **other: Any) -> requests.Response:
        """Send a code to the token endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
        }
        return self.post("/oauth/token", form | other)

    def refresh(self, token: str, **other: Any) -> requests.Response:
        """Send a refresh token to the token endpoint."""
        return self.post(
            "/oauth/token", {"grant_type": "refresh_token", "refresh_token": token} | other
        )

    def post(self, path: str, form: Mapping[str, Any]) -> requests.Response:
        """POST a form as this app; None leaves a field out."""
        auth = None
        sent: dict[str, Any] = {}
        if self.proof is not None:
            sent |= self.proof()
        elif self.secret:
            auth = (self.id, self.secret)
        else:
            sent["client_id"] = self.id
        sent = {name: value for name, value in (sent | dict(form)).items() if value is not None}
        return requests.post(self.server.base + path, data=sent, auth=auth, timeout=60)

    def tokens(self, person: Person, **other: Any) -> dict[str, Any]:
        """The whole way to tokens."""
        answer = self.redeem(self.code(person, **other))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        for name in ("access_token", "refresh_token", "id_token"):
            if name in body:
                logs.keep_out(body[name])
        return body


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    return hashed.decode().rstrip("=")


def told(answer: requests.Response) -> dict[str, str]:
    """What a redirect to the app says."""
    assert answer.status_code == 303, answer.text[:2000]
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def ticked(page: requests.Response) -> list[str]:
    """The scopes that a consent page has ticked."""
    fields: Iterable[tuple[str, str, str, bool]] = forms(page)[-1].fields
    return [value for name, _, value, checked in fields if name == "scope" and checked]
