"""The bytes of Binaries: kept as blobs before the rows that name them, read as streams.

A document of a message has a blob of its own. One that a DICOM object encloses is read out of the
object's blob, so that it is stored once.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from dicom import files
from hl7.report_facts import Attachment
from server.flows.sites import House
from server.store import contents
from server.store.blobs import CHUNK, document_key


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a document: how many there are, and how to get them."""

    length: int
    chunks: Callable[[], Iterator[bytes]]


def digest(data: bytes) -> str:
    """The SHA-256 by which equal documents are found."""
    return hashlib.sha256(data).hexdigest()


def keep(
    house: House, organisation: int, message: int, received: int, documents: Iterable[Attachment]
) -> dict[str, str]:
    """Make the documents of a message durable; gives the blob of each by its SHA-256.

    A message that is applied again writes the same blobs, and what is known already none.
    """
    blobs: dict[str, str] = {}
    for document in documents:
        sha256 = digest(document.data)
        if sha256 in blobs:
            continue
        with house.database.read() as connection:
            known = contents.blob_of(connection, organisation, sha256)
        blobs[sha256] = known or _publish(
            house, document_key(organisation, received, f"{message:014x}{sha256[:32]}"), document
        )
    return blobs


def _publish(house: House, key: str, document: Attachment) -> str:
    writer = house.blobs.create(key)
    try:
        writer.write(document.data)
        writer.publish()
    except BaseException:
        writer.abort()
        raise
    return key


def place(blob: str, data: bytes, sha256: str, now: int) -> dict[str, Any]:
    """The row of a document that has a blob of its own."""
    return {"blob": blob, "length": len(data), "sha256": sha256, "created": now}


def enclosed(row: Any, start: int, length: int, now: int) -> dict[str, Any]:
    """The row of a document that lies in the blob of a DICOM instance."""
    inflated = row.dataset_offset if row.deflated else 0
    place = {"blob": row.blob, "start": start, "length": length}
    return place | {"inflated": inflated, "created": now}


def find(house: House, connection: Connection, organisation: int, id_: str) -> Content | None:
    """The bytes of a Binary, None if it has none."""
    row = contents.of(connection, organisation, id_)
    if row is None:
        return None
    if row.inflated:
        return Content(row.length, lambda: _inflated(house, row))
    return Content(row.length, lambda: house.blobs.stream(row.blob, row.start, row.length))


def _inflated(house: House, row: Any) -> Iterator[bytes]:
    """A range of what inflates from a deflated object."""
    with house.blobs.map(row.blob) as view:
        data = files.inflated(view, row.inflated, files.Limits())
    for at in range(row.start, row.start + row.length, CHUNK):
        yield bytes(data[at : min(at + CHUNK, row.start + row.length)])
