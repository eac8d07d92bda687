"""One examination told by four senders over their own protocols, and read by an app."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from tests.support.hl7_builder import obr, obx, packed
from tests.support.mllp import send
from tests.support.modality import send as store
from tests.support.server import Server, running
from tests.support.waiting import until

UID = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"
PID = "PID|1||4MR1^^^HOSP^MR||CompressedSamples^MR1||19700101|O"
OTHER = "PID|1||9ZZ9^^^HOSP^MR||Other^Ann||19800202|F"
NUMBERS = {"f2": "ORD-1", "f3": "FIL-1", "f4": "MR-HEAD^MRI head^L", "f18": "ACC-1"}
PDF = b"%PDF-1.4 first"
LATER_PDF = b"%PDF-1.4 corrected"


def report(status: str, document: bytes, issued: str) -> bytes:
    encoded = base64.b64encode(document).decode()
    return packed(
        "ORU^R01^ORU_R01",
        PID,
        obr(**NUMBERS, f22=issued, f25=status),
        obx("TX", "&IMP", f"No acute finding ({status})."),
        obx("ED", "18748-4^Report^LN", f"^Application^PDF^Base64^{encoded}"),
        obx("ST", "110180^Study Instance UID^DCM", UID),
        control=f"R{status}",
        sent=issued,
    )


@dataclass(slots=True)
class Scene:
    """A server that was told of one examination, and of another patient."""

    server: Server
    patient: str
    mine: str
    other: str
    everyone: str

    def all(self, type_: str, words: str = "", token: str = "") -> list[Any]:
        answer = self.server.get(f"/fhir/{type_}?{words}", token or self.everyone)
        assert answer.status_code == 200, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", [])]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    path = get_testdata_file("MR_small.dcm")
    assert path is not None
    with running(tmp_path_factory.mktemp("messages")) as server:
        assert store(server.dimse, Path(path).read_bytes()) == [0]
        zds = f"ZDS|{UID}^^Application^DICOM"
        order = packed(
            "ORM^O01^ORM_O01", PID, "ORC|NW|ORD-1|FIL-1", obr(**NUMBERS), zds, control="O1"
        )
        answers = send(
            server.mllp,
            report("F", PDF, "20260905123000+0000"),
            order,
            packed("ADT^A04^ADT_A01", PID, "PV1|1|O|RAD" + "|" * 16 + "V1^^^HOSP", control="A1"),
            packed("ADT^A04^ADT_A01", OTHER, control="A2"),
            report("C", LATER_PDF, "20260906123000+0000"),
        )
        assert answers == ["AA"] * 5
        everyone = server.token("system/*.rs")

        def joined() -> bool:
            found = [
                server.get(f"/fhir/{path}", everyone).json().get("entry")
                for path in (
                    "DiagnosticReport?status=corrected",
                    "Patient?identifier=9ZZ9",
                    "ImagingStudy?status=available&basedon:missing=false&patient.identifier=4MR1",
                    "Patient?identifier=4MR1&active=true",
                )
            ]
            return all(found)

        until(joined, "report and study joined with their order")
        found = server.get("/fhir/Patient?identifier=4MR1", everyone).json()["entry"]
        other = server.get("/fhir/Patient?identifier=9ZZ9", everyone).json()["entry"]
        patient = found[0]["resource"]["id"]
        mine = server.token("patient/*.rs", "--patient", patient)
        theirs = server.token("patient/*.rs", "--patient", other[0]["resource"]["id"])
        yield Scene(server, patient, mine, theirs, everyone)


def test_there_is_one_of_each_and_they_name_each_other(scene: Scene) -> None:
    (patient,) = scene.all("Patient", "identifier=4MR1")
    (order,), (study,) = scene.all("ServiceRequest"), scene.all("ImagingStudy")
    (report,) = scene.all("DiagnosticReport")
    assert study["basedOn"][0]["reference"] == f"ServiceRequest/{order['id']}"
    assert report["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    assert report["imagingStudy"] == [{"reference": f"ImagingStudy/{study['id']}"}]
    subjects = {one["subject"]["reference"] for one in (order, study, report)}
    assert subjects == {f"Patient/{patient['id']}"}


@pytest.mark.parametrize(
    "words",
    [
        "DiagnosticReport?patient={}&_include=DiagnosticReport:based-on",
        "ServiceRequest?patient={}&_revinclude=DiagnosticReport:based-on",
    ],
)
def test_one_search_finds_order_and_report(scene: Scene, words: str) -> None:
    type_, _, rest = words.format(scene.patient).partition("?")
    found = scene.all(type_, rest, scene.mine)
    assert {one["resourceType"] for one in found} == {"DiagnosticReport", "ServiceRequest"}


def test_a_patient_reads_all_that_is_theirs_and_another_patient_none_of_it(scene: Scene) -> None:
    (report,), (study,) = scene.all("DiagnosticReport"), scene.all("ImagingStudy")
    (order,) = scene.all("ServiceRequest")
    document = report["presentedForm"][0]["url"]
    addresses = [f"{one['resourceType']}/{one['id']}" for one in (report, study, order)]
    addresses += [document, order["encounter"]["reference"]] if "encounter" in order else [document]
    for address in addresses:
        for path in (f"/fhir/{address}", f"/fhir/{address}/_history"):
            assert scene.server.get(path, scene.mine).status_code == 200, path
            assert scene.server.get(path, scene.other).status_code == 403, path
            assert scene.server.get(path).status_code == 401, path
    for type_ in ("DiagnosticReport", "ServiceRequest", "ImagingStudy"):
        assert scene.all(type_, "", scene.other) == []


def test_a_corrected_report_is_the_same_resource_and_the_old_document_is_still_there(
    scene: Scene,
) -> None:
    (report,) = scene.all("DiagnosticReport")
    assert report["status"] == "corrected"
    path = f"/fhir/DiagnosticReport/{report['id']}/_history"
    versions = scene.server.get(path, scene.mine).json()["entry"]
    documents = {
        scene.server.get(f"/fhir/{form['url']}", scene.mine).content
        for version in versions
        for form in version["resource"]["presentedForm"]
        if form["contentType"] == "application/pdf"
    }
    assert documents == {PDF, LATER_PDF}


def test_a_document_comes_as_its_own_bytes_or_as_fhir(scene: Scene) -> None:
    (report,) = scene.all("DiagnosticReport")
    path = f"/fhir/{report['presentedForm'][0]['url']}"
    plain = scene.server.get(path, scene.mine)
    assert (plain.content, plain.headers["Content-Type"]) == (LATER_PDF, "application/pdf")
    told = scene.server.get(path, scene.mine, Accept="application/fhir+json").json()
    assert base64.b64decode(told["data"]) == LATER_PDF
    assert told["resourceType"] == "Binary"


def test_every_message_says_what_it_wrote(scene: Scene) -> None:
    done = scene.server.run("hl7", "list", check=False).stdout.splitlines()
    assert len(done) == 5
    shown = [
        scene.server.run("hl7", "show", line.split('"id": ')[1].split(",")[0]) for line in done
    ]
    assert {one["state"] for one in shown} == {"applied"}
    whys = [effect["why"] for one in shown for effect in one["effects"]]
    assert any("by Study Instance UID" in why for why in whys)


def test_replaying_the_whole_day_writes_nothing(scene: Scene) -> None:
    def versions() -> list[tuple[str, str]]:
        types = ("Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport")
        return [(one["id"], one["meta"]["versionId"]) for t in types for one in scene.all(t)]

    before = versions()
    assert scene.server.run("hl7", "replay", "--since", "2020-01-01") == {"replayed": 5}

    def done() -> bool:
        return not scene.server.run("hl7", "list", "--state", "pending", check=False).stdout

    until(done, "the replay")
    assert versions() == before
