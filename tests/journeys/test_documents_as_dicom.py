"""A reading room's documents, sent as DICOM over the network and read as FHIR by an app."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.dicom_objects import part10
from tests.support.dicom_papers import dose, narrative, pdf, report, request
from tests.support.hl7_builder import obr, obx, packed
from tests.support.houses import SYSTEM
from tests.support.mllp import send
from tests.support.modality import send as store
from tests.support.outside import complaints
from tests.support.server import Server, running
from tests.support.waiting import until

UID = "1.2.3"
ANN: dict[str, Any] = {"PatientName": "Doe^Ann", "PatientBirthDate": "19700101", "PatientSex": "F"}
EVE: dict[str, Any] = {"PatientName": "Roe^Eve", "PatientID": "P2", "StudyInstanceUID": "1.2.4"}
ASKED = request(UID, placer="ORD-1", filler="FIL-1", accession="ACC-1", code="HEAD")
PID = f"PID|1||P1^^^&{SYSTEM}&URI^MR||Doe^Ann||19700101|F"
LETTER, SIGNED, ATTACHED = b"%PDF-1.4 letter", b"%PDF-1.4 signed", b"%PDF-1.4 " + b"x" * 400_000
TYPES = ("DiagnosticReport", "DocumentReference", "Observation", "ServiceRequest")


@dataclass(slots=True)
class Scene:
    """A server with the documents of Ann's study, and tokens of Ann, of Eve and of staff."""

    server: Server
    ann: str
    eve: str
    staff: str
    patient: str

    def all(self, path: str, token: str = "") -> list[Any]:
        answer = self.server.get(f"/fhir/{path}", token or self.staff)
        assert answer.status_code == 200, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", [])]


