"""Where a patient is reached by mail: an address that somebody of the staff checked to be theirs."""

from dataclasses import dataclass

from sqlalchemy import Connection

from server.config import is_mail_address
from server.errors import Invalid, Missing
from server.flows import parties
from server.flows.audit import Event
from server.flows.sites import House
from server.store import contacts


@dataclass(frozen=True, slots=True)
class Contact:
    """Where a patient is reached: an address that was checked to be theirs, and their language."""

    mail: str
    language: str


def set_contact(house: House, organisation: str, patient: str, known: Contact, *, now: int) -> str:
    """Keep a patient's address; gives the patient's id. Raises Invalid, Missing."""
    if not is_mail_address(known.mail):
        raise Invalid("--mail is one plain address, as name@host.example")
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        id_ = parties.patient(connection, owner, patient)
        values = {"organisation": owner, "patient": id_, "checked": now}
        contacts.put(connection, values | {"mail": known.mail, "language": known.language})
        _record(house, connection, owner, id_, "update", "address for notices checked")
    return id_


def contact_of(house: House, organisation: str, patient: str) -> tuple[Contact, int]:
    """Where a patient is reached, and when it was checked. Raises Missing."""
    with house.database.read() as connection:
        owner = parties.named(connection, organisation)
        row = contacts.of(connection, owner, parties.patient(connection, owner, patient))
    if row is None:
        raise Missing("this patient has no address on file")
    return Contact(row.mail, row.language), row.checked


def forget_contact(house: House, organisation: str, patient: str) -> str:
    """Forget a patient's address: no notice goes there any more. Raises Missing."""
    with house.database.write() as connection:
        owner = parties.named(connection, organisation)
        id_ = parties.patient(connection, owner, patient)
        if not contacts.forget(connection, owner, id_):
            raise Missing("this patient has no address on file")
        _record(house, connection, owner, id_, "delete", "address for notices forgotten")
    return id_


def _record(
    house: House, connection: Connection, owner: int, patient: str, action: str, detail: str
) -> None:
    event = Event(owner, "command", action, client="cli", patient=patient, detail=detail)
    house.auditor.append(connection, event)
