"""A server with people who log in: Alice, who has pictures, a visit and a report, and
Drew, of the staff. Bob has pictures and no account.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select

from server import clock
from server.flows import launches
from server.store.tables import study
from tests.support import logs
from tests.support.hl7_builder import obr, obx, packed
from tests.support.keyring import Keyring, keyring
from tests.support.mllp import send
from tests.support.scenes import ALICES, BOBS, SYSTEM, alices, bobs
from tests.support.server import Server, running
from tests.support.smart_app import PASSWORD, App
from tests.support.waiting import until
from tests.support.web import Web

PID = "PID|1||ALICE||Liddell^Alice||19520504|O"
VISIT = "PV1|1|O|RAD" + "|" * 16 + "V1"
REPORT_TEXT = "No rabbit is seen."
# What an app asks that shows pictures and reports.
READS = "patient/Patient.rs patient/ImagingStudy.rs patient/DiagnosticReport.rs"


@dataclass(slots=True)
class Practice:
    """The server, the ids of its patients by name, and the study that is Alice's."""

    server: Server
    keys: Keyring
    patients: dict[str, str] = field(default_factory=dict)
    study: str = ALICES

    @property
    def fhir(self) -> str:
        """The FHIR base: what an app calls iss and aud."""
        return f"{self.server.base}/fhir"

    def app(self, redirect: str, kind: str = "public", **more: str) -> App:
        """Register an app whose user comes back to an address."""
        id_, secret = self.keys.app(kind, redirect_uris=(redirect,), **more)
        return App(self.server, id_, secret, redirect)

    def login(self, app: App, **words: str) -> str:
        """The address that an app opens in a browser."""
        return f"{self.server.base}/oauth/authorize?{urlencode(app.request(**words))}"

    def launch(self, client: str, patient: str, **more: Any) -> str:
        """The address that starts an app for a patient, as `launch` prints it."""
        wanted = launches.Wanted(client, patient, **more)
        made = launches.make(self.keys.house, wanted, now=clock.now())
        logs.keep_out(made.value)
        return made.url


@contextmanager
def practice(data: Path, front: str = "") -> Iterator[Practice]:
    """The practice, for the length of a block. Browsers reach it at `front`, where there is one."""
    with (
        running(data, ISSUER=SYSTEM, HTTP_WORKERS="1", BASE_URL=front) as server,
        keyring(server) as keys,
    ):
        server.base = f"http://127.0.0.1:{server.http}"
        made = Practice(server, keys)
        _fill(made)
        _people(made)
        yield made


def _fill(made: Practice) -> None:
    """Alice's pictures, visit and report, and Bob's pictures, until all are resources."""
    staff = Web(made.server.base + "/dicomweb", made.keys.token("system/*.cruds"))
    assert staff.store(*alices()).status_code == 200
    assert staff.store(*bobs()).status_code == 200
    rows = until(lambda: _settled(made), "two settled studies")
    made.patients = {
        name: row.subject for row in rows for name, uid in _STUDIES.items() if row.uid == uid
    }
    report = packed(
        "ORU^R01^ORU_R01",
        PID,
        obr(f2="ORD-1", f3="FIL-1", f4="CT-HEAD^CT head^L", f22="20260905123000+0000", f25="F"),
        obx("TX", "&IMP", REPORT_TEXT),
        obx("ST", "110180^Study Instance UID^DCM", ALICES),
        control="R1",
    )
    visit = packed("ADT^A04^ADT_A01", PID, VISIT, control="A1")
    assert send(made.server.mllp, visit, report) == ["AA", "AA"]
    everyone, alice = made.keys.token("system/*.rs"), made.patients["Alice"]

    def joined() -> bool:
        return all(
            made.server.get(f"/fhir/{type_}?patient={alice}", everyone).json().get("entry")
            for type_ in ("DiagnosticReport", "Encounter")
        )

    until(joined, "Alice's visit and report")


_STUDIES = {"Alice": ALICES, "Bob": BOBS}


def _settled(made: Practice) -> list[Any]:
    with made.keys.house.database.read() as connection:
        rows = list(connection.execute(select(study)))
    return rows if len(rows) == 2 and all(row.revision for row in rows) else []


def _people(made: Practice) -> None:
    """Alice and a doctor may log in."""
    logs.keep_out(PASSWORD)
    made.keys.user("alice", "patient", made.patients["Alice"])
    made.keys.user("drew", "clinician")
