"""A server with two patients, and whoever writes into their records over FHIR."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from server import clock
from server.flows import parties
from server.flows.sites import HOME, House
from server.store import resources
from server.store.resources import Change, Owner
from server.store.tables import audit
from tests.support.houses import add_patient
from tests.support.keyring import Keyring, keyring
from tests.support.library import FHIR_JSON
from tests.support.server import Server, running

Json = dict[str, Any]
ORDERS = "https://hospital.example/orders"
TABLE_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"


@dataclass(slots=True)
class Scribe:
    """The server, its patients by name, and a token that writes everything in `home`."""

    server: Server
    keys: Keyring
    token: str
    patients: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: Any = None, token: str = "", **headers: str
    ) -> requests.Response:
        """A request below /fhir; header names with _ for -."""
        sent = {"Content-Type": FHIR_JSON, "Authorization": f"Bearer {token or self.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, str | bytes) else None
        json = None if data is not None else body
        url = f"{self.server.base}/fhir/{path}"
        return requests.request(method, url, headers=sent, data=data, json=json, timeout=60)

    def made(self, body: Json) -> Json:
        """A resource that is created, as it then is."""
        answer = self.ask("POST", body["resourceType"], body)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    def events(self, action: str) -> list[Any]:
        """The audit's events of one kind at the FHIR door, oldest first."""
        query = select(audit).where(audit.c.action == action, audit.c.door == "fhir")
        with self.keys.house.database.read() as connection:
            return list(connection.execute(query.order_by(audit.c.at, audit.c.seq)))


@contextmanager
def scribe(data: Path) -> Iterator[Scribe]:
    """The server, for the length of a block: Alice and Bob of `home`, Wilma of `west`."""
    with running(data) as server, keyring(server) as keys:
        made = Scribe(server, keys, keys.token("system/*.cruds"))
        now = clock.now()
        west = parties.add_organisation(keys.house, "west", issuer="", issuers={}, zone="", now=now)
        for name, organisation in (("Alice", HOME), ("Bob", HOME), ("Wilma", west)):
            made.patients[name] = admit(keys.house, name, organisation)
        yield made


def admit(house: House, name: str, organisation: int = HOME) -> str:
    """A patient with a Patient of their own; gives its id."""
    id_ = add_patient(house, name.upper(), organisation)
    body = {"resourceType": "Patient", "id": id_, "name": [{"family": name}]}
    with house.database.write() as connection:
        change = Change(clock.now(), "test", house.config.fhir_base)
        resources.put(connection, Owner(organisation, id_), body, change)
    return id_


def number(value: str, kind: str = "ACSN") -> Json:
    """An identifier of an order or report."""
    coding = [{"system": TABLE_0203, "code": kind}]
    return {"type": {"coding": coding}, "system": ORDERS, "value": value}


def order(patient: str, **more: Any) -> Json:
    """An order for a patient."""
    body = {"resourceType": "ServiceRequest", "status": "active", "intent": "order"}
    return {**body, "subject": {"reference": f"Patient/{patient}"}, **more}


def report(patient: str, **more: Any) -> Json:
    """A final report on a patient."""
    body: Json = {"resourceType": "DiagnosticReport", "status": "final"}
    body |= {"code": {"text": "CT head"}, "subject": {"reference": f"Patient/{patient}"}}
    return {**body, **more}


def result(patient: str, **more: Any) -> Json:
    """A final result of a patient."""
    return report(patient, valueString="normal", **more) | {"resourceType": "Observation"}


def letter(patient: str) -> Json:
    """A document about a patient, with its text in it."""
    body: Json = {"resourceType": "DocumentReference", "status": "current"}
    body["subject"] = {"reference": f"Patient/{patient}"}
    content = {"contentType": "text/plain", "data": "SGVsbG8="}
    return {**body, "content": [{"attachment": content}]}
