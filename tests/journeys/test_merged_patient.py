"""A merge seen from outside: over MLLP it comes, and every door tells of the survivor; then back."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from tests.support.hl7_builder import obr, packed
from tests.support.mllp import send
from tests.support.modality import send as store
from tests.support.server import Server, running
from tests.support.waiting import until

STUDY = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"
OLD = "PID|1||4MR1^^^HOSP^MR||CompressedSamples^MR1||19700101|O"
NEW = "PID|1||9NEW9^^^HOSP^MR||Samples^Mary||19700202|O"
A40 = packed("ADT^A40^ADT_A39", NEW, "MRG|4MR1^^^HOSP^MR", control="M1")


def image() -> bytes:
    """pydicom's MR_small.dcm, its number issued by HOSP."""
    path = get_testdata_file("MR_small.dcm")
    assert path is not None
    data_set, file = dcmread(Path(path)), BytesIO()
    data_set.IssuerOfPatientID = "HOSP"
    data_set.save_as(file)
    return file.getvalue()


class Scene:
    """What staff see of the examination."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.staff = server.token("system/*.rs")

    def find(self, words: str) -> list[Any]:
        answer = self.server.get(f"/fhir/{words}", self.staff).json()
        return [entry["resource"] for entry in answer.get("entry", [])]

    def qido(self, number: str) -> list[Any]:
        answer = self.server.get(f"/dicomweb/studies?PatientID={number}", self.staff)
        return answer.json() if answer.content else []

    def wado(self) -> tuple[bytes, str]:
        (one,) = self.server.get(f"/dicomweb/studies/{STUDY}/instances", self.staff).json()
        path = one["00081190"]["Value"][0].removeprefix(self.server.base)
        answer = self.server.get(path, self.staff, Accept="application/dicom")
        return answer.content, answer.headers["ETag"]

    def metadata(self) -> Any:
        return self.server.get(f"/dicomweb/studies/{STUDY}/metadata", self.staff).json()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running(tmp_path_factory.mktemp("merged"), SETTLE_SECONDS="0") as server:
        assert store(server.dimse, image()) == [0]
        order = packed("ORM^O01^ORM_O01", OLD, "ORC|NW|O-1|F-1", obr(f2="O-1", f3="F-1"))
        admissions = (packed("ADT^A04^ADT_A01", pid, control=pid[7:12]) for pid in (OLD, NEW))
        assert send(server.mllp, *admissions, order) == ["AA"] * 3
        made = Scene(server)
        until(lambda: made.find("ServiceRequest") and made.qido("4MR1"), "order and images")
        until(lambda: len(made.find("Patient")) == 2, "both patients")
        yield made


def assert_is_coerced(data: bytes, stored: bytes) -> None:
    """The survivor's header, with the other's kept in it, and the same pixels."""
    header = dcmread(BytesIO(data))
    assert (header.PatientID, header.PatientBirthDate) == ("9NEW9", "19700202")
    assert header.IssuerOfPatientID == "HOSP"
    (item,) = header.OriginalAttributesSequence
    assert item.ModifiedAttributesSequence[0].PatientID == "4MR1"
    assert header.PixelData == dcmread(BytesIO(stored)).PixelData


def assert_is_retired(scene: Scene, gone: Any, survivor: Any, theirs: str) -> None:
    """A merged record leads to its survivor, and its own token has ended."""
    by_either = [f"ImagingStudy?patient={one['id']}" for one in (gone, survivor)]
    assert [len(scene.find(words)) for words in by_either] == [1, 1]
    (retired,) = scene.find(f"Patient?_id={gone['id']}")
    assert retired["active"] is False
    answer = scene.server.get(f"/fhir/Patient/{gone['id']}", theirs)
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["WWW-Authenticate"]


def test_a_merge_reaches_every_door_and_an_unmerge_brings_all_of_it_back(scene: Scene) -> None:
    server = scene.server
    (gone,) = scene.find("Patient?identifier=4MR1")
    (survivor,) = scene.find("Patient?identifier=9NEW9")
    stored, etag = scene.wado()
    described = scene.metadata()
    theirs = server.token("patient/*.rs", "--patient", gone["id"])
    early = server.token("patient/*.rs", "--patient", survivor["id"])

    assert send(server.mllp, A40) == ["AA"]
    until(lambda: scene.qido("9NEW9"), "the survivor's number in QIDO")
    assert scene.qido("4MR1") == []
    (shown,) = scene.qido("9NEW9")
    assert shown["00100010"]["Value"] == [{"Alphabetic": "Samples^Mary"}]
    data, other = scene.wado()
    assert_is_coerced(data, stored)
    assert other != etag
    (told,) = scene.metadata()
    assert told["00100020"]["Value"] == ["9NEW9"]
    assert_is_retired(scene, gone, survivor, theirs)
    assert server.get(f"/dicomweb/studies/{STUDY}/metadata", early).status_code == 403
    late = server.token("patient/*.rs", "--patient", survivor["id"])
    assert server.get(f"/dicomweb/studies/{STUDY}/metadata", late).status_code == 200
    link = server.run("share", "--patient", survivor["id"], "--factor", "pin")

    server.run("unmerge", gone["id"], "--reason", "two people")
    until(lambda: scene.qido("4MR1"), "the number as it was")
    assert scene.wado() == (stored, etag)
    assert scene.metadata() == described
    assert server.get(f"/fhir/Patient/{gone['id']}", theirs).status_code == 401
    assert server.get(f"/dicomweb/studies/{STUDY}/metadata", late).status_code == 401
    recalled = server.run("recall", "list")
    assert (recalled["patient"], recalled["shown_as"]) == (gone["id"], survivor["id"])
    assert link["id"] in recalled["ended"]
    assert "dicomweb" in {one["door"] for one in recalled["exposures"]}
