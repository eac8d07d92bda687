"""What a patient's own token sees of a report while it is made, changed and taken back."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fhir.search import parse as parse_search
from hl7.message import parse
from server import clock
from server.errors import Fault
from server.flows import grants, messages, resources, searching
from server.flows.access import Grant
from server.flows.feeds import Connecting
from server.flows.sites import House
from server.flows.worker import Worker
from server.store.fhir_tables import resource
from tests.support.hl7_builder import PID, obr, obx, packed
from tests.support.houses import opened
from tests.support.outside import complaints

PDF = base64.b64encode(b"%PDF-1.4 a report").decode()
NUMBERS = {"f2": "ORD-1", "f3": "FIL-1", "f4": "MR-HEAD^MRI head^L"}
LINES = (
    obx("TX", "&IMP", "A small lesion."),
    obx("NM", "8302-2^Size^LN", "12", units="mm"),
    obx("ED", "PDF^Report^L", f"^AP^PDF^Base64^{PDF}"),
)


def oru(status: str, minute: int, *lines: str) -> bytes:
    group = obr(**NUMBERS, f22=f"2026090512{minute:02}00", f25=status)
    sent = f"2026090512{minute:02}30"
    return packed("ORU^R01^ORU_R01", PID, group, *lines, control=f"R{minute}", sent=sent)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def send(house: House, raw: bytes) -> None:
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    assert parse(messages.receive(house, caller, raw)).first("MSA").text(1) == "AA"
    worker = Worker(house)
    while worker.step():
        pass


def one(house: House, type_: str) -> Any:
    with house.database.read() as connection:
        return connection.execute(select(resource).where(resource.c.type == type_)).one()


def of_patient(house: House) -> Grant:
    return granted(house, "patient/*.rs", one(house, "Patient").id)


def of_staff(house: House) -> Grant:
    return granted(house, "system/*.rs")


def granted(house: House, scope: str, patient: str = "") -> Grant:
    now = clock.now()
    issued = grants.for_script(house, scope, patient=patient, now=now)
    return grants.authenticate(house, issued.token, address="127.0.0.1", now=now)


def read(house: House, grant: Grant, type_: str) -> Any:
    """The body as a caller gets it, or the HTTP status of the refusal."""
    try:
        version, reading = resources.read(house, grant, type_, one(house, type_).id)
    except Fault as fault:
        return fault.answer.http
    reading.end()
    return json.loads(version.text)


def found(house: House, grant: Grant, type_: str) -> int:
    query = parse_search(type_, [], strict=True, base="https://t.example/fhir")
    page, reading = searching.search(house, grant, query, count=10)
    reading.end()
    return len(page.matches)


def versions(house: House, grant: Grant, type_: str) -> list[int]:
    page, reading = resources.history(
        house, grant, type_, one(house, type_).id, since=0, before=1 << 31, count=100
    )
    reading.end()
    return [version.version for version in page.versions]


@pytest.mark.parametrize("type_", ["DiagnosticReport", "Observation", "Binary"])
def test_a_preliminary_report_is_for_staff_and_a_final_one_for_the_patient_too(
    house: House, type_: str
) -> None:
    send(house, oru("P", 1, *LINES))
    assert read(house, of_patient(house), type_) == 404
    assert read(house, of_staff(house), type_)["resourceType"] == type_
    if type_ != "Binary":
        assert found(house, of_patient(house), type_) == 0
        assert found(house, of_staff(house), type_) == 1
    send(house, oru("F", 2, *LINES))
    assert read(house, of_patient(house), type_)["resourceType"] == type_


def test_the_preliminary_versions_of_a_final_report_stay_with_staff(house: House) -> None:
    send(house, oru("P", 1, *LINES))
    send(house, oru("F", 2, *LINES))
    everything = versions(house, of_staff(house), "DiagnosticReport")
    assert len(everything) > 1
    assert 1 in everything
    assert 1 not in versions(house, of_patient(house), "DiagnosticReport")


def test_of_a_withdrawn_report_the_patient_sees_a_tombstone_and_staff_the_content(
    house: House,
) -> None:
    send(house, oru("F", 1, *LINES))
    wrong = obx("TX", "&IMP", "A small lesion.", status="W")
    send(house, oru("F", 2, wrong))
    patient, staff = of_patient(house), of_staff(house)
    tombstone = read(house, patient, "DiagnosticReport")
    assert tombstone["status"] == "entered-in-error"
    assert set(tombstone) == {"resourceType", "id", "meta", "status", "subject", "code"}
    assert complaints(tombstone) == []
    assert "lesion" in json.dumps(read(house, staff, "DiagnosticReport"))
    assert len(versions(house, patient, "DiagnosticReport")) == 1
    assert read(house, patient, "Binary") == 410
    assert read(house, staff, "Binary")["resourceType"] == "Binary"
    result = read(house, patient, "Observation")
    assert "12" not in json.dumps(result.get("valueQuantity", ""))
    assert len(versions(house, patient, "Observation")) == 1
