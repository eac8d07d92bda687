"""What left is what the audit says: bytes at the door and bytes in closed events, in every way to leave."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from sqlalchemy import func, select

from server import clock
from server.app import ROUTES, create_app
from server.flows import audit as auditing
from server.flows import grants
from server.flows.sites import House
from server.store.db import Database
from server.store.tables import audit, study
from server.web.routes import Call, Route, Scoped
from tests.support.houses import add_patient, opened
from tests.support.scenes import ALICE, ALICES, SYSTEM, address, alices, bobs
from tests.support.server import Server, running
from tests.support.waiting import until
from tests.support.web import Web, web

FHIR = "/fhir/ImagingStudy"


def rows(server: Server, query: Any) -> list[Any]:
    """What a query finds in the server's database."""
    database = Database(f"sqlite:///{server.data / 'triptych.db'}")
    try:
        with database.read() as connection:
            return list(connection.execute(query))
    finally:
        database.close()


def told(server: Server, door: str, action: str) -> int:
    """Bytes of one kind of event at one door."""
    where = (audit.c.door == door) & (audit.c.action == action)
    return int(rows(server, select(func.sum(audit.c.bytes)).where(where))[0][0] or 0)


def events(server: Server, action: str) -> list[Any]:
    """The events of one kind at the FHIR door, oldest first."""
    query = select(audit).where(audit.c.door == "fhir", audit.c.action == action)
    return rows(server, query.order_by(audit.c.at, audit.c.seq))


def settled(server: Server) -> int:
    """How many studies have settled."""
    return len(rows(server, select(study.c.uid).where(study.c.revision > 0)))


def test_bytes_that_left_by_each_door_are_those_in_closed_events(tmp_path: Path) -> None:
    with running(tmp_path, ISSUER=SYSTEM) as server:
        staff = web(server)
        staff.store(*alices(), *bobs())
        alice = web(server, "patient/*.rs", ALICE)
        fhir = Web(server.base, server.token("system/*.rs"))
        dicomweb, record = 0, 0
        for path in (
            "",
            "/metadata",
            "/series/{s}/instances/{i}/frames/1",
            "/thumbnail",
            "/series",
        ):
            place = address(ALICES) + path.format(s=f"{ALICES}.1", i=f"{ALICES}.1.1")
            dicomweb += len(alice.get(place).content)
        dicomweb += len(alice.get("/studies").content)
        packed = staff.get("/instances")
        assert packed.headers["Content-Encoding"] == "gzip"
        dicomweb += int(packed.headers["Content-Length"])
        etag = alice.get(address(ALICES, 1, 1))
        dicomweb += len(etag.content)
        assert alice.get(address(ALICES, 1, 1), If_None_Match=etag.headers["ETag"]).content == b""
        assert alice.head(address(ALICES)).content == b""
        assert alice.get(address(f"{ALICES}.404")).status_code == 404
        for path in (
            FHIR,
            f"{FHIR}?_summary=count",
            "/fhir/Patient?_pretty=true",
            "/fhir/Endpoint",
        ):
            record += len(fhir.get(path).content)
        assert fhir.head(FHIR).content == b""
        assert fhir.get(f"{FHIR}?started=never").status_code == 400
        server.stop()
        verified = server.run("verify")
        assert verified["faults"] == []
        for door, seen in (("dicomweb", dicomweb), ("fhir", record)):
            assert told(server, door, "egress") == told(server, door, "close") == seen > 0


def test_a_caller_who_hangs_up_is_reconciled_too(tmp_path: Path) -> None:
    with running(tmp_path, ISSUER=SYSTEM) as server:
        staff = web(server)
        staff.store(*alices())
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", server.http)) as connection:
                head = f"GET /dicomweb{address(ALICES)} HTTP/1.1\r\nHost: t\r\n"
                connection.sendall(f"{head}Authorization: Bearer {staff.token}\r\n\r\n".encode())
                assert connection.recv(12) == b"HTTP/1.1 200"
        server.stop()
        assert server.run("verify")["faults"] == []
        assert told(server, "dicomweb", "egress") == told(server, "dicomweb", "close") > 0


