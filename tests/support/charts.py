"""What messages would put into a patient's record: one resource of each type, for access tests."""

from typing import Any

from server import clock
from server.flows.sites import HOME, House
from server.store import resources
from server.store.resources import Change, Owner

Json = dict[str, Any]

# Who signs everybody's reports: of the organisation, of no patient.
READER = "reader"


def chart(name: str, patient: str) -> list[Json]:
    """An order, a report, a measurement, a visit, their origin and a document."""
    subject = {"reference": f"Patient/{patient}"}
    code = {"text": f"of {name}"}
    person = {"agent": [{"who": {"display": "CT1"}}], "recorded": "2024-02-29T07:27:30Z"}
    report = f"{name}-report"
    return [
        {"resourceType": "ServiceRequest", "id": f"{name}-order", "status": "completed"}
        | {"intent": "order", "subject": subject, "code": code},
        {"resourceType": "DiagnosticReport", "id": report, "status": "final"}
        | {
            "subject": subject,
            "code": code,
            "basedOn": [{"reference": f"ServiceRequest/{name}-order"}],
            "performer": [{"reference": f"Practitioner/{READER}"}],
        },
        {"resourceType": "Observation", "id": f"{name}-measure", "status": "final"}
        | {"subject": subject, "code": code, "valueString": name},
        {"resourceType": "Encounter", "id": f"{name}-visit", "status": "finished"}
        | {"subject": subject, "class": {"code": "AMB"}},
        {"resourceType": "Provenance", "id": f"{name}-origin", **person}
        | {"target": [{"reference": f"DiagnosticReport/{report}"}, subject]},
        {"resourceType": "Binary", "id": f"{name}-document"}
        | {"contentType": "text/plain", "data": "TGlkZGVsbA=="},
        {"resourceType": "RelatedPerson", "id": f"{name}-relative", "patient": subject},
    ]


def put(house: House, name: str, patient: str) -> dict[str, str]:
    """Put a chart into a patient's record; gives the ids by type."""
    bodies = chart(name, patient)
    with house.database.write() as connection:
        change = Change(clock.now(), "test", house.config.fhir_base)
        for body in bodies:
            resources.put(connection, Owner(HOME, patient), body, change)
        reader = {"resourceType": "Practitioner", "id": READER, "name": [{"text": "Reader"}]}
        resources.put(connection, Owner(HOME), reader, change)
    return {"Practitioner": READER} | {body["resourceType"]: body["id"] for body in bodies}
