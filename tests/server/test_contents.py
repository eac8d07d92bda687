"""Documents of messages are blobs: durable before the rows that name them, and written once."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from hl7.message import parse
from hl7.report_facts import Attachment
from server.flows import contents, messages, recovery
from server.flows.feeds import Connecting
from server.flows.sites import HOME, House
from server.flows.worker import Worker
from server.store import messages as log
from server.store.fhir_tables import content, resource
from server.store.hl7_tables import message
from server.store.tables import instance
from tests.support.dicom_objects import identified, part10
from tests.support.hl7_builder import PID, obr, obx, packed
from tests.support.houses import opened

PDF = b"%PDF-1.4 a report"
NUMBERS = {"f2": "ORD-1", "f3": "FIL-1", "f4": "MR-HEAD^MRI head^L", "f25": "F"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def receive(house: House, data: bytes = PDF, filler: str = "FIL-1") -> None:
    kind = "^AP^PDF" if data.startswith(b"%PDF") else "App^NS^Octet-stream"
    encoded = base64.b64encode(data).decode()
    lines = (
        obr(**NUMBERS | {"f3": filler}),
        obx("ED", "PDF^Report^L", f"{kind}^Base64^{encoded}"),
    )
    raw = packed("ORU^R01^ORU_R01", PID, *lines, control=filler)
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    assert parse(messages.receive(house, caller, raw)).first("MSA").text(1) == "AA"


def apply(house: House) -> None:
    worker = Worker(house)
    while worker.step():
        pass


def files(house: House) -> list[Path]:
    return sorted(one for one in house.blobs.root.glob("*/hl7.documents/**/*") if one.is_file())


def test_no_resource_row_holds_a_document_and_equal_bytes_are_stored_once(house: House) -> None:
    receive(house)
    receive(house, filler="FIL-2")
    apply(house)
    with house.database.read() as connection:
        texts = list(connection.execute(select(resource.c.text)).scalars())
        rows = connection.execute(select(content)).all()
    assert all(base64.b64encode(PDF).decode() not in text for text in texts)
    assert len(rows) == len([t for t in texts if json.loads(t)["resourceType"] == "Binary"]) == 2
    (path,) = files(house)
    assert path.read_bytes() == PDF


def test_what_a_crash_left_between_blob_and_row_is_the_blob_of_the_message_applied_later(
    house: House,
) -> None:
    """Even if it is a DICOM object itself: nobody sent that as one."""
    data = part10(identified())
    receive(house, data)
    with house.database.read() as connection:
        row = connection.execute(select(message.c.id, message.c.received)).one()
    document = Attachment(data, "application/octet-stream")
    (left,) = contents.keep(house, HOME, row.id, row.received, [document]).values()
    assert recovery.mend(house) == 0
    apply(house)
    with house.database.read() as connection:
        assert connection.execute(select(content.c.blob)).scalars().all() == [left]
        assert connection.execute(select(instance)).all() == []
    assert len(files(house)) == 1


def test_a_full_disk_is_waited_out_and_parks_no_message(tmp_path: Path) -> None:
    with opened(tmp_path, MIN_FREE_BYTES="900T") as house:
        receive(house)
        worker = Worker(house)
        worker.step()
        with house.database.read() as connection:
            row = connection.execute(select(message)).one()
        assert (row.state, row.attempts) == (log.PENDING, 0)
    with opened(tmp_path) as house:
        receive(house, b"%PDF-1.4 another", "FIL-9")
        with house.database.write() as connection:
            connection.exec_driver_sql("UPDATE job SET run_at = 0")
        apply(house)
        assert len(files(house)) == 2
