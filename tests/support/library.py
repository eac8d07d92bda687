"""A server whose FHIR resources a test knows, and how to ask it."""

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

from tests.support.keyring import Keyring
from tests.support.records import Archive
from tests.support.server import Server

Json = dict[str, Any]
FHIR_JSON = "application/fhir+json"


@dataclass(slots=True)
class Library:
    """The server, what is in it, and who gives out tokens for it."""

    server: Server
    archive: Archive
    keys: Keyring
    session: requests.Session = field(default_factory=requests.Session)
    _token: str = ""
    _until: float = 0.0

    @property
    def token(self) -> str:
        """A token that reaches all of `home`, made anew before it expires: a run may take longer."""
        if time.monotonic() > self._until:
            self._token, self._until = self.keys.token("system/*.cruds"), time.monotonic() + 200
        return self._token

    @property
    def base(self) -> str:
        return self.server.base + "/fhir"

    def get(self, path: str, token: str | None = None, **headers: str) -> requests.Response:
        """GET below /fhir, with the library's token unless another is given ("" for none)."""
        return self.ask("GET", path, token, **headers)

    def ask(
        self, method: str, path: str, token: str | None = None, data: str = "", **headers: str
    ) -> requests.Response:
        """Any request below /fhir; header names with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = self.token if token is None else token
        if bearer:
            sent["Authorization"] = f"Bearer {bearer}"
        url = path if path.startswith("http") else f"{self.base}/{path}"
        return self.session.request(method, url, headers=sent, data=data or None, timeout=60)

    def search(self, type_: str, *pairs: tuple[str, str], **headers: str) -> Json:
        """The Bundle that answers a search."""
        answer = self.get(f"{type_}?{urlencode(pairs)}", **headers)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def ids(self, type_: str, *pairs: tuple[str, str]) -> list[str]:
        """The ids of what matches, over all pages."""
        found: list[str] = []
        bundle = self.search(type_, *pairs)
        while True:
            found += [entry["resource"]["id"] for entry in matches(bundle)]
            after = link(bundle, "next")
            if not after:
                return found
            bundle = self.get(after).json()

    def one(self, type_: str) -> Json:
        """Some resource of a type that is there."""
        records = self.archive.of(type_)
        return next(r.body for r in records if not r.deleted and r.organisation == 1)

    def busiest(self) -> str:
        """The id of the patient of `home` who has most studies that can be seen."""
        owners = [
            record.filed_under
            for record in self.archive.of("ImagingStudy")
            if not record.deleted and record.organisation == 1
        ]
        return max(sorted(set(owners)), key=owners.count)


def matches(bundle: Json, mode: str = "match") -> list[Json]:
    """The entries of a Bundle that are there for one reason."""
    return [entry for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]


def link(bundle: Json, relation: str) -> str:
    """A link of a Bundle, "" if it has none."""
    links = {one["relation"]: one["url"] for one in bundle.get("link", [])}
    return str(links.get(relation, ""))


def refusal(answer: requests.Response, status: int) -> Json:
    """The issue of an OperationOutcome, after looking at all that every refusal has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith(FHIR_JSON)
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    issue: Json = body["issue"][0]
    assert issue["severity"] == "error"
    assert issue["code"]
    assert len(issue["diagnostics"]) > 10
    return issue
