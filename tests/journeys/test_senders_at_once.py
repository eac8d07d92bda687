"""Many senders, one truth: the same study from four at once, one object fifty times, and rivals."""

import json
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian

from bench.crash.objects import SOP_CLASS, TRANSFER_SYNTAX, Made, make
from tests.support.dcmtk import dcmtk
from tests.support.modality import send
from tests.support.parrot import Parrot, command, message, request
from tests.support.scenes import ALICE, ALICES, BOB, SYSTEM, instance
from tests.support.server import Server, running
from tests.support.waiting import until
from tests.support.web import Web, web

pytestmark = [pytest.mark.journey, pytest.mark.slow]

SUCCESS, COERCED = 0x0000, 0xB000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("crowd") / "data", ISSUER=SYSTEM) as started:
        yield started


@pytest.fixture(scope="module")
def staff(server: Server) -> Web:
    return web(server, "system/*.crs")


def at_once(*errands: Callable[[], None]) -> None:
    """Run errands beside each other; the first that failed is raised."""
    start, failures = threading.Barrier(len(errands)), list[BaseException]()

    def run(errand: Callable[[], None]) -> None:
        start.wait()
        try:
            errand()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=[errand]) for errand in errands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def uids(staff: Web, study: str) -> list[str]:
    """Every SOP Instance UID that QIDO-RS lists for a study."""
    return sorted(row["00080018"]["Value"][0] for row in staff.found(f"/studies/{study}/instances"))


def record(server: Server, staff: Web, study: str) -> dict[str, Any]:
    """The one ImagingStudy of a study, when it has settled."""
    path = f"/fhir/ImagingStudy?identifier=urn:dicom:uid|urn:oid:{study}"

    def settled() -> list[dict[str, Any]]:
        entries = server.get(path, staff.token).json().get("entry", [])
        found = [entry["resource"] for entry in entries]
        codes = [tag["code"] for one in found for tag in one["meta"].get("tag", [])]
        return found if "settled" in codes else []

    (only,) = until(settled, "a settled ImagingStudy")
    return only


def reviews(server: Server, study: str, state: str = "") -> list[dict[str, Any]]:
    """The review items of a study."""
    printed = server.run("review", "list", "--state", state, check=False).stdout
    items = [json.loads(line) for line in printed.splitlines()]
    return [item for item in items if item["study"] == study]


def blobs(server: Server) -> set[Path]:
    return {path for path in (server.data / "blobs").rglob("*") if path.is_file()}


@pytest.mark.peers
def test_the_same_study_from_four_senders_at_once_is_one_study(
    server: Server, staff: Web, tmp_path: Path
) -> None:
    files = [instance("CT_small.dcm", number) for number in range(1, 13)]
    paths = [tmp_path / f"{number}.dcm" for number in range(12)]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file)
    address = ("-aec", "TRIPTYCH", "127.0.0.1", str(server.dimse))

    def by_stow() -> None:
        assert staff.store(*files).status_code == 200

    def by_pynetdicom() -> None:
        assert send(server.dimse, *files) == [SUCCESS] * 12

    at_once(
        lambda: assert_quiet(dcmtk("storescu", *address, *paths)),
        lambda: assert_quiet(dcmtk("dcmsend", *address, *paths)),
        by_pynetdicom,
        by_stow,
    )
    expected = sorted(f"{ALICES}.1.{number}" for number in range(1, 13))
    assert uids(staff, ALICES) == expected
    (study,) = staff.found(f"/studies?StudyInstanceUID={ALICES}")
    assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([1], [12])
    settled = record(server, staff, ALICES)
    assert (settled["numberOfSeries"], settled["numberOfInstances"]) == (1, 12)
    assert sorted(one["uid"] for one in settled["series"][0]["instance"]) == expected
    assert reviews(server, ALICES) == []


def assert_quiet(printed: str) -> None:
    """A tool of dcmtk's that prints something has something to complain about."""
    assert printed == ""


