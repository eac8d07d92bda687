"""A DICOMweb client of the tests' own: says exactly what is sent, and takes answers apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import requests

from tests.support.server import Server

BOUNDARY = "a-boundary-of-the-tests"
STOW_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


@dataclass(slots=True)
class Web:
    """Requests to /dicomweb with one token, or from a page of ours in a browser.

    `link` is the cookie of one that opened a Magic Link, `login` that of one signed in, `view` the
    id and secret of a view that an EHR launched. With a
    `session` they share its connections.
    """

    base: str
    token: str
    link: str = ""
    session: requests.Session | None = None
    login: str = ""
    view: str = ""

    def get(self, path: str, accept: str = "", **headers: str) -> requests.Response:
        """GET an address below /dicomweb, or a whole one."""
        return self._ask("GET", path, accept, headers)

    def head(self, path: str, accept: str = "") -> requests.Response:
        return self._ask("HEAD", path, accept, {})

    def _ask(
        self, method: str, path: str, accept: str, headers: dict[str, str]
    ) -> requests.Response:
        url = path if path.startswith("http") else self.base + path
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Accept"] = accept or "*/*"
        ask = self.session.request if self.session else requests.request
        return ask(method, url, headers=self._signed(sent), timeout=60)

    def _signed(self, headers: dict[str, str]) -> dict[str, str]:
        if self.view:
            id_, secret = self.view.split(" ")
            said = {"Triptych-View": id_, "Sec-Fetch-Site": "same-origin"}
            return headers | said | {"Cookie": f"triptych-view-{id_}={secret}"}
        for name, secret in (("triptych-link", self.link), ("triptych", self.login)):
            if secret:
                return headers | {"Cookie": f"{name}={secret}", "Sec-Fetch-Site": "same-origin"}
        return headers | ({"Authorization": f"Bearer {self.token}"} if self.token else {})

    def found(self, path: str) -> list[dict[str, Any]]:
        """The results of a search."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()
        return results

    def post(
        self, body: Any, content_type: str = STOW_TYPE, path: str = "/studies", accept: str = ""
    ) -> requests.Response:
        """POST a body, which may be an iterator of chunks."""
        headers = {"Content-Type": content_type, "Accept": accept or "application/dicom+json"}
        return requests.post(self.base + path, data=body, headers=self._signed(headers), timeout=60)

    def store(self, *objects: bytes, path: str = "/studies") -> requests.Response:
        """Store objects in one request."""
        return self.post(multipart(objects), path=path)


def web(server: Server, scope: str = "system/ImagingStudy.crs", patient: str = "") -> Web:
    """A client of a server, for everyone or for one patient."""
    more = ("--patient", patient) if patient else ()
    return Web(server.base + "/dicomweb", server.token(scope, *more))


def multipart(objects: Iterable[bytes], kind: str = "application/dicom") -> bytes:
    """A multipart body of these objects."""
    head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode()
    parts = [head + one + b"\r\n" for one in objects]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def parts(answer: requests.Response) -> list[tuple[dict[str, str], bytes]]:
    """The header fields, in lower case, and the content of each part of an answer."""
    boundary = answer.headers["Content-Type"].split("boundary=")[1].split(";")[0].strip('"')
    delimiter = b"--" + boundary.encode()
    assert answer.content.endswith(delimiter + b"--\r\n")
    found = []
    for part in answer.content[: -len(delimiter) - 4].split(delimiter + b"\r\n")[1:]:
        head, _, content = part.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        found.append(({name.lower(): value for name, value in lines}, content[:-2]))
    return found


def value(item: dict[str, Any], tag: str) -> Any:
    """The first value of an attribute, None when it is empty or absent."""
    return next(iter(item.get(tag, {}).get("Value", [])), None)


def references(answer: requests.Response, tag: str) -> list[dict[str, Any]]:
    """The items of a sequence of a Store Instances Response."""
    items: list[dict[str, Any]] = answer.json().get(tag, {}).get("Value", [])
    return items


STORED, FAILED = "00081199", "00081198"
