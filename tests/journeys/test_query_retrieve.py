"""Peers that ask: dcmtk and pynetdicom find studies, get them and have them moved."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.ae import ApplicationEntity
from sqlalchemy import select

from server import clock
from server.flows import parties
from server.flows.parties import PeerEntry
from server.store.tables import audit
from tests.support.dcmtk import dcmtk, storescp
from tests.support.keyring import Keyring, keyring
from tests.support.modality import get, send
from tests.support.scenes import ALICES, BOBS, SYSTEM, alices, bobs
from tests.support.server import Server, running
from tests.support.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.slow]

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
MR = "1.2.840.10008.5.1.4.1.1.4"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
EVERYTHING = ("echo", "store", "find", "get", "move")


@dataclass(slots=True)
class Archive:
    """A server with two studies, and the peers that it knows."""

    server: Server
    keys: Keyring
    kept: dict[str, bytes]

    def peer(self, ae: str, *may: str, port: int = 104, organisation: str = "home") -> None:
        entry = PeerEntry(ae, "127.0.0.1", port, organisation, "", may or EVERYTHING)
        parties.put_peer(self.keys.house, entry, now=clock.now())

    def ask(self, tool: str, *words: str | Path, ae: str = "PACS") -> str:
        places = ("127.0.0.1", str(self.server.dimse))
        return dcmtk(tool, "-aet", ae, "-aec", "TRIPTYCH", *places, *words)

    def events(self, **where: str) -> list[Any]:
        query = select(audit).where(audit.c.door == "dimse")
        for name, value in where.items():
            query = query.where(audit.c[name] == value)
        with self.keys.house.database.read() as connection:
            return list(connection.execute(query.order_by(audit.c.at, audit.c.seq)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with (
        running(tmp_path_factory.mktemp("archive") / "data", ISSUER=SYSTEM) as server,
        keyring(server) as keys,
    ):
        files = [*alices(), *bobs()]
        assert set(send(server.dimse, *files)) == {0}
        kept = {str(dcmread(BytesIO(file)).SOPInstanceUID): file for file in files}
        made = Archive(server, keys, kept)
        made.peer("PACS")
        yield made


def data_set(file: bytes) -> bytes:
    """The bytes of a Part 10 file behind its file meta."""
    length = int.from_bytes(file[140:144], "little")
    return file[144 + length :]


def found(text: str, keyword: str) -> list[str]:
    return re.findall(rf"\[([^\]]*)\] +# +\d+, \d+ {keyword}", text)


def questions(archive: Archive, level: str, **keys: str) -> list[Dataset]:
    """Ask as pynetdicom does; the last status has to be success."""
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    entity = ApplicationEntity("PACS")
    entity.add_requested_context(STUDY_FIND)
    association = entity.associate("127.0.0.1", archive.server.dimse, ae_title="TRIPTYCH")
    answers = list(association.send_c_find(asked, STUDY_FIND))
    association.release()
    assert answers[-1][0].Status == 0
    return [answer for status, answer in answers if status.Status == 0xFF00 and answer]


def test_findscu_finds_patients_studies_series_and_images(archive: Archive) -> None:
    study = ("-k", f"StudyInstanceUID={ALICES}")
    people = archive.ask("findscu", "-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID")
    assert sorted(one.strip() for one in found(people, "PatientID")) == ["ALICE", "BOB"]
    wanted = ("-k", "PatientName=liddell*", "-k", "StudyInstanceUID", "-k", "ModalitiesInStudy")
    studies = archive.ask("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", *wanted)
    assert [one.strip("\0 ") for one in found(studies, "StudyInstanceUID")] == [ALICES]
    series = archive.ask(
        "findscu", "-S", "-k", "QueryRetrieveLevel=SERIES", *study, "-k", "SeriesInstanceUID"
    )
    assert len(found(series, "SeriesInstanceUID")) == 2
    images = archive.ask(
        "findscu", "-S", "-k", "QueryRetrieveLevel=IMAGE", *study, "-k", "SOPInstanceUID"
    )
    assert len(found(images, "SOPInstanceUID")) == 4


def test_a_match_holds_what_was_asked_for_and_where_it_can_be_had(archive: Archive) -> None:
    [one] = questions(
        archive, "STUDY", StudyInstanceUID=BOBS, PatientName="", NumberOfStudyRelatedInstances=""
    )
    assert str(one.PatientName) == "Cratchit^Bob"
    assert one.NumberOfStudyRelatedInstances == 1
    assert one.RetrieveAETitle == "TRIPTYCH"
    assert one.QueryRetrieveLevel == "STUDY"
    assert "PatientID" not in one


def test_getscu_gets_every_object_byte_for_byte(archive: Archive, tmp_path: Path) -> None:
    archive.ask(
        "getscu", "-S", "+B", "-od", tmp_path, "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"StudyInstanceUID={BOBS}",
    )  # fmt: skip
    [file] = tmp_path.iterdir()
    [uid] = [uid for uid in archive.kept if uid.startswith(f"{BOBS}.")]
    assert data_set(file.read_bytes()) == data_set(archive.kept[uid])
    event = archive.events(action="read")[-1]
    assert event.study == BOBS
    assert event.client.startswith("PACS")


def test_movescu_moves_a_study_to_a_peer_byte_for_byte(archive: Archive, tmp_path: Path) -> None:
    with storescp(tmp_path / "moved") as (port, folder):
        archive.peer("TRIPTYCH2", port=port)
        archive.ask(
            "movescu", "-S", "-aem", "TRIPTYCH2", "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={ALICES}",
        )  # fmt: skip
        arrived = [file.read_bytes() for file in folder.iterdir()]
    moved = {str(dcmread(BytesIO(file)).SOPInstanceUID): data_set(file) for file in arrived}
    mine = {uid: data_set(f) for uid, f in archive.kept.items() if uid.startswith(f"{ALICES}.")}
    assert moved == mine


def test_what_is_kept_in_explicit_vr_is_given_in_implicit_vr_to_who_takes_no_other(
    archive: Archive,
) -> None:
    [one] = get(archive.server.dimse, BOBS, (MR, ImplicitVRLittleEndian))
    [mine] = [file for uid, file in archive.kept.items() if uid.startswith(f"{BOBS}.")]
    kept = dcmread(BytesIO(mine))
    assert kept.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    kept.remove_private_tags()
    one.remove_private_tags()
    assert one == kept


def statuses(archive: Archive, service: str, keys: dict[str, str], ae: str = "PACS") -> list[Any]:
    asked = Dataset()
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    entity = ApplicationEntity(ae)
    entity.add_requested_context(service)
    association = entity.associate("127.0.0.1", archive.server.dimse, ae_title="TRIPTYCH")
    if not association.is_established:
        return []
    if service == STUDY_MOVE:
        answers = list(association.send_c_move(asked, "NOWHERE", service))
    elif service == PATIENT_GET:
        answers = list(association.send_c_get(asked, service))
    else:
        answers = list(association.send_c_find(asked, service))
    association.release()
    return [status for status, _ in answers]


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_what_cannot_be_answered_is_refused_in_plain_words(archive: Archive) -> None:
    study = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ALICES}
    [nowhere] = statuses(archive, STUDY_MOVE, study)
    assert nowhere.Status == 0xA801
    assert "no peer" in nowhere.ErrorComment
    [level] = statuses(archive, STUDY_FIND, {"QueryRetrieveLevel": "PATIENT", "PatientID": "X"})
    assert level.Status == 0xA900
    [key] = statuses(archive, STUDY_FIND, study | {"StudyDate": "yesterday"})
    assert key.Status >> 12 == 0xC


def test_a_patient_is_fetched_by_a_number_that_is_one_patients_alone(archive: Archive) -> None:
    patient = {"QueryRetrieveLevel": "PATIENT"}
    [nobody] = statuses(archive, PATIENT_GET, patient | {"PatientID": "NOBODY"})
    assert (nobody.Status, nobody.NumberOfCompletedSuboperations) == (0, 0)
    for wild in ("*", "AL*", "BO?"):
        [refused] = statuses(archive, PATIENT_GET, patient | {"PatientID": wild})
        assert refused.Status == 0xA900
        assert "wildcards" in refused.ErrorComment
    *_, found = statuses(archive, PATIENT_GET, patient | {"PatientID": "BOB"})
    assert found.NumberOfFailedSuboperations == 1  # no context takes it: it is found, and named


def test_who_may_not_find_has_no_context_for_it(archive: Archive) -> None:
    archive.peer("SCANNER", "echo", "store")
    study = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ALICES}
    assert statuses(archive, STUDY_FIND, study, "SCANNER") == []
    assert statuses(archive, STUDY_FIND, study, "STRANGER") == []


def test_a_peer_of_another_organisation_finds_and_moves_nothing(
    archive: Archive, tmp_path: Path
) -> None:
    parties.add_organisation(
        archive.keys.house, "elsewhere", issuer="", issuers={}, zone="", now=clock.now()
    )
    archive.peer("ABROAD", organisation="elsewhere")
    study = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ALICES}
    assert [one.Status for one in statuses(archive, STUDY_FIND, study, "ABROAD")] == [0]
    with storescp(tmp_path / "theirs") as (port, folder):
        archive.peer("TRIPTYCH2", port=port)
        with pytest.raises(AssertionError, match="MoveDestinationUnknown"):
            archive.ask(
                "movescu", "-S", "-aem", "TRIPTYCH2", "-k", "QueryRetrieveLevel=STUDY",
                "-k", f"StudyInstanceUID={ALICES}", ae="ABROAD",
            )  # fmt: skip
        assert list(folder.iterdir()) == []


def test_an_object_that_the_other_side_does_not_take_is_counted_and_named(
    archive: Archive, tmp_path: Path
) -> None:
    """getscu proposes uncompressed syntaxes; one of Alice's pictures is JPEG 2000."""
    said = dcmtk(
        "getscu", "-d", "-aet", "PACS", "-aec", "TRIPTYCH", "127.0.0.1", str(archive.server.dimse),
        "-S", "-od", tmp_path, "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={ALICES}",
    )  # fmt: skip
    assert re.search(r"Number of Failed Sub.?operations +: [1-9]", said)
    assert until(lambda: archive.events(action="execute"), "the association to be recorded")
