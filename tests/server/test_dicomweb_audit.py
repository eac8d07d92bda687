"""What DICOMweb leaves in the audit: before the first byte, and how much left."""

import socket
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
from pydicom import dcmread
from sqlalchemy import select

from server.store.db import Database
from server.store.tables import audit
from tests.support.scenes import (
    ALICE,
    ALICES,
    BOBS,
    SYSTEM,
    address,
    alices,
    bobs,
    changed,
    written,
)
from tests.support.server import Server, running
from tests.support.web import Web, web

BIG = f"{ALICES}.70"
SIZE = 48 << 20


def rows(server: Server, action: str) -> list[Any]:
    """The audit rows of DICOMweb of one kind, oldest first."""
    database = Database(f"sqlite:///{server.data / 'triptych.db'}")
    try:
        with database.read() as connection:
            query = select(audit).where(audit.c.door == "dicomweb", audit.c.action == action)
            return list(connection.execute(query.order_by(audit.c.at, audit.c.seq)))
    finally:
        database.close()


def closes(server: Server, opened: Any) -> Any:
    """The row that closes an event."""
    return next(row for row in rows(server, "close") if row.opened == opened.seq)


def big() -> bytes:
    """An object of 48 MB."""
    data_set = dcmread(BytesIO(changed("CT_small.dcm", StudyInstanceUID=BIG)))
    data_set.Rows = data_set.Columns = 512
    data_set.NumberOfFrames = SIZE // (512 * 512 * 2)
    data_set.PixelData = bytes(SIZE)
    data_set.SeriesInstanceUID, data_set.SOPInstanceUID = f"{BIG}.1", f"{BIG}.1.1"
    return written(data_set)


def test_reads_are_one_event_for_each_study_with_what_was_sent(tmp_path: Path) -> None:
    with running(tmp_path, ISSUER=SYSTEM, HTTP_WORKERS="1") as server:
        staff = web(server)
        staff.store(*alices(), *bobs())
        alice = web(server, "patient/ImagingStudy.rs", ALICE)
        paths = [address(ALICES), address(ALICES, 1, 1), address(ALICES) + "/metadata"]
        paths += [address(ALICES, 1, 1) + more for more in ("/frames/1", "/rendered", "/thumbnail")]
        answers = [alice.get(path) for path in paths]
        assert {answer.status_code for answer in answers} == {200}
        alice.get(paths[1], If_None_Match=answers[1].headers["ETag"])
        alice.head(paths[0])
        staff.get(address(BOBS))
        server.stop()
        mine, theirs = rows(server, "read")
        assert (mine.study, theirs.study) == (ALICES, BOBS)
        assert mine.grant != theirs.grant
        assert "" not in (mine.person, mine.client, mine.purpose)
        close = closes(server, mine)
        assert close.bytes == sum(len(answer.content) for answer in answers)
        assert close.count == 4 + 1 + 4 + 1 + 1


def test_searches_and_refusals_are_events_of_their_own(tmp_path: Path) -> None:
    with running(tmp_path, ISSUER=SYSTEM, HTTP_WORKERS="1") as server:
        staff = web(server)
        staff.store(*alices(), *bobs())
        alice = web(server, "patient/ImagingStudy.rs", ALICE)
        answer = alice.get("/studies?PatientName=liddell*&StudyDate=20240229")
        alice.get(address(BOBS))
        alice.store(*bobs())
        server.stop()
        [search] = rows(server, "search")
        assert search.detail == "study: PatientName, StudyDate"
        assert search.person
        assert closes(server, search).bytes == len(answer.content)
        assert [row.outcome for row in rows(server, "refuse")] == ["4", "4"]
        stored = rows(server, "create")
        assert sum(row.count for row in stored) == 5
        assert {row.study for row in stored} == {ALICES, BOBS}
        assert not [row for row in rows(server, "refuse") if "CRATCHIT" in row.detail.upper()]


def test_the_event_stands_before_the_first_byte_and_counts_what_a_caller_who_hangs_up_got(
    tmp_path: Path,
) -> None:
    with running(tmp_path, ISSUER=SYSTEM, HTTP_WORKERS="1") as server:
        staff = web(server)
        assert staff.store(big()).status_code == 200
        worker = psutil.Process(server.children()["web"]).children()[-1]
        before = _anonymous(worker)
        with socket.create_connection(("127.0.0.1", server.http)) as connection:
            connection.sendall(_request(staff, address(BIG)))
            assert connection.recv(12) == b"HTTP/1.1 200"
            [opened] = rows(server, "read")
            assert opened.study == BIG
            got = 12
            while got < 2 << 20:
                got += len(connection.recv(1 << 16))
            assert _anonymous(worker) - before < 32 << 20
        whole = staff.get(address(BIG, 1, 1), "application/dicom")
        assert len(whole.content) > SIZE
        server.stop()
        close = closes(server, opened)
        assert close.count == 1
        assert len(whole.content) + (1 << 20) < close.bytes < 2 * len(whole.content)


def _request(client: Web, path: str) -> bytes:
    head = f"GET /dicomweb{path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {client.token}"
    return f"{head}\r\n\r\n".encode()


def _anonymous(process: psutil.Process) -> int:
    """Memory of a process that no file backs, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) << 10


def test_readers_who_dawdle_keep_nobody_else_waiting(tmp_path: Path) -> None:
    with running(tmp_path, ISSUER=SYSTEM, HTTP_WORKERS="1") as server:
        staff = web(server)
        assert staff.store(big()).status_code == 200
        slow = [socket.create_connection(("127.0.0.1", server.http)) for _ in range(4)]
        try:
            for connection in slow:
                connection.sendall(_request(staff, address(BIG)))
                assert connection.recv(12) == b"HTTP/1.1 200"
            assert len(staff.get(address(BIG)).content) > SIZE
        finally:
            for connection in slow:
                connection.close()
