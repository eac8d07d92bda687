"""STOW-RS at the running server (PS3.18 10.5): each object is kept or refused by itself."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.support.dicom_objects import identified, part10
from tests.support.scenes import ALICES, SYSTEM, address, alices, bundled, instance
from tests.support.server import Server, running, start
from tests.support.web import (
    BOUNDARY,
    FAILED,
    STORED,
    STOW_TYPE,
    Web,
    multipart,
    parts,
    references,
    value,
    web,
)

OBJECT, CLASS, URL = "00081155", "00081150", "00081190"
FAILURE, WARNING, COMMENT = "00081197", "00081196", "00000902"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data"), ISSUER=SYSTEM) as started:
        yield started


@pytest.fixture(scope="module")
def staff(server: Server) -> Web:
    return web(server)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A server with narrow limits."""
    limits: dict[str, Any] = {
        "MAX_OBJECT_BYTES": "50K",
        "MAX_REQUEST_BYTES": "400K",
        "MAX_PARTS": "3",
    }
    with running(tmp_path_factory.mktemp("small"), ISSUER=SYSTEM, **limits) as started:
        yield web(started)


def without(keyword: str) -> bytes:
    """An object that lacks an attribute."""
    data_set = identified()
    delattr(data_set, keyword)
    return part10(data_set)


def test_stored_objects_are_named_with_their_addresses(staff: Web) -> None:
    """PS3.18 annex I."""
    answer = staff.store(*alices())
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/dicom+json")
    assert value(answer.json(), URL) == staff.base + address(ALICES)
    kept = references(answer, STORED)
    assert [value(item, OBJECT) for item in kept] == [
        f"{ALICES}.1.1",
        f"{ALICES}.1.2",
        f"{ALICES}.1.3",
        f"{ALICES}.2.1",
    ]
    assert value(kept[0], CLASS) == "1.2.840.10008.5.1.4.1.1.2"
    assert references(answer, FAILED) == []
    for item, stored in zip(kept, alices(), strict=True):
        assert staff.get(value(item, URL), "application/dicom").content == stored


def test_the_same_objects_again_are_a_success_and_change_nothing(staff: Web) -> None:
    """Idempotent by SOP Instance UID and content."""
    again = staff.store(*alices(), *alices())
    assert again.status_code == 200
    assert len(references(again, STORED)) == 8
    assert len(staff.found(f"{address(ALICES)}/instances")) == 4


def test_one_object_may_be_the_whole_body(staff: Web) -> None:
    one = instance("CT_small.dcm", 1, study=f"{ALICES}.5")
    answer = staff.post(one, "application/dicom")
    assert answer.status_code == 200
    assert [value(item, OBJECT) for item in references(answer, STORED)] == [f"{ALICES}.5.1.1"]


def test_a_body_of_unknown_length_is_read_to_its_end(staff: Web) -> None:
    body = multipart([instance("CT_small.dcm", 2, study=f"{ALICES}.5")])
    chunks = (body[at : at + 777] for at in range(0, len(body), 777))
    assert staff.post(chunks).status_code == 200


@pytest.mark.parametrize(
    ("broken", "code", "names_it"),
    [
        (b"", 0xC000, False),
        (b"no DICOM at all", 0xC000, False),
        (os.urandom(5000), 0xC000, False),
        (bundled("rtplan_truncated.dcm"), 0xC000, True),
        (without("SOPClassUID"), 0xA900, True),
        (without("StudyInstanceUID"), 0xA900, True),
        (part10(identified())[:140], 0xC000, False),
    ],
    ids=["empty", "text", "noise", "cut short", "no class", "no study", "cut in the meta"],
)
def test_a_broken_object_fails_alone_with_a_reason(
    staff: Web, broken: bytes, code: int, names_it: bool
) -> None:
    """PS3.18 table I.2-2."""
    good = instance("CT_small.dcm", 1, study=f"{ALICES}.6")
    alone, among = staff.store(broken), staff.store(good, broken, good)
    assert (alone.status_code, among.status_code) == (409, 202)
    assert len(references(among, STORED)) == 2
    for answer in (alone, among):
        [failure] = references(answer, FAILED)
        assert value(failure, FAILURE) == code
        assert value(failure, COMMENT)
        assert (value(failure, OBJECT) is not None) == names_it


