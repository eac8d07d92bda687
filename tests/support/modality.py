"""A modality that stores objects, and a PACS that gets them: pynetdicom, as stock as it comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pynetdicom import build_role, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

HOST = "127.0.0.1"
PATIENCE = 60
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PENDING = 0xFF00


@dataclass(slots=True)
class Modality:
    """One association."""

    association: Association

    def store(self, file: bytes) -> int:
        """C-STORE a Part 10 file; gives the status."""
        status = self.association.send_c_store(dcmread(BytesIO(file)))
        assert "Status" in status, "the association ended before the answer"
        return int(status.Status)


@contextmanager
def modality(port: int, *files: bytes, calling: str = "CT1") -> Iterator[Modality]:
    """An association that can carry these files."""
    entity = ApplicationEntity(calling)
    metas = [dcmread(BytesIO(file), stop_before_pixels=True).file_meta for file in files]
    for kind in {(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) for meta in metas}:
        entity.add_requested_context(*kind)
    entity.dimse_timeout = PATIENCE
    association = entity.associate(HOST, port, ae_title="TRIPTYCH")
    assert association.is_established, "the door took no association"
    try:
        yield Modality(association)
    finally:
        if association.is_established:
            association.release()


def send(port: int, *files: bytes, calling: str = "CT1") -> list[int]:
    """Store files in one association; gives the status of each."""
    with modality(port, *files, calling=calling) as peer:
        return [peer.store(file) for file in files]


def get(port: int, study: str, kind: tuple[str, str], **more: Any) -> list[Dataset]:
    """C-GET a study's objects of one SOP class in one transfer syntax; all of them have to come."""
    arrived: list[Dataset] = []

    def keep(event: Any) -> int:
        arrived.append(event.dataset)
        return 0

    entity = ApplicationEntity("PACS")
    entity.add_requested_context(STUDY_GET)
    entity.add_requested_context(*kind)
    association = entity.associate(
        HOST,
        port,
        ae_title="TRIPTYCH",
        ext_neg=[build_role(kind[0], scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, keep)],
        **more,
    )
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", study
    answers = [status.Status for status, _ in association.send_c_get(asked, STUDY_GET)]
    association.release()
    assert answers == [PENDING] * len(arrived) + [0]
    return arrived
