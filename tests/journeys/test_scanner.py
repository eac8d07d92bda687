"""A scanner sends a study, and it is in the record: whole, once, and as it was sent."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from dicom import phantom
from tests.support.consignments import (
    NAMES,
    PLAN,
    SENDERS,
    Consignment,
    deliver,
    made,
    same_objects,
)
from tests.support.dcmtk import dcmtk, storescp
from tests.support.outside import complaints
from tests.support.ward import Ward
from tests.support.web import Web, parts

pytestmark = [pytest.mark.journey, pytest.mark.slow]


def read(ward: Ward, path: str) -> dict[str, Any]:
    answer = ward.server.get(f"/fhir/{path}", ward.keys.token("system/*.rs"))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def retrieved(ward: Ward, consignment: Consignment) -> dict[str, bytes]:
    """The files of a study as WADO-RS gives them, by SOP Instance UID."""
    web = Web(ward.server.base + "/dicomweb", ward.keys.token("system/*.rs"))
    wanted = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    answer = web.get(f"/studies/{consignment.study}", wanted)
    assert answer.status_code == 200, answer.text
    files = [content for _, content in parts(answer)]
    return {str(dcmread(BytesIO(file)).SOPInstanceUID): file for file in files}


def body_of(file: bytes) -> bytes:
    """The data set of a file, without preamble and file meta."""
    buffer = BytesIO(file)
    dcmread(buffer, stop_before_pixels=True, specific_tags=[])
    meta = dcmread(BytesIO(file), stop_before_pixels=True).file_meta
    return file[132 + 12 + int(meta.FileMetaInformationGroupLength) :]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_sent_comes_back_in_its_transfer_syntax(ward: Ward, name: str) -> None:
    consignment = ward.consignment(name)
    got = retrieved(ward, consignment)
    assert len(got) == len(consignment.objects)
    for sent in consignment.objects:
        there = dcmread(BytesIO(got[sent.SOPInstanceUID]))
        assert there.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        assert same_objects(sent, there)


@pytest.mark.parametrize("number", range(len(SENDERS)), ids=SENDERS)
def test_every_sender_delivers_a_study_once(ward: Ward, tmp_path: Path, number: int) -> None:
    """Sent twice, it is there once: the second time changes nothing."""
    person = phantom.Person(f"SENDER-{number}", "Sent^By", "19700101", "O")
    consignment = made(tmp_path / "files", person)
    deliver(SENDERS[number], ward.server.dimse, consignment)
    row = ward.settled(consignment)
    deliver(SENDERS[number], ward.server.dimse, consignment)
    got = retrieved(ward, consignment)
    assert len(got) == PLAN.slices
    assert read(ward, f"ImagingStudy/{row.id}")["numberOfInstances"] == PLAN.slices
    for sent in consignment.objects:
        assert same_objects(sent, dcmread(BytesIO(got[sent.SOPInstanceUID])))


@pytest.mark.peers
@pytest.mark.parametrize("name", ["phantom", "RLE", "JPEG baseline", "MADO study B"])
def test_the_data_set_is_the_senders_byte_for_byte(ward: Ward, tmp_path: Path, name: str) -> None:
    """dcmtk's own receiver, told to keep what comes bit by bit, is the witness."""
    consignment = ward.consignment(name)
    got = retrieved(ward, consignment)
    with storescp(tmp_path / "witness") as (port, folder):
        called = ["-aec", "TRIPTYCH", *consignment.options, "127.0.0.1", str(port)]
        dcmtk("storescu", *called, *consignment.files)
        witnessed = {str(dcmread(path).SOPInstanceUID): path for path in folder.iterdir()}
    assert witnessed.keys() == got.keys()
    for uid, path in witnessed.items():
        assert body_of(got[uid]) == body_of(path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_an_imagingstudy_of_its_patient(ward: Ward, name: str) -> None:
    consignment = ward.consignment(name)
    objects = consignment.objects
    body = read(ward, f"ImagingStudy/{ward.settled(consignment).id}")
    assert complaints(body) == []
    assert body["status"] == "available"
    assert body["identifier"][0]["system"] == "urn:dicom:uid"
    assert body["identifier"][0]["value"] == f"urn:oid:{consignment.study}"
    assert body["numberOfInstances"] == len(objects)
    assert body["numberOfSeries"] == len({one.SeriesInstanceUID for one in objects})
    assert {one["code"] for one in body["modality"]} == {one.Modality for one in objects}
    told = {one["uid"]: one for series in body["series"] for one in series["instance"]}
    assert told.keys() == {one.SOPInstanceUID for one in objects}
    for one in objects:
        assert told[one.SOPInstanceUID]["sopClass"]["code"] == f"urn:oid:{one.SOPClassUID}"
    patient = read(ward, body["subject"]["reference"])
    assert complaints(patient) == []
    assert consignment.patient in [one["value"] for one in patient["identifier"]]
    endpoint = read(ward, body["endpoint"][0]["reference"])
    assert complaints(endpoint) == []
    assert endpoint["address"] == ward.server.base + "/dicomweb"


def test_the_times_of_a_study_are_those_of_the_hospitals_zone(ward: Ward) -> None:
    body = read(ward, f"ImagingStudy/{ward.settled(ward.consignment('phantom')).id}")
    assert body["started"] == "2026-11-20T09:15:00+01:00"
    assert body["series"][0]["started"] == "2026-11-20T09:15:00+01:00"


def test_the_mado_study_is_told_as_its_golden_bundle_tells_it(ward: Ward) -> None:
    """IHE RAD MADO, study B: times of the CT although the key object note is from 2006."""
    consignment = ward.consignment("MADO study B")
    body = read(ward, f"ImagingStudy/{ward.settled(consignment).id}")
    assert body["started"] == "2022-08-22T08:31:17+02:00"
    assert (body["numberOfSeries"], body["numberOfInstances"]) == (2, 21)
    assert [one["code"] for one in body["modality"]] == ["CT", "KO"]
    series = {one["modality"]["code"]: one for one in body["series"]}
    assert series["CT"]["started"] == "2022-08-22T16:47:58+02:00"
    assert series["CT"]["bodySite"]["code"] == "69536005"
    assert (series["CT"]["number"], series["KO"]["number"]) == (1, 59)
    assert (series["CT"]["numberOfInstances"], series["KO"]["numberOfInstances"]) == (20, 1)
    assert series["KO"]["instance"][0]["title"] == "Significant DICOM Instances"
    accessions = {"8529258169397744", "9426932401715315"}
    assert accessions <= {one["value"] for one in body["identifier"]}
    assert accessions == {one["identifier"]["value"] for one in body["basedOn"]}
    patient = read(ward, body["subject"]["reference"])
    # Its images say that the patient's identity was removed: so the number is nobody's key.
    assert [one["value"] for one in patient["identifier"]] == ["UV59569735"]
    assert "system" not in patient["identifier"][0]
    assert patient["name"][0]["family"] == "DOE"
    assert (patient["gender"], patient["birthDate"]) == ("male", "1977-05-30")


def test_every_golden_element_of_mado_is_there_or_its_absence_is_known(ward: Ward) -> None:
    consignment = ward.consignment("MADO study B")
    body = read(ward, f"ImagingStudy/{ward.settled(consignment).id}")
    for uid in {one.SeriesInstanceUID for one in consignment.objects}:
        told = next(one for one in body["series"] if one["uid"] == uid)
        sent = [one for one in consignment.objects if uid == one.SeriesInstanceUID]
        assert told["numberOfInstances"] == len(sent)
        numbers = {one.SOPInstanceUID: int(one.InstanceNumber) for one in sent}
        assert {one["uid"]: one["number"] for one in told["instance"]} == numbers


def test_a_verification_is_answered(ward: Ward) -> None:
    dcmtk("echoscu", "-aec", "TRIPTYCH", "127.0.0.1", str(ward.server.dimse))