# A route that sends something without saying so.


def leak(_call: Call) -> Response:
    return Response("what nobody recorded")


LEAK = Route("/fhir/leak", ("GET",), "fhir", Scoped("Patient", "r"), leak, "A mistake")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def reconciled(house: House) -> list[str]:
    with house.database.read() as connection:
        return auditing.reconcile(connection)


def test_a_route_that_sends_what_it_does_not_record_is_found(house: House) -> None:
    patient = add_patient(house, "1")
    token = grants.for_script(house, "patient/*.rs", patient=patient, now=clock.now()).token
    browser = create_app(house, (*ROUTES, LEAK)).test_client()
    signed = {"Authorization": f"Bearer {token}"}
    assert browser.get("/fhir/Patient", headers=signed, buffered=True).status_code == 200
    house.auditor.close()
    assert reconciled(house) == []
    assert browser.get("/fhir/leak", headers=signed, buffered=True).status_code == 200
    house.auditor.close()
    [finding] = reconciled(house)
    assert "left by fhir" in finding


def test_an_event_that_tells_of_more_than_left_is_found(house: House) -> None:
    seen = auditing.Event(organisation=1, door="fhir", action="read", grant="g")
    reading = house.auditor.reading(seen)
    reading.sent(100)
    reading.end()
    house.auditor.left(1, "fhir", 99)
    house.auditor.close()
    assert reconciled(house) == [
        f"{house.auditor.writer}: 100 bytes in closed events, 99 bytes left by fhir"
    ]


def test_while_an_event_is_open_nothing_is_amiss(house: House) -> None:
    """A window lasts up to 15 minutes: until it is closed the door has seen more than was told."""
    reading = house.auditor.reading(auditing.Event(1, "fhir", "read", grant="g"))
    reading.sent(10)
    house.auditor.left(1, "fhir", 10)
    other = house.auditor.single(auditing.Event(1, "fhir", "search", grant="g"))
    other.sent(5)
    house.auditor.left(1, "fhir", 5)
    other.end()
    house.auditor.tend()
    assert reconciled(house) == []
    reading.end()
    house.auditor.close()
    assert reconciled(house) == []


# The windows of the FHIR door.


def test_reads_of_one_patient_are_one_event_and_searches_are_events_each(tmp_path: Path) -> None:
    with running(tmp_path, ISSUER=SYSTEM, HTTP_WORKERS="1") as server:
        staff = web(server)
        staff.store(*alices(), *bobs())
        fhir = Web(server.base, server.token("system/*.rs"))
        until(lambda: settled(server) == 2, "two studies to settle")
        studies = fhir.get(f"{FHIR}?_sort=_id").json()["entry"]
        for entry in studies:
            body = entry["resource"]
            path = f"{FHIR}/{body['id']}"
            for address_ in (path, f"{path}/_history", f"{path}/_history/1", path):
                assert fhir.get(address_).status_code == 200
            assert fhir.get(f"/fhir/{body['subject']['reference']}").status_code == 200
        words = f"patient={studies[0]['resource']['subject']['reference']}&patient.name=Liddell"
        fhir.get(f"{FHIR}?{words}&status=available")
        server.stop()
        reads = events(server, "read")
        assert len({(row.person, row.study) for row in reads}) == len(reads) == 4
        assert {row.study for row in reads if row.study} == {ALICES, f"{ALICES[:-2]}.2"}
        searches = [row.detail for row in events(server, "search")]
        assert searches == [
            "ImagingStudy?_sort=_id",
            "ImagingStudy?patient&patient.name&status=available",
        ]
        closed = {row.opened: row for row in events(server, "close")}
        assert all(closed[row.seq].count >= (4 if row.study else 1) for row in reads)
