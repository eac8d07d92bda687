"""The commands of docs/integrate, pasted as a reader would paste them, into a running server."""

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.backend import jwks
from tests.support.consignments import PLAN
from tests.support.dcmtk import FOLDER, storescp
from tests.support.scenes import bundled
from tests.support.shell import output
from tests.support.tree import ROOT, read
from tests.support.ward import Ward

pytestmark = [pytest.mark.journey, pytest.mark.slow]

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader's shell: its folder, its variables, and the server that it talks to."""

    ward: Ward
    folder: Path
    variables: dict[str, str]
    places: dict[str, str]

    def paste(self, language: str, text: str) -> str:
        """Run one block of a page; gives what it prints."""
        if language == "python":
            names = ("TOKEN", "PATIENT", "ID")
            known = "".join(f"{name} = {self.variables[name]!r}\n" for name in names)
            text = f"BASE = {self.ward.server.base!r}\n{known}{text}"
            return output(sys.executable, "-c", text, cwd=self.folder)
        server = self.ward.server
        for written, meant in self.places.items():
            text = text.replace(written, meant)
        python = shlex.quote(sys.executable)
        triptych = f'triptych() {{ (cd {shlex.quote(str(ROOT))} && {python} -m server "$@"); }}\n'
        script = triptych + text.replace("keys.json", str(self.folder / "keys.json"))
        environment = self.variables | server.environment
        return output("bash", "-euo", "pipefail", "-c", script, cwd=self.folder, **environment)


@pytest.fixture(scope="module")
def reader(ward: Ward, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("reader")
    consignment = ward.consignment("phantom")
    row = ward.settled(consignment)
    (folder / "CT.dcm").write_bytes(bundled("CT_small.dcm"))
    (folder / "keys.json").write_text(jwks())
    variables = {
        "TOKEN": ward.keys.token("system/*.crs"),
        "PATIENT": row.subject,
        "NUMBER": row.subject,
        "ID": consignment.patient,
        "STUDY": consignment.study,
        "FILE": str(folder / "CT.dcm"),
    }
    places = {
        "127.0.0.1:8080": f"127.0.0.1:{ward.server.http}",
        "127.0.0.1 11112": f"127.0.0.1 {ward.server.dimse}",
    }
    return Reader(ward, folder, variables, places)


def pasted(reader: Reader, page: str) -> str:
    """Every block of a page, one after the other; gives all that they print."""
    shown = []
    for language, text in BLOCK.findall(read(Path(f"docs/integrate/{page}.md"))):
        if "storescu" in text and not (FOLDER / "storescu").exists():
            pytest.skip("dcmtk is missing: run `make peers`")
        printed = reader.paste(language, text)
        assert printed or "-o " in text or "echoscu" in text, text
        assert "OperationOutcome" not in printed, f"{text}\n{printed}"
        shown.append(printed)
    return "".join(shown)


def test_a_sender_is_let_in_its_study_is_shown_and_a_pacs_fetches(
    reader: Reader, tmp_path: Path
) -> None:
    with storescp(tmp_path / "pacs") as (port, folder):
        reader.places["127.0.0.1 11113"] = f"127.0.0.1 {port}"
        shown = pasted(reader, "dimse")
        assert len(list(folder.iterdir())) == PLAN.slices
    assert '"ae": "CT1"' in shown
    assert '"resourceType":"ImagingStudy"' in shown
    assert len(list(reader.folder.glob("CT.[0-9]*"))) == PLAN.slices


def test_an_app_gets_a_token_and_reads(reader: Reader) -> None:
    shown = pasted(reader, "fhir")
    assert shown.count('"access_token"') == 1
    assert shown.count('"client_id"') == 1
    assert f'"numberOfInstances":{PLAN.slices}' in shown
    assert '"connectionType"' in shown


def test_a_viewer_finds_gets_and_stores(reader: Reader) -> None:
    shown = pasted(reader, "dicomweb")
    assert f"{reader.variables['STUDY']} {PLAN.slices}" in shown
    assert '"00081199"' in shown
    assert (reader.folder / "small.jpg").read_bytes().startswith(b"\xff\xd8")
    assert (reader.folder / "study.multipart").stat().st_size > PLAN.slices * PLAN.size**2
