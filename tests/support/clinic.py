"""A hospital with people who log in and apps that they use, for the suites of SMART.

Alice and Bob are patients, Pat acts for both, Drew is of the staff, Olga runs the server; Wes is of
the staff of another organisation. Everybody's browser is logged in once and kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from server import clock
from server.flows import parties
from server.flows.accounts import Account
from server.flows.sites import HOME
from server.store import resources
from server.store.fhir_tables import resource
from server.store.resources import Change, Owner
from server.store.tables import audit, study
from tests.support import charts
from tests.support.backend import Backend, jwks
from tests.support.keyring import Keyring, keyring
from tests.support.scenes import ALICES, SYSTEM, alices, bobs
from tests.support.server import Server, running
from tests.support.smart_app import App, Person
from tests.support.waiting import until
from tests.support.web import Web

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ORIGIN = "http://localhost:3000"


@dataclass(slots=True)
class Clinic:
    """The server, who and what is in it, and an app of each kind."""

    server: Server
    keys: Keyring
    patients: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    study: str = ""
    public: App = field(init=False)
    secret: App = field(init=False)
    signed: App = field(init=False)
    ehr: Backend = field(init=False)

    def person(self, name: str) -> Person:
        """Somebody's browser, logged in or about to be."""
        return self.people.setdefault(name, self.stranger(name))

    def stranger(self, name: str = "") -> Person:
        """A browser that was never here."""
        return Person(self.server, name)

    def app(self, kind: str = "public", **more: Any) -> App:
        """Another app."""
        id_, secret = self.keys.app(kind, **more)
        return App(self.server, id_, secret)

    def get(self, path: str, token: str = "", **headers: str) -> requests.Response:
        """GET an address of the server."""
        return self.server.get(path, token, **headers)

    def events(self, **where: str) -> list[Any]:
        """Rows of the audit, oldest first."""
        query = select(audit).order_by(audit.c.at, audit.c.seq)
        for name, value in where.items():
            query = query.where(audit.c[name] == value)
        with self.keys.house.database.read() as connection:
            return list(connection.execute(query))

    def put(self, patient: str, body: dict[str, Any]) -> None:
        """Put a resource into a patient's record."""
        with self.keys.house.database.write() as connection:
            change = Change(clock.now(), "test", self.keys.house.config.fhir_base)
            resources.put(connection, Owner(HOME, self.patients[patient]), body, change)

    def hide(self, type_: str, id_: str) -> None:
        """Hold a resource back from patients."""
        where = (resource.c.type == type_) & (resource.c.id == id_)
        with self.keys.house.database.write() as connection:
            connection.execute(resource.update().where(where).values(hidden=True))


@contextmanager
def clinic(data: Path, *, log_level: str = "INFO") -> Iterator[Clinic]:
    """The clinic, for the length of a block."""
    with (
        running(data, ISSUER=SYSTEM, HTTP_WORKERS="1", LOG_LEVEL=log_level) as server,
        keyring(server) as keys,
    ):
        made = Clinic(server, keys)
        _admit(made)
        _employ(made)
        _register(made)
        yield made


def _admit(made: Clinic) -> None:
    """Two patients with a study each, and what messages would have put into their records."""
    staff = Web(made.server.base + "/dicomweb", made.keys.token("system/*.cruds"))
    assert staff.store(*alices()[:1], *bobs()).status_code == 200

    def settled() -> list[Any]:
        with made.keys.house.database.read() as connection:
            rows = list(connection.execute(select(study)))
        return rows if len(rows) == 2 and all(row.revision for row in rows) else []

    rows = until(settled, "two settled studies")
    made.patients = {row.patient_number.title(): row.subject for row in rows}
    made.study = next(row.id for row in rows if row.uid == ALICES)
    for name in ("Alice", "Bob"):
        charts.put(made.keys.house, f"{name.lower()}s", made.patients[name])
    subject = {"reference": f"Patient/{made.patients['Alice']}"}
    for code in ("laboratory", "imaging"):
        body: dict[str, Any] = {
            "resourceType": "Observation",
            "id": f"obs-{code}",
            "status": "final",
        }
        body |= {"category": [{"coding": [{"system": CATEGORY, "code": code}]}]}
        made.put("Alice", body | {"code": {"text": code}, "subject": subject})


def _employ(made: Clinic) -> None:
    alice, bob = made.patients["Alice"], made.patients["Bob"]
    parties.add_organisation(
        made.keys.house, "west", issuer="", issuers={}, zone="", now=clock.now()
    )
    made.accounts = {
        "alice": made.keys.user("alice", "patient", alice),
        "bob": made.keys.user("bob", "patient", bob),
        "pat": made.keys.user("pat", "proxy", alice, bob),
        "drew": made.keys.user("drew", "clinician"),
        "olga": made.keys.user("olga", "operator"),
        "wes": made.keys.user("wes", "clinician", organisation="west"),
    }


def _register(made: Clinic) -> None:
    made.public = made.app()
    made.secret = made.app("confidential")
    made.signed = made.app("confidential", jwks=jwks())
    signer = Backend(made.server, made.signed.id)
    made.signed.proof = signer.proof
    made.ehr = made.keys.backend("all", "system/*.rs launch")
    made.keys.app(redirect_uris=(f"{ORIGIN}/callback",))