def _oru() -> bytes:
    encoded = base64.b64encode(ATTACHED).decode()
    numbers = {"f2": "ORD-1", "f3": "FIL-1", "f4": "HEAD^Head^L", "f18": "ACC-1"}
    return packed(
        "ORU^R01^ORU_R01",
        PID,
        obr(**numbers, f22="20260906120000+0000", f25="C"),
        obx("TX", "&IMP", "Corrected by message."),
        obx("ED", "18748-4^Report^LN", f"^Application^PDF^Base64^{encoded}"),
        control="R1",
        sent="20260906120000+0000",
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    files = [
        part10(report("1.2.3.9", narrative("A lesion.", "Benign."), requests=[ASKED], **ANN)),
        part10(pdf("1.2.3.20", LETTER, **ANN)),
        part10(pdf("1.2.3.21", SIGNED, verification="VERIFIED", **ANN)),
        part10(dose("1.2.3.30", ["1.2.3.31"], **ANN)),
        part10(pdf("1.2.4.20", LETTER, SeriesInstanceUID="1.2.4.0", **EVE)),
    ]
    with running(tmp_path_factory.mktemp("papers"), ISSUER=SYSTEM) as server:
        assert store(server.dimse, *files) == [0] * len(files)
        staff = server.token("system/*.rs")

        def told(path: str, count: int) -> list[Any]:
            found = server.get(f"/fhir/{path}", staff).json().get("entry", [])
            return found if len(found) == count else []

        until(lambda: told("DocumentReference", 2), "both letters")
        until(lambda: told("DiagnosticReport?based-on:missing=false", 2), "the joined reports")
        until(lambda: told("Observation", 2), "dose")
        (ann,) = told("Patient?identifier=P1", 1)
        (eve,) = told("Patient?identifier=P2", 1)
        patient = ann["resource"]["id"]
        mine = server.token("patient/*.rs", "--patient", patient)
        others = server.token("patient/*.rs", "--patient", eve["resource"]["id"])
        yield Scene(server, mine, others, staff, patient)


def _report(scene: Scene) -> Any:
    (found,) = scene.all("DiagnosticReport?identifier=urn:oid:1.2.3.9", scene.ann)
    return found


def test_a_signed_report_is_read_by_its_patient_with_its_conclusion(scene: Scene) -> None:
    made = _report(scene)
    assert (made["status"], made["conclusion"]) == ("final", "Benign.")
    assert complaints(made) == []
    (order,) = scene.all("ServiceRequest", scene.ann)
    assert made["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    assert {"ORD-1", "FIL-1", "ACC-1"} <= {one["value"] for one in order["identifier"]}


def test_a_document_is_served_out_of_the_object_that_holds_it(scene: Scene) -> None:
    (letter,) = scene.all("DocumentReference?contenttype=application/pdf", scene.ann)
    form = letter["content"][0]["attachment"]
    answer = scene.server.get(f"/fhir/{form['url']}", scene.ann)
    assert (answer.content, answer.headers["Content-Type"]) == (LETTER, "application/pdf")
    assert (
        form["hash"]
        == base64.b64encode(hashlib.sha1(LETTER, usedforsecurity=False).digest()).decode()
    )
    (signed,) = [x for x in scene.all("DiagnosticReport", scene.ann) if "1.2.3.21" in str(x)]
    (shown,) = signed["presentedForm"]
    assert scene.server.get(f"/fhir/{shown['url']}", scene.ann).content == SIGNED


def test_dose_is_found_by_its_code(scene: Scene) -> None:
    (summary,) = scene.all("Observation?code=http://loinc.org|73569-6", scene.ann)
    (event,) = scene.all("Observation?identifier=urn:oid:1.2.3.31", scene.ann)
    assert summary["hasMember"] == [{"reference": f"Observation/{event['id']}"}]


def test_nothing_of_one_patient_is_another_patients(scene: Scene) -> None:
    for type_ in TYPES:
        found = {one["id"] for one in scene.all(type_, scene.ann)}
        assert found
        assert not found & {one["id"] for one in scene.all(type_, scene.eve)}
        for id_ in found:
            for path in (f"/fhir/{type_}/{id_}", f"/fhir/{type_}/{id_}/_history"):
                assert scene.server.get(path, scene.ann).status_code == 200, path
                assert scene.server.get(path, scene.eve).status_code == 403, path
                assert scene.server.get(path).status_code == 401, path
    (letter,) = scene.all("DocumentReference", scene.ann)
    document = letter["content"][0]["attachment"]["url"]
    assert scene.server.get(f"/fhir/{document}", scene.eve).status_code == 403


def test_a_message_about_the_same_report_is_its_next_version(scene: Scene) -> None:
    before = _report(scene)
    assert send(scene.server.mllp, _oru()) == ["AA"]
    until(lambda: _report(scene)["status"] == "corrected", "the message")
    after = _report(scene)
    assert after["id"] == before["id"]
    assert after["conclusion"] == "Corrected by message."
    address = after["presentedForm"][0]["url"]
    plain = scene.server.get(f"/fhir/{address}", scene.ann)
    assert plain.content == ATTACHED
    told = scene.server.get(f"/fhir/{address}", scene.ann, Accept="application/fhir+json")
    assert int(told.headers["Content-Length"]) == len(told.content)
    assert base64.b64decode(told.json()["data"]) == ATTACHED
    assert complaints(told.json()) == []
    pretty = scene.server.get(f"/fhir/{address}?_format=json&_pretty=true", scene.ann)
    assert base64.b64decode(pretty.json()["data"]) == ATTACHED
    part = scene.server.get(f"/fhir/{address}?_format=json&_elements=contentType", scene.ann)
    assert "data" not in part.json()
    old = f"/fhir/DiagnosticReport/{before['id']}/_history/1"
    assert scene.server.get(old, scene.ann).json()["conclusion"] == "Benign."


def test_verify_reads_documents_too(scene: Scene) -> None:
    found = scene.server.run("verify")
    assert (found["documents"], found["faults"]) == (1, [])
    (path,) = (scene.server.data / "blobs").glob("*/hl7.documents/*/*/*/*")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"!")
    done = scene.server.run("verify", check=False)
    path.write_bytes(whole)
    assert done.returncode == 1
    assert "bytes have changed" in done.stdout
