"""What was wrong is taken from patients: content, versions, documents; a tombstone stays.

An app that has a copy learns of it by the tombstone; staff still reads everything.
"""

from typing import Any

from sqlalchemy import Connection

from fhir import binary, observation, wire
from hl7.report_facts import Mark
from hl7.types import NOTHING_CODED
from server.flows.layers import REPORT
from server.flows.release import WITHDRAWN
from server.store import resources
from server.store.resources import Change, Owner

Json = dict[str, Any]


def documents_of(connection: Connection, organisation: int, report: str) -> list[str]:
    """The ids of the Binaries of every version of a report or document."""
    found: dict[str, None] = {}
    for type_ in (REPORT, "DocumentReference"):
        for text in resources.texts_of_versions(connection, organisation, type_, report):
            body = wire.read(text) if text else {}
            forms = [*body.get("presentedForm", [])]
            forms += (one["attachment"] for one in body.get("content", []))
            for form in forms:
                kind, _, id_ = form.get("url", "").partition("/")
                if kind == "Binary":
                    found[id_] = None
    return list(found)


def withdraw(
    connection: Connection, organisation: int, type_: str, id_: str, change: Change
) -> None:
    """Take one resource, and the documents that it points to, from patients."""
    row = resources.current(connection, organisation, type_, id_)
    if row is None or row.deleted:
        return
    body = wire.read(row.text)
    if type_ == "Binary":
        made = binary.withdrawn(body)
    elif type_ == "Observation":
        made = observation.marked(body, Mark("W", NOTHING_CODED))
    else:
        made = body | {"status": WITHDRAWN}
    if made == body:
        return
    if type_ != "Binary":
        resources.hide_versions(connection, organisation, type_, id_)
    resources.put(connection, Owner(organisation, row.filed_under), made, change)
    if type_ in (REPORT, "DocumentReference"):
        for document in documents_of(connection, organisation, id_):
            withdraw(connection, organisation, "Binary", document, change)
