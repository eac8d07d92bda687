"""Provenance (R4): which message or DICOM object changed what, and who spoke in it (mapping 2.1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fhir.codes import coded
from fhir.hl7_codes import one_line, table
from fhir.hl7_context import Context, sender_of
from fhir.hl7_people import practitioner
from fhir.hl7_times import datetime_of
from fhir.identifiers import DICOM_UID, uid_urn
from hl7.facts import Header
from hl7.moments import NEVER, Moment
from hl7.types import NO_PERSON, Authority, Person

Json = dict[str, Any]
ROLES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
US_CORE_ROLES = "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type"
AUTHOR = {"coding": [coded(ROLES, "author", "Author")]}
ASSEMBLER = {"coding": [coded(ROLES, "assembler", "Assembler")]}
TRANSMITTER = {"coding": [coded(US_CORE_ROLES, "transmitter", "Transmitter")]}


@dataclass(frozen=True, slots=True)
class ProvenanceView:
    """What a message changed ("Patient/x/_history/2"), and when that was recorded (an instant).

    `author` is who stands for the content, if the message names one; `occurred` is when it came
    to be (EVN-6, ORC-9).
    """

    id: str
    targets: tuple[str, ...]
    recorded: str
    author: Person = NO_PERSON
    occurred: Moment = NEVER


def build(header: Header, view: ProvenanceView, context: Context) -> Json:
    """The Provenance of a message; its source entity is the message by its control id."""
    occurred = datetime_of(view.occurred, context.zones)
    sender = _organisation(header)
    return {
        "resourceType": "Provenance",
        "id": view.id,
        **({"meta": {"source": context.source}} if context.source else {}),
        "target": [{"reference": target} for target in view.targets],
        **({"occurredDateTime": occurred} if occurred else {}),
        "recorded": view.recorded,
        **_activity(header),
        "agent": [_author(view, sender, context), {"type": TRANSMITTER, "who": sender}],
        "entity": [{"role": "source", "what": _message(header)}],
    }


def by(who: str, why: str, view: ProvenanceView, person: str = "") -> Json:
    """The Provenance of what no message told: the act of an operator, a client, or a person by it."""
    agent = {"type": AUTHOR, "who": {"display": who}}
    if person:
        agent = {"type": AUTHOR, "who": {"reference": person}, "onBehalfOf": {"display": who}}
    return {
        "resourceType": "Provenance",
        "id": view.id,
        "target": [{"reference": target} for target in view.targets],
        "recorded": view.recorded,
        "activity": {"text": why},
        "agent": [agent],
    }


def derived(institution: str, uids: Iterable[str], why: str, view: ProvenanceView) -> Json:
    """The Provenance of what was derived from DICOM objects: whose they are, and which."""
    author = {"type": "Organization", "display": institution or "unnamed institution"}
    named = [{"system": DICOM_UID, "value": uid_urn(uid)} for uid in uids]
    return by("Triptych", why, view) | {
        "agent": [
            {"type": AUTHOR, "who": author},
            {"type": ASSEMBLER, "who": {"display": "Triptych"}},
        ],
        "entity": [{"role": "source", "what": {"identifier": one}} for one in named],
    }


def _activity(header: Header) -> Json:
    """The trigger event (table 0003)."""
    event = one_line(header.event)
    if not event:
        return {}
    return {"activity": {"coding": [coded(table("0003"), event)], "text": header.kind}}


def _author(view: ProvenanceView, sender: Json, context: Context) -> Json:
    """The person, for the sending organisation; without one the organisation itself."""
    person = practitioner(view.author, context)
    if person is None:
        return {"type": AUTHOR, "who": sender}
    return {"type": AUTHOR, "who": person, "onBehalfOf": sender}


def _organisation(header: Header) -> Json:
    name = _name(header.facility) or _name(header.application) or "unnamed sender"
    return {"type": "Organization", "display": name}


def _message(header: Header) -> Json:
    what: Json = {}
    if header.control_id:
        what["identifier"] = {"system": sender_of(header), "value": header.control_id}
    return what | {"display": f"HL7 v2 message {header.kind}".strip()}


def _name(authority: Authority) -> str:
    return authority.namespace or authority.universal_id
