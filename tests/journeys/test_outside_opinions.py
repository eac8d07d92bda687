"""What leaves the server is right in the eyes of others: an R4 reader and a DICOM checker."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pydicom.data import get_testdata_file

from dicom import files, media_types, multipart, phantom
from tests.support.outside import complaints
from tests.support.server import Server, running

pytestmark = [pytest.mark.journey, pytest.mark.slow]

CHECKER = Path(sys.executable).with_name("dciodvfy")
SENT = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "rtplan.dcm", "examples_ybr_color.dcm")


def sent_files() -> dict[str, bytes]:
    """Files of several kinds by name, the phantom's among them."""
    files = {name: Path(str(get_testdata_file(name))).read_bytes() for name in SENT}
    slices = phantom.ct_study(
        phantom.DEMO_PERSON, phantom.Plan("o", "20260102", "101112", "A", "x", 2)
    )
    return files | {f"phantom-{n}": one for n, one in enumerate(slices)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("opinions"), ZONE="Europe/Madrid") as started:
        yield started


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    """A token of a server that holds every file, sent in one request."""
    given = server.token("system/*.cruds")
    parts = [b"--b\r\nContent-Type: application/dicom\r\n\r\n" + f for f in sent_files().values()]
    answer = requests.post(
        server.base + "/dicomweb/studies",
        data=b"\r\n".join([*parts, b"--b--\r\n"]),
        headers={
            "Authorization": f"Bearer {given}",
            "Content-Type": 'multipart/related; type="application/dicom"; boundary=b',
        },
        timeout=60,
    )
    assert answer.status_code == 202, answer.text  # rtplan.dcm is warned of
    return given


def test_every_resource_that_is_served_passes_our_gate_and_an_outside_reader(
    server: Server, token: str
) -> None:
    studies = settled(server, token)
    found = {
        one: server.get(f"/fhir/{one}", token).json()["entry"] for one in ("Patient", "Endpoint")
    }
    resources = [entry["resource"] for entries in found.values() for entry in entries] + studies
    capability = server.get("/fhir/metadata").json()
    outcome = server.get("/fhir/Patient/nobody", token).json()
    assert len(studies) == len(SENT) + 1
    wrong = {
        r.get("id", r["resourceType"]): complaints(r) for r in [*resources, capability, outcome]
    }
    assert {name: found for name, found in wrong.items() if found} == {}


def settled(server: Server, token: str) -> list[dict[str, object]]:
    """Every ImagingStudy, once none is still arriving."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        bundle = server.get("/fhir/ImagingStudy", token).json()
        studies = [entry["resource"] for entry in bundle.get("entry", [])]
        if len(studies) == len(SENT) + 1 and all("settled" in str(s["meta"]) for s in studies):
            return studies
        time.sleep(0.2)
    raise AssertionError("the studies did not settle")


@pytest.mark.parametrize("name", [*SENT, "phantom-1"])
def test_a_dicom_checker_finds_nothing_in_what_we_send_that_was_not_in_what_we_took(
    server: Server, token: str, tmp_path: Path, name: str
) -> None:
    taken, back = tmp_path / "taken.dcm", tmp_path / "back.dcm"
    taken.write_bytes(sent_files()[name])
    back.write_bytes(retrieved(server, token, taken))
    assert set(errors(back)) <= set(errors(taken))


def retrieved(server: Server, token: str, file: Path) -> bytes:
    """The same instance, as WADO-RS gives it."""
    facts = files.read(file.read_bytes()).facts
    path = f"/dicomweb/studies/{facts.study.uid}/series/{facts.series.uid}/instances/{facts.uid}"
    answer = server.get(path, token, Accept="multipart/related; type=application/dicom")
    assert answer.status_code == 200, answer.text
    media_type = media_types.parse(answer.headers["Content-Type"])
    boundary = multipart.boundary_of(media_type).encode()
    head, _, rest = answer.content.partition(b"\r\n\r\n")
    assert boundary in head
    return rest.rpartition(b"\r\n--" + boundary)[0]


def errors(file: Path) -> list[str]:
    """The lines in which dciodvfy reports an error."""
    done = subprocess.run([CHECKER, file], capture_output=True, text=True, timeout=60, check=False)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]
