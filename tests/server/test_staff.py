"""People and organisations that messages name: one resource for each number, none for a name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fhir.scopes import parse as scope
from server.errors import Denied
from server.flows import message_log, messages, resources
from server.flows.access import Grant
from server.flows.feeds import Connecting
from server.flows.sites import HOME, House
from server.flows.worker import Worker
from server.store.fhir_tables import resource
from tests.support.hl7_builder import PID, obr, obx, packed
from tests.support.houses import opened

NPI = "http://hl7.org/fhir/sid/us-npi"
ROENTGEN = "1234567893^Roentgen^Wilhelm^^^^^^NPI^L^^^NPI"
BOB = "PID|1||200^^^HOSP^MR||Other^Bob||19800101|M"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def report(number: str = "F1", pid: str = PID, doctor: str = "", **msh: str) -> bytes:
    """A report by a doctor, ordered by another one of a clinic."""
    orc = f"ORC|RE||{number}|||||||||77^House^Greg^^^^^^HOSP"
    answered = obr(f1="1", f3=number, f4="CT^CT^L", f25="F", f32=doctor)
    measured = obx("NM", "11111-1^Size^LN", "4", units="mm") + "|" * 12 + "Clinic^^^^^HOSP^XX^^^C9"
    return packed(
        "ORU^R01", pid, orc, answered, obx("TX", "&IMP", "Well"), measured, control=number, **msh
    )


def send(house: House, *raws: bytes) -> None:
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    for raw in raws:
        assert b"MSA|AA" in messages.receive(house, caller, raw)
    worker = Worker(house)
    while worker.step():
        pass


def bodies(house: House, type_: str) -> list[dict[str, Any]]:
    with house.database.read() as connection:
        query = select(resource.c.text).where(resource.c.type == type_).order_by(resource.c.rid)
        return [json.loads(text) for text in connection.execute(query).scalars()]


def reader(house: House, patient: str) -> Grant:
    return Grant("g", HOME, "app", "patient", (scope("patient/*.rs"),), frozenset({patient}))


def test_who_has_a_number_is_a_resource_that_reports_and_orders_refer_to(house: House) -> None:
    send(house, report())
    people = {one["identifier"][0]["value"]: one for one in bodies(house, "Practitioner")}
    assert set(people) == {"77"}
    (order,) = bodies(house, "ServiceRequest")
    assert order["requester"]["reference"] == f"Practitioner/{people['77']['id']}"
    assert order["requester"]["display"] == "Greg House"
    (clinic,) = bodies(house, "Organization")
    assert (clinic["identifier"][0]["value"], clinic["name"]) == ("C9", "Clinic")
    (size,) = bodies(house, "Observation")
    assert size["performer"][-1]["reference"] == f"Organization/{clinic['id']}"


def test_one_number_is_one_person_whoever_names_it(house: House) -> None:
    send(house, report("F1", doctor=ROENTGEN), report("F2", BOB, doctor=ROENTGEN))
    found = [one for one in bodies(house, "Practitioner") if one["identifier"][0]["system"] == NPI]
    (doctor,) = found
    assert doctor["name"][0]["family"] == "Roentgen"
    readers = [one["resultsInterpreter"][0] for one in bodies(house, "DiagnosticReport")]
    assert [one["reference"] for one in readers] == [f"Practitioner/{doctor['id']}"] * 2


def test_who_has_a_name_only_stays_a_name(house: House) -> None:
    send(house, report(doctor="&Nobody&Known"))
    (body,) = bodies(house, "DiagnosticReport")
    assert body["resultsInterpreter"] == [{"type": "Practitioner", "display": "Known Nobody"}]
    assert len(bodies(house, "Practitioner")) == 1


def test_the_newest_name_counts_in_whatever_order_it_comes(house: House) -> None:
    older = report("F1", doctor=ROENTGEN, sent="20260905120000+0100")
    newer = report("F2", doctor=ROENTGEN.replace("Wilhelm", "Konrad"), sent="20260906120000+0100")
    send(house, newer, older)
    (doctor,) = [
        one for one in bodies(house, "Practitioner") if one["name"][0]["given"][0] != "Greg"
    ]
    assert doctor["name"][0]["given"] == ["Konrad"]
    before = bodies(house, "Practitioner")
    message_log.replay(house, "home", [], since=1)
    send(house)
    assert bodies(house, "Practitioner") == before


def test_a_patient_reads_those_of_the_own_record_and_nobody_else(house: House) -> None:
    send(house, report("F1", doctor=ROENTGEN), report("F2", BOB))
    ann, bob = (one["id"] for one in bodies(house, "Patient"))
    doctor = next(
        x["id"] for x in bodies(house, "Practitioner") if x["name"][0]["given"] != ["Greg"]
    )
    version, reading = resources.read(house, reader(house, ann), "Practitioner", doctor)
    reading.end()
    assert json.loads(version.text)["name"][0]["family"] == "Roentgen"
    with pytest.raises(Denied):
        resources.read(house, reader(house, bob), "Practitioner", doctor)