def test_one_object_stored_by_fifty_at_once_is_one_object(server: Server, staff: Web) -> None:
    made, before = make("fifty", "CT1", 1), blobs(server)
    at_once(*[lambda: store_by_hand(server, made)] * 50)
    assert uids(staff, made.study) == [made.uid]
    assert record(server, staff, made.study)["numberOfInstances"] == 1
    assert reviews(server, made.study) == []
    assert len(blobs(server) - before) == 1


def store_by_hand(server: Server, made: Made) -> None:
    """C-STORE with a peer that is light enough to be there fifty times."""
    with Parrot(server.dimse) as parrot:
        parrot.associate(request([(1, SOP_CLASS, [TRANSFER_SYNTAX])]))
        store = command(1, sop_class=SOP_CLASS, sop_instance=made.uid)
        parrot.say(message(1, store, made.data))
        assert parrot.response().Status == SUCCESS
        parrot.release()


def test_a_second_patients_claim_to_a_study_is_kept_and_hidden_from_patients(
    server: Server, staff: Web
) -> None:
    study = "1.2.826.0.1.3680043.10.1561.9"
    first = instance("CT_small.dcm", 1, "ALICE", study)
    second = instance("CT_small.dcm", 2, "BOB", study)
    own = instance("CT_small.dcm", 1, "BOB", f"{study}.1")
    assert send(server.dimse, own, first, second) == [SUCCESS, SUCCESS, COERCED]
    record(server, staff, f"{study}.1")
    (item,) = reviews(server, study, "open")
    assert item["kind"] == "second-claim"
    assert set(uids(staff, study)) == {f"{study}.1.1", f"{study}.1.2"}
    alice, bob = (web(server, "patient/*.rs", who) for who in (ALICE, BOB))
    assert uids(alice, study) == [f"{study}.1.1"]
    assert bob.get(f"/studies/{study}/instances").status_code in (403, 404)
    assert [s["0020000D"]["Value"] for s in bob.found("/studies")] == [[f"{study}.1"]]
    mine = server.get("/fhir/ImagingStudy", bob.token).json()
    assert mine["total"] == 1


def test_other_content_under_the_same_uid_is_kept_behind_the_first(
    server: Server, staff: Web
) -> None:
    study, before = "1.2.826.0.1.3680043.10.1561.8", blobs(server)
    first = instance("CT_small.dcm", 1, "ALICE", study, StudyDescription="First")
    second = instance("CT_small.dcm", 1, "ALICE", study, StudyDescription="Second")
    assert send(server.dimse, first, second, second) == [SUCCESS, COERCED, SUCCESS]
    assert uids(staff, study) == [f"{study}.1.1"]
    assert record(server, staff, study)["numberOfInstances"] == 1
    answer = staff.get(f"/studies/{study}/metadata")
    assert answer.json()[0]["00081030"]["Value"] == ["First"]
    (item,) = reviews(server, study)
    assert (item["kind"], item["state"]) == ("other-content", "open")
    assert len(blobs(server) - before) == 2


def test_another_transfer_syntax_of_the_same_picture_is_noted_and_not_counted(
    server: Server, staff: Web
) -> None:
    study = "1.2.826.0.1.3680043.10.1561.7"
    plain = instance("CT_small.dcm", 1, "ALICE", study)
    assert send(server.dimse, plain, recoded(plain)) == [SUCCESS, COERCED]
    assert uids(staff, study) == [f"{study}.1.1"]
    assert record(server, staff, study)["numberOfInstances"] == 1
    (item,) = reviews(server, study)
    assert (item["kind"], item["state"]) == ("other-encoding", "noted")


def recoded(file: bytes) -> bytes:
    """The same object in implicit VR."""
    data_set = dcmread(BytesIO(file))
    data_set.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    out = BytesIO()
    data_set.save_as(out, implicit_vr=True, little_endian=True, enforce_file_format=True)
    return out.getvalue()
