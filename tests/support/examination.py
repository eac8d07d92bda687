"""One examination told by four senders, in process: the messages, the images, and what came of it."""

import itertools
import json
from pathlib import Path
from typing import Any

from pydicom.data import get_testdata_file
from sqlalchemy import select, update

from dicom.sink import Peer, StoreRequest
from hl7.message import parse
from server import clock
from server.flows import grants, ingest, messages
from server.flows.feeds import Connecting
from server.flows.sites import HOME, House
from server.flows.worker import Worker
from server.store.fhir_tables import resource
from server.store.tables import job, review
from tests.support.hl7_builder import obr, obx, packed

UID = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"
PID = "PID|1||4MR1^^^HOSP^MR||CompressedSamples^MR1||19700101|O"
NUMBERS = {"f2": "ORD-1", "f3": "FIL-1", "f4": "MR-HEAD^MRI head^L", "f18": "ACC-1", "f19": "RP-1"}
ZDS = f"ZDS|{UID}^^Application^DICOM"

ADT = packed("ADT^A04^ADT_A01", PID, "PV1|1|O|RAD", control="A1")
ORDER = packed("ORM^O01^ORM_O01", PID, "ORC|NW|ORD-1|FIL-1", obr(**NUMBERS), ZDS, control="O1")
TEXT = obx("TX", "&IMP", "No acute finding.")
SAME = obx("ST", "110180^Study Instance UID^DCM", UID)


def report(*segments: str, status: str = "F", pid: str = PID, control: str = "R1") -> bytes:
    obr_ = obr(**NUMBERS, f22="20260905123000", f25=status)
    return packed("ORU^R01^ORU_R01", pid, obr_, *segments, control=control, sent="20260905123000")


ORU = report(TEXT, SAME)


def send(house: House, raw: bytes) -> None:
    caller = messages.greet(house, Connecting("127.0.0.1"))
    assert caller is not None
    answer = messages.receive(house, caller, raw)
    assert parse(answer).first("MSA").text(1) == "AA"
    drain(house)


def store(house: House, file: bytes | None = None) -> None:
    """Store pydicom's MR_small.dcm, or another object."""
    path = get_testdata_file("MR_small.dcm")
    assert path is not None
    data = file or Path(path).read_bytes()
    request = StoreRequest("stow", Peer("CT1", HOME, frozenset({"store"})))
    sink = ingest.open_sink(house, request)
    sink.write(memoryview(data))
    sink.commit()
    drain(house)


def token_for(house: House, patient: str) -> str:
    """A token for scripts that reaches one patient."""
    issued = grants.for_script(
        house,
        "patient/*.rs",
        organisation="home",
        patient=patient,
        seconds=600,
        reason="",
        now=clock.now(),
    )
    return str(issued.token)


def drain(house: House) -> None:
    """Do all work, also what is asked for later."""
    worker = Worker(house)
    for _ in range(50):
        while worker.step():
            pass
        with house.database.write() as connection:
            waits = connection.execute(select(job.c.id).where(job.c.state == "pending")).first()
            connection.execute(update(job).values(run_at=0))
        if waits is None:
            return
    raise AssertionError("work never ends")


def bodies(house: House) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with house.database.read() as connection:
        query = select(resource).where(resource.c.deleted.is_(False)).order_by(resource.c.id)
        for row in connection.execute(query):
            found.setdefault(row.type, []).append(json.loads(row.text))
    return found


def graph(house: House) -> dict[str, list[Any]]:
    """All resources but for versions, times, and which message came last."""
    found = bodies(house)
    found.pop("Provenance", None)  # of each version that was written on the way
    for body in itertools.chain.from_iterable(found.values()):
        for name in ("versionId", "lastUpdated"):
            body["meta"].pop(name, None)
    return found


def reviews(house: House, state: str = "open") -> list[Any]:
    with house.database.read() as connection:
        rows = connection.execute(select(review).where(review.c.state == state))
        return [json.loads(row.evidence) for row in rows]
