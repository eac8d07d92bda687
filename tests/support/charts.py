"""What messages would put into a patient's record: one resource of each type, for access tests."""

from typing import Any

from hl7.report_facts import Attachment
from server import clock
from server.flows import contents
from server.flows.access import COMPARTMENT
from server.flows.sites import HOME, House
from server.store import contents as store_contents
from server.store import resources
from server.store.resources import Change, Owner

Json = dict[str, Any]


def chart(name: str, patient: str) -> list[Json]:
    """An order, a report with its authors, a measurement, a visit, their origin, a letter and a
    document.
    """
    subject = {"reference": f"Patient/{patient}"}
    code = {"text": f"of {name}"}
    person = {"agent": [{"who": {"display": "CT1"}}], "recorded": "2024-02-29T07:27:30Z"}
    report, older = f"{name}-report", f"DocumentReference/{name}-older"
    width = {"value": 12.5, "unit": "mm"}
    return [
        {"resourceType": "ServiceRequest", "id": f"{name}-order", "status": "completed"}
        | {"intent": "order", "subject": subject, "code": code},
        {"resourceType": "DiagnosticReport", "id": report, "status": "final"}
        | {
            "subject": subject,
            "code": code,
            "basedOn": [{"reference": f"ServiceRequest/{name}-order"}],
            "performer": [
                {"reference": f"Practitioner/{name}-doctor"},
                {"reference": f"Organization/{name}-clinic"},
            ],
        },
        {"resourceType": "Practitioner", "id": f"{name}-doctor"}
        | {"name": [{"family": f"Doctor of {name}"}]},
        {"resourceType": "Organization", "id": f"{name}-clinic", "name": f"Clinic of {name}"},
        {"resourceType": "Observation", "id": f"{name}-measure", "status": "final"}
        | {"subject": subject, "code": code, "valueString": name}
        | {"component": [{"code": {"coding": [{"code": "width"}]}, "valueQuantity": width}]},
        {"resourceType": "Encounter", "id": f"{name}-visit", "status": "finished"}
        | {"subject": subject, "class": {"code": "AMB"}, "length": {"value": 2, "unit": "h"}},
        {"resourceType": "Provenance", "id": f"{name}-origin", **person}
        | {"target": [{"reference": f"DiagnosticReport/{report}"}, subject]},
        {"resourceType": "DocumentReference", "id": f"{name}-letter", "status": "current"}
        | {"subject": subject, "type": code}
        | {"relatesTo": [{"code": "replaces", "target": {"reference": older}}]}
        | {"content": [{"attachment": {"url": f"Binary/{name}-document"}}]},
        {"resourceType": "Binary", "id": f"{name}-document", "contentType": "text/plain"},
        {"resourceType": "RelatedPerson", "id": f"{name}-relative", "patient": subject},
    ]


def put(house: House, name: str, patient: str) -> dict[str, str]:
    """Put a chart into a patient's record; gives the ids by type."""
    bodies = chart(name, patient)
    document = Attachment(b"Liddell", "text/plain")
    (blob,) = contents.keep(house, HOME, 0, clock.now(), [document]).values()
    row = contents.place(blob, document.data, contents.digest(document.data), clock.now())
    with house.database.write() as connection:
        change = Change(clock.now(), "test", house.config.fhir_base)
        for body in bodies:
            owned = body["resourceType"] in COMPARTMENT
            resources.put(connection, Owner(HOME, patient if owned else ""), body, change)
        store_contents.keep(connection, HOME, f"{name}-document", row)
    return {body["resourceType"]: body["id"] for body in bodies}
