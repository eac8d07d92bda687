"""What a crash left between a blob and its row is put right at the next start."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dicom import files
from dicom.errors import DicomError
from dicom.sink import StoreRequest
from server import clock
from server.errors import Fault
from server.flows import parties
from server.flows.arrivals import arrive
from server.flows.ingest import digest_of, register
from server.flows.sites import House
from server.store import index, install
from server.store.blobs import is_document

_SWEPT = "swept"
_BATCH = 500


def mend(house: House, whole: bool = False) -> int:
    """Drop unfinished blobs of dead writers and index published ones that have no row.

    A document without a row waits for its message, which is applied again and writes it anew.
    Looks at the days since the last start only, unless at the `whole` store: every earlier orphan
    was found then.
    """
    house.blobs.sweep()
    today = datetime.fromtimestamp(clock.now() / 1_000_000, UTC).date()
    with house.database.read() as connection:
        swept = "" if whole else install.value(connection, _SWEPT) or ""
        organisations = list(install.organisations(connection))
    mended = 0
    for organisation in organisations:
        objects = (key for key in house.blobs.list(organisation, swept) if not is_document(key))
        for batch in _batches(objects):
            mended += sum(adopt(house, organisation, key) for key in _orphans(house, batch))
    with house.database.write() as connection:
        install.keep(connection, _SWEPT, (today - timedelta(days=1)).strftime("%Y/%m/%d"))
    return mended


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _orphans(house: House, keys: list[str]) -> list[str]:
    organisation = int(keys[0].split("/")[0])
    with house.database.read() as connection:
        known = index.known_blobs(connection, organisation, keys)
    return [key for key in keys if key not in known]


def adopt(house: House, organisation: int, key: str) -> bool:
    """Index one orphan; false when it cannot be read and only lies there, for a person to judge."""
    peer = parties.source_of(house, organisation, key.split("/")[1])
    try:
        with house.blobs.map(key) as view, memoryview(view) as data:
            header = files.read(data)
            digest = digest_of(data, header)
            arrival = arrive(StoreRequest("recovery", peer), header, key, len(data), digest)
        register(house, arrival)
    except (DicomError, Fault):
        return False
    return True
