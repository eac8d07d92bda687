"""Our own senders: C-ECHO and C-STORE to a peer (PS3.7 9.1)."""

import io
from collections.abc import Iterable

from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.presentation import build_context

from dicom.errors import DicomError


class NotSent(DicomError):
    """The peer could not be reached, or refused an object."""


def send(host: str, port: int, files: Iterable[bytes], *, calling: str, called: str) -> int:
    """Send Part 10 files in one association, each in its own transfer syntax; returns how many.

    Raises NotSent at the first failure; a warning status counts as sent.
    """
    datasets = [dcmread(io.BytesIO(file)) for file in files]
    entity = AE(ae_title=calling)
    kinds = {(d.SOPClassUID, d.file_meta.TransferSyntaxUID) for d in datasets}
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in sorted(kinds)]
    association = entity.associate(host, port, contexts=contexts, ae_title=called)
    if not association.is_established:
        raise NotSent(f"{called} at {host}:{port} took no association")
    try:
        for dataset in datasets:
            status = association.send_c_store(dataset)
            if "Status" not in status or status.Status >> 12 not in (0x0, 0xB):
                raise NotSent(f"{called} refused an object: {status.get('Status', 'no answer')}")
    finally:
        association.release()
    return len(datasets)