def test_an_object_of_another_study_than_the_address_names_is_refused(staff: Web) -> None:
    mine = instance("CT_small.dcm", 1, study=f"{ALICES}.7")
    other = instance("CT_small.dcm", 1, study=f"{ALICES}.8")
    answer = staff.store(mine, other, path=address(f"{ALICES}.7"))
    assert answer.status_code == 202
    [failure] = references(answer, FAILED)
    assert (value(failure, OBJECT), value(failure, FAILURE)) == (f"{ALICES}.8.1.1", 0xA900)
    assert staff.get(f"{address(f'{ALICES}.8')}/series").status_code == 404
    assert staff.store(other, path=address(f"{ALICES}.7")).status_code == 409


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        (bundled("reportsi.dcm"), 0xB007),
        (instance("CT_small.dcm", 1, study=f"{ALICES}.9", PatientWeight="7"), 0),
        (instance("CT_small.dcm", 1, study=f"{ALICES}.9", PatientWeight="8"), 0xB000),
    ],
    ids=["no patient number", "first content", "other content"],
)
def test_what_is_kept_with_a_warning_is_202_and_says_why(staff: Web, odd: bytes, code: int) -> None:
    """PS3.18 table I.2-1."""
    answer = staff.store(odd)
    assert answer.status_code == (202 if code else 200)
    [kept] = references(answer, STORED)
    assert value(kept, WARNING) == (code or None)
    assert bool(value(kept, COMMENT)) == bool(code)


def test_a_refused_part_does_not_stay_on_disk(server: Server, staff: Web) -> None:
    blobs = server.data / "blobs"
    before = set(blobs.rglob("*"))
    assert staff.store(b"rubbish", without("SOPClassUID")).status_code == 409
    assert [path for path in set(blobs.rglob("*")) - before if path.is_file()] == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (multipart(alices()[:1]), "multipart/related; type=application/dicom"),
        (
            multipart(alices()[:1]),
            f"multipart/related; type=application/dicom; boundary={'x' * 71}",
        ),
        (multipart(alices()[:1]), "multipart/related; type=application/dicom; boundary=other"),
        (multipart([]), STOW_TYPE),
        (b"", STOW_TYPE),
        (b"--" + BOUNDARY.encode() + b"\r\nno colon\r\n\r\nx", STOW_TYPE),
        (b"--" + BOUNDARY.encode() + b"\r\n" + b"x: y\r\n" * 100 + b"\r\nx", STOW_TYPE),
        (b"--" + BOUNDARY.encode() + b"\r\nx: " + b"y" * 100_000, STOW_TYPE),
        (b"\0" * 100_000, STOW_TYPE),
    ],
    ids=["none", "long", "other", "no parts", "empty", "header", "headers", "long header", "zeros"],
)
def test_a_body_that_is_no_multipart_is_400(staff: Web, body: bytes, content_type: str) -> None:
    answer = staff.post(body, content_type)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/related; type="application/dicom+json"; boundary=x',
        'multipart/related; type="application/dicom+xml"; boundary=x',
        "multipart/form-data; boundary=x",
        "application/json",
        "application/octet-stream",
    ],
)
def test_another_kind_of_body_is_415(staff: Web, content_type: str) -> None:
    assert staff.post(b"{}", content_type).status_code == 415


def test_an_answer_in_xml_is_406_before_anything_is_stored(staff: Web) -> None:
    one = instance("CT_small.dcm", 1, study=f"{ALICES}.10")
    answer = staff.post(multipart([one]), accept="application/dicom+xml")
    assert answer.status_code == 406
    assert staff.get(f"{address(f'{ALICES}.10')}/series").status_code == 404


def test_a_part_of_another_kind_fails_alone(staff: Web) -> None:
    good = instance("CT_small.dcm", 1, study=f"{ALICES}.11")
    end = f"--{BOUNDARY}--\r\n".encode()
    body = multipart([good]).removesuffix(end) + multipart([b"{}"], "application/json")
    answer = staff.post(body)
    assert answer.status_code == 202
    assert len(references(answer, STORED)) == len(references(answer, FAILED)) == 1


