"""The server from outside: pynetdicom at its DICOM door, plain HTTP at its web doors."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from pydicom.filereader import dcmread
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from bench.crash.objects import PAPER, SOP_CLASS, TRANSFER_SYNTAX, Made

HOST = "127.0.0.1"
PATIENCE = 30.0
SUCCESS = 0x0000
_PAGE = 1000
_TRIES = 5


class Refused(Exception):
    """The server answered, and did not take the object; the message names the status."""


class Unanswered(Exception):
    """The connection ended before the answer."""


class Unreachable(Exception):
    """No connection could be made: nothing was sent."""


class Scu:
    """A modality: one association, made when it is needed and again after it broke."""

    def __init__(self, port: int, name: str) -> None:
        self._port = port
        self._entity = ApplicationEntity(name)
        for sop_class in (SOP_CLASS, PAPER):
            self._entity.add_requested_context(sop_class, TRANSFER_SYNTAX)
        self._entity.connection_timeout = PATIENCE
        self._entity.dimse_timeout = PATIENCE
        self._association: Association | None = None

    def store(self, made: Made) -> None:
        """C-STORE one object (PS3.7 9.1.1); returns when it was acknowledged."""
        association = self._associated()
        try:
            status = association.send_c_store(made.data_set)
        except (RuntimeError, ValueError) as error:
            raise Unanswered(str(error)) from error
        if "Status" not in status:
            raise Unanswered("no response")
        if status.Status != SUCCESS:
            raise Refused(f"0x{status.Status:04X} {status.get('ErrorComment', '')}")

    def _associated(self) -> Association:
        if self._association is None or not self._association.is_established:
            self.close()
            self._association = self._entity.associate(HOST, self._port)
        if not self._association.is_established:
            raise Unreachable("no association")
        return self._association

    def close(self) -> None:
        """Release the association, if there is one."""
        if self._association is not None and self._association.is_established:
            self._association.release()
        self._association = None


class Web:
    """A client of DICOMweb and FHIR. The token is read from its file for every request."""

    def __init__(self, port: int, token: Path) -> None:
        self._base = f"http://{HOST}:{port}"
        self._token = token
        self._session = requests.Session()
        self._session.trust_env = False

    def store(self, batch: Iterable[Made]) -> list[str]:
        """STOW objects in one request (PS3.18 10.5); gives the UIDs that were acknowledged."""
        boundary = uuid.uuid4().hex
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        answer = self._ask("POST", "/dicomweb/studies", kind, b"".join(_body(batch, boundary)))
        if answer.status_code not in (200, 202):
            raise Refused(f"HTTP {answer.status_code}")
        kept = answer.json().get("00081199", {}).get("Value", [])
        return [str(item["00081155"]["Value"][0]) for item in kept]

    def objects(self, study: str) -> dict[str, bytes]:
        """The data sets of a study's objects by WADO-RS (PS3.18 10.4), by SOP Instance UID."""
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        answer = self._get(f"/dicomweb/studies/{study}", accept)
        if answer.status_code == 404:
            return {}
        boundary = answer.headers["Content-Type"].partition("boundary=")[2].partition(";")[0]
        parts = answer.content.split(b"--" + boundary.strip('"').encode())[1:-1]
        files = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]
        return {_uid_of(file): data_set_of(file) for file in files}

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Every result of a QIDO-RS search."""
        offset, page = 0, [dict[str, Any]()]
        while page:
            joint = "&" if "?" in path else "?"
            answer = self._get(f"/dicomweb{path}{joint}limit={_PAGE}&offset={offset}")
            page = answer.json() if answer.status_code == 200 else []
            yield from page
            offset += len(page)

    def resources(self, query: str) -> list[dict[str, Any]]:
        """The resources of a FHIR search."""
        answer = self._get(f"/fhir/{query}")
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    def document(self, address: str) -> bytes:
        """The bytes of a Binary, by its relative address."""
        return self._get(f"/fhir/{address}", "application/pdf").content

    def total(self, query: str) -> int:
        """How many resources a FHIR search finds."""
        found: int = self._get(f"/fhir/{query}&_summary=count").json()["total"]
        return found

    def is_ready(self) -> bool:
        """Whether the server says that it can do its work."""
        try:
            return self._session.get(f"{self._base}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def _get(self, path: str, accept: str = "*/*") -> requests.Response:
        """GET an address; a connection that died with the process behind it is made anew."""
        for _ in range(_TRIES):
            with suppress(Unanswered, Unreachable):
                answer = self._ask("GET", path, accept=accept)
                if answer.status_code in (200, 404):
                    return answer
                raise Refused(f"GET {path}: HTTP {answer.status_code}")
        raise Unanswered(f"GET {path}")

    def _ask(
        self, method: str, path: str, kind: str = "", body: bytes = b"", accept: str = "*/*"
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token.read_text()}", "Accept": accept}
        if kind:
            headers["Content-Type"] = kind
        try:
            return self._session.request(
                method, self._base + path, headers=headers, data=body, timeout=PATIENCE
            )
        except requests.RequestException as error:
            refused = "refused" in str(error)  # by the system: requests has no class for it
            raise (Unreachable if refused else Unanswered)(type(error).__name__) from error


def _body(batch: Iterable[Made], boundary: str) -> Iterator[bytes]:
    for made in batch:
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        yield made.file
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _uid_of(file: bytes) -> str:
    header = dcmread(BytesIO(file), stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
    return str(header.SOPInstanceUID)


def data_set_of(file: bytes) -> bytes:
    """What follows the file meta of a Part 10 file, whose first element tells its length."""
    if file[128:132] != b"DICM" or file[132:138] != b"\x02\x00\x00\x00UL":
        raise ValueError("not a Part 10 file")
    return file[144 + int.from_bytes(file[140:144], "little") :]
