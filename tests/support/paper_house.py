"""A house that takes documents as DICOM and messages about them, in process."""

import itertools
import json
from typing import Any

from pydicom.dataset import Dataset
from sqlalchemy import select, update

from dicom.sink import Peer, StoreRequest
from server import clock
from server.errors import Fault
from server.flows import grants, ingest, resources
from server.flows.access import Grant
from server.flows.sites import HOME, House
from server.store import jobs
from server.store.fhir_tables import resource_version
from server.store.tables import instance, study
from tests.support import examination
from tests.support.dicom_objects import EXPLICIT, part10
from tests.support.dicom_papers import (
    narrative,
    report,
    request,
)
from tests.support.examination import drain
from tests.support.hl7_builder import obr, obx, packed
from tests.support.houses import SYSTEM

UID = "1.2.3"
PID = f"PID|1||P1^^^&{SYSTEM}&URI^MR||Doe^Ann||19700101|F"
NUMBERS = {"f2": "ORD-1", "f3": "FIL-1", "f4": "HEAD^Head^L", "f18": "ACC-1"}
ASKED = request(UID, placer="ORD-1", filler="FIL-1", accession="ACC-1", code="HEAD")
DOCUMENT = b"%PDF-1.4 a letter "


def person(**more: Any) -> dict[str, Any]:
    return {"PatientName": "Doe^Ann", "PatientBirthDate": "19700101", "PatientSex": "F"} | more


def told(uid: str = "1.2.3.9", finding: str = "A lesion.", **more: Any) -> Dataset:
    more = {"requests": [ASKED]} | more
    return report(uid, narrative(finding, "Benign."), **(person() | more))


def oru(status: str = "F", minute: int = 1, *lines: str) -> bytes:
    lines = lines or (obx("TX", "&IMP", "Nothing acute."),)
    group = obr(**NUMBERS, f22=f"2026090512{minute:02}00", f25=status)
    sent = f"2026090512{minute:02}30"
    return packed("ORU^R01^ORU_R01", PID, group, *lines, control=f"R{minute}", sent=sent)


ADT = packed("ADT^A04^ADT_A01", PID, control="A1")
ORDER = packed("ORM^O01^ORM_O01", PID, "ORC|NW|ORD-1|FIL-1", obr(**NUMBERS), control="O1")


def store(house: House, *objects: Dataset, syntax: str = EXPLICIT) -> None:
    for one in objects:
        accept(house, one, syntax)
    drain(house)


def accept(house: House, one: Dataset, syntax: str = EXPLICIT) -> None:
    """Take an object as a door does; what it says is read later."""
    peer = Peer("CT1", HOME, frozenset({"store"}))
    sink = ingest.open_sink(house, StoreRequest("stow", peer))
    sink.write(memoryview(part10(one, syntax)))
    sink.commit()


def graph(house: House) -> dict[str, list[Any]]:
    """All resources but for versions, times, and who told of them last."""
    found = examination.graph(house)
    for body in itertools.chain.from_iterable(found.values()):
        body["meta"].pop("source", None)
    return found


def versions(house: House) -> int:
    with house.database.read() as connection:
        return len(connection.execute(select(resource_version)).all())


def granted(house: House, scope: str = "system/*.rs", patient: str = "") -> Grant:
    now = clock.now()
    issued = grants.for_script(house, scope, patient=patient, now=now)
    return grants.authenticate(house, issued.token, address="127.0.0.1", now=now)


def read(house: House, grant: Grant, type_: str, id_: str) -> Any:
    """The body and the document as a caller gets them, or the HTTP status of the refusal."""
    try:
        version, reading = resources.read(house, grant, type_, id_)
    except Fault as fault:
        return fault.answer.http
    reading.end()
    if version.content is not None:
        return b"".join(version.content.chunks())
    return json.loads(version.text)


def hide(house: House, uid: str) -> None:
    """Take an instance out of sight, as a rejection does, and settle its study again."""
    with house.database.write() as connection:
        where = instance.c.uid == uid
        connection.execute(update(instance).where(where).values(copy=9))
        connection.execute(update(study).values(changed=clock.now()))
        now = clock.now()
        jobs.add(connection, HOME, "settle", f"{UID}|0", now=now, run_at=now)
    drain(house)