def test_a_body_without_its_end_keeps_whole_parts_and_says_400(staff: Web) -> None:
    """Nothing that was acknowledged is lost; what broke off was never acknowledged."""
    whole = instance("CT_small.dcm", 1, study=f"{ALICES}.12")
    half = instance("CT_small.dcm", 2, study=f"{ALICES}.12")
    body = multipart([whole, half])
    answer = staff.post(body[: -len(half) // 2])
    assert answer.status_code == 400
    assert [value(item, OBJECT) for item in references(answer, STORED)] == [f"{ALICES}.12.1.1"]
    [failure] = references(answer, FAILED)
    assert value(failure, OBJECT) == f"{ALICES}.12.1.2"
    assert len(staff.found(f"{address(f'{ALICES}.12')}/instances")) == 1


def test_a_sender_who_vanishes_leaves_whole_parts_and_no_rest(server: Server, staff: Web) -> None:
    study = f"{ALICES}.13"
    body = multipart([instance("CT_small.dcm", number, study=study) for number in (1, 2)])
    head = _request_head(staff, len(body))
    with socket.create_connection(("127.0.0.1", server.http)) as connection:
        connection.sendall(head + body[: len(body) - 20_000])
    _until(lambda: staff.get(f"{address(study)}/series").status_code == 200)
    assert len(staff.found(f"{address(study)}/instances")) == 1
    _until(lambda: not list((server.data / "blobs" / "tmp").iterdir()))


def _request_head(client: Web, length: int) -> bytes:
    return (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {client.token}\r\n"
        f"Content-Type: {STOW_TYPE}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _until(condition: object) -> None:
    """Ask again until it is so; a promise without a time."""
    assert callable(condition)
    pause = threading.Event()
    for _ in range(300):
        if condition():
            return
        pause.wait(0.1)
    raise AssertionError("it never came true")


def test_a_sender_who_dawdles_keeps_nobody_else_waiting(server: Server, staff: Web) -> None:
    study = f"{ALICES}.14"
    body = multipart([instance("CT_small.dcm", 1, study=study)])
    with socket.create_connection(("127.0.0.1", server.http)) as connection:
        connection.sendall(_request_head(staff, len(body)) + body[:5000])
        other = instance("CT_small.dcm", 1, study=f"{ALICES}.15")
        assert staff.store(other).status_code == 200
        connection.sendall(body[5000:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_limits_are_413_and_what_came_before_them_is_kept(small: Web) -> None:
    one = [instance("CT_small.dcm", number, study=f"{ALICES}.16") for number in range(1, 6)]
    many = small.store(*one[:4])
    assert many.status_code == 413
    assert len(references(many, STORED)) == 3
    large = small.post(multipart([bytes(500_000)]))
    assert large.status_code == 413
    chunked = small.post(iter([multipart([one[4]]) + bytes(450_000)]))
    assert chunked.status_code in (200, 413)


def test_an_object_beyond_its_limit_fails_alone(small: Web) -> None:
    good = instance("CT_small.dcm", 1, study=f"{ALICES}.17")
    answer = small.store(bytes(60_000), good)
    assert answer.status_code == 202
    [failure] = references(answer, FAILED)
    assert value(failure, FAILURE) == 0xA700


def test_without_room_on_disk_the_answer_is_507(tmp_path: Path) -> None:
    with running(tmp_path, MIN_FREE_BYTES="900T") as server:
        answer = web(server).store(part10(identified()))
        assert answer.status_code == 507
        [failure] = references(answer, FAILED)
        assert value(failure, FAILURE) == 0xA700


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    server = start(tmp_path, ISSUER=SYSTEM)
    staff = web(server)
    assert staff.store(*alices()).status_code == 200
    for child in psutil.Process(server.process.pid).children(recursive=True):
        child.kill()
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    assert server.process.stdout is not None
    server.process.stdout.close()
    with running(tmp_path, ISSUER=SYSTEM) as again:
        found = parts(web(again).get(address(ALICES)))
        assert sorted(content for _, content in found) == sorted(alices())


def test_many_senders_of_one_study_make_one_study(staff: Web) -> None:
    study = f"{ALICES}.18"
    with ThreadPoolExecutor(6) as senders:
        answers = list(
            senders.map(
                lambda sender: staff.store(
                    *(instance("CT_small.dcm", sender * 10 + n, study=study) for n in range(4)),
                    instance("CT_small.dcm", 999, study=study),
                ),
                range(6),
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    [found] = staff.found(f"/studies?StudyInstanceUID={study}")
    assert (value(found, "00201206"), value(found, "00201208")) == (1, 25)
    assert len(staff.found(f"{address(study)}/instances")) == 25


def test_a_large_request_does_not_grow_the_server(server: Server, staff: Web) -> None:
    """Parts go straight to disk: 240 MB pass through a worker that grows by far less."""
    worker = _web_worker(server)
    before = _peak(worker)
    pixels = bytes(1 << 20)
    data_set = identified()
    data_set.Rows = data_set.Columns = 1024
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.HighBit, data_set.PixelRepresentation, data_set.SamplesPerPixel = 7, 0, 1
    data_set.PhotometricInterpretation, data_set.NumberOfFrames = "MONOCHROME2", 80
    data_set.add_new(0x7FE00010, "OB", pixels)
    data_set.PixelData = pixels * 80

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            data_set.SOPInstanceUID = f"1.2.3.{number}"
            yield from _sliced(multipart([part10(data_set)]), last=number == 2)

    assert staff.post(chunks()).status_code == 200
    assert _peak(worker) - before < 64 << 20


def _sliced(body: bytes, *, last: bool) -> Iterator[bytes]:
    whole = body if last else body.removesuffix(f"--{BOUNDARY}--\r\n".encode())
    for at in range(0, len(whole), 1 << 20):
        yield whole[at : at + (1 << 20)]


def _web_worker(server: Server) -> psutil.Process:
    return psutil.Process(server.children()["web"]).children()[-1]


def _peak(process: psutil.Process) -> int:
    """The most memory that a process ever held, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def test_dicomweb_client_stores_as_it_does_elsewhere(staff: Web) -> None:
    session = create_session()
    session.headers["Authorization"] = f"Bearer {staff.token}"
    with session:
        client = DICOMwebClient(staff.base, session=session)
        answer: Dataset = client.store_instances([dcmread(_file("MR_small.dcm"))])
        assert len(answer.ReferencedSOPSequence) == 1
        assert "FailedSOPSequence" not in answer


def _file(name: str) -> str:
    from pydicom.data import get_testdata_file

    return str(get_testdata_file(name, download=False))
