"""A modality that stores objects and tells what it was answered: pynetdicom, as stock as it comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from pydicom.filereader import dcmread
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

HOST = "127.0.0.1"
PATIENCE = 60


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
