"""AuditEvent (R4) in the shapes of IHE Basic Audit Log Patterns (ITI BALP 1.1; house rule 6).

BALP has a profile for each RESTful action, with and without a patient; what succeeded claims it.
Other doors (DIMSE, HL7, sign-in) use the DICOM audit event types (PS3.15 A.5) in the same shape.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir.codes import DCM, PARTICIPATION, TAGS, coded
from fhir.datetimes import instant
from fhir.identifiers import DICOM_UID, uid_urn

BALP = "https://profiles.ihe.net/ITI/BALP"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
OUTCOME = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CUSTODIAN = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of event in BALP terms: action letter, profile stem, and the agents' types."""

    letter: str
    stem: str
    client: Json
    server: Json
    user: Json


_SOURCE = coded(DCM, "110153", "Source Role ID")
_DESTINATION = coded(DCM, "110152", "Destination Role ID")
_RECIPIENT = coded(PARTICIPATION, "IRCP", "information recipient")
_AUTHOR = coded(PARTICIPATION, "AUT", "author (originator)")
_READ = Action("R", "Read", _DESTINATION, _SOURCE, _RECIPIENT)
_QUERY = Action("E", "Query", _SOURCE, _DESTINATION, _RECIPIENT)
_CREATE = Action("C", "Create", _SOURCE, _DESTINATION, _AUTHOR)
_UPDATE = Action("U", "Update", _SOURCE, _DESTINATION, _AUTHOR)
_DELETE = Action(
    "D",
    "Delete",
    coded(DCM, "110150", "Application"),
    coded(CUSTODIAN, "custodian", "Custodian"),
    _AUTHOR,
)
_EXECUTE = Action("E", "", _SOURCE, _DESTINATION, _AUTHOR)

ACTIONS = {
    "read": _READ,
    "vread": _READ,
    "search-type": _QUERY,
    "search-system": _QUERY,
    "create": _CREATE,
    "update": _UPDATE,
    "patch": _UPDATE,
    "delete": _DELETE,
    "operation": _EXECUTE,
}
_REST = coded(EVENT_TYPE, "rest", "RESTful Operation")
DOORS = {
    "fhir": _REST,
    "dicomweb": _REST,
    "link": _REST,
    "dimse": coded(DCM, "110104", "DICOM Instances Transferred"),
    "hl7": coded(DCM, "110107", "Import"),
    "import": coded(DCM, "110107", "Import"),
    "export": coded(DCM, "110106", "Export"),
    "login": coded(DCM, "110114", "User Authentication"),
}
SUCCESS, REFUSED, FAILED = "0", "4", "8"


@dataclass(frozen=True, slots=True)
class AuditView:
    """One audit row: who did what to whose data, through which door, why and how much of it.

    `action` is a key of ACTIONS, `door` one of DOORS. `who` is a reference, or an opaque id
    without a slash, `client` the client id or AE title. `data` is a reference ("ImagingStudy/x"), `study` a
    Study Instance UID, `query` the raw query string. `began` is set on the row that closes a
    window and tells its counts.
    """

    id: str
    action: str
    outcome: str
    when: datetime
    door: str
    server: str
    client: str
    client_address: str = ""
    who: str = ""
    who_name: str = ""
    role: str = ""
    patient: str = ""
    data: str = ""
    study: str = ""
    query: str = ""
    purposes: tuple[str, ...] = ()
    organisation: str = ""
    request_id: str = ""
    reason: str = ""
    began: datetime | None = None
    instances: int = 0
    frames: int = 0
    octets: int = 0


def build(event: AuditView) -> Json:
    """The AuditEvent of a row, valid against the BALP profile it claims."""
    action = ACTIONS[event.action]
    period = {"start": instant(event.began), "end": instant(event.when)} if event.began else None
    fields = {
        "resourceType": "AuditEvent",
        "id": event.id,
        "meta": _meta(event, action),
        "type": DOORS[event.door],
        "subtype": [coded(INTERACTION, event.action), coded(f"{TAGS}:door", event.door)],
        "action": action.letter,
        "period": period,
        "recorded": instant(event.when),
        "outcome": event.outcome,
        "outcomeDesc": event.reason,
        "purposeOfEvent": _purposes(event),
        "agent": _agents(event, action),
        "source": {
            "site": event.server,
            "observer": {"display": event.server},
            "type": [coded(SOURCE_TYPE, "4", "Application Server")],
        },
        "entity": _entities(event, action),
    }
    return {key: value for key, value in fields.items() if value not in (None, "", [])}


def _meta(event: AuditView, action: Action) -> Json | None:
    """BALP's profiles are for RESTful actions that succeeded, and say what they must tell."""
    told = event.query if action is _QUERY else event.data or event.study
    if not (action.stem and told and event.outcome == SUCCESS and DOORS[event.door] is _REST):
        return None
    stem = f"Patient{action.stem}" if event.patient else action.stem
    return {"profile": [f"{BALP}/StructureDefinition/IHE.BasicAudit.{stem}"]}


def _purposes(event: AuditView) -> list[Json]:
    return [{"coding": [coded(PURPOSE, code)]} for code in event.purposes]


def _agents(event: AuditView, action: Action) -> list[Json]:
    address, known = event.client_address, bool(event.client_address)
    client = {
        "type": {"coding": [action.client]},
        "who": {"identifier": {"value": event.client}, "display": event.client},
        "requestor": not event.who,
        "network": {"address": address or event.client, "type": "2" if known else "1"},
    }
    server = {
        "type": {"coding": [action.server]},
        "who": {"display": event.server},
        "requestor": False,
        "network": {"address": event.server, "type": "5"},
    }
    return [client, server, *_user(event, action)]


def _user(event: AuditView, action: Action) -> list[Json]:
    if not event.who:
        return []
    known: Json = {"reference": event.who} if "/" in event.who else {}
    who = known or {"identifier": {"value": event.who}}
    if event.organisation:
        who["display"] = f"{event.who_name or event.role}, {event.organisation}".lstrip(", ")
    body = {
        "type": {"coding": [action.user]},
        "role": [{"text": event.role}] if event.role else None,
        "who": who,
        "name": event.who_name,
        "requestor": True,
        "purposeOfUse": _purposes(event),
    }
    return [{key: value for key, value in body.items() if value not in (None, "", [])}]


def _entities(event: AuditView, action: Action) -> list[Json]:
    """Patient, data and query; BALP lets a search have no data entity, so the patient counts."""
    counts = _counts(event)
    searched = action is _QUERY and bool(event.query)
    entities: list[Json] = []
    if event.patient:
        what = {"reference": event.patient}
        entities.append(_entity(what, "1", "Person", "1", "Patient", counts if searched else []))
    if searched:
        query = {"query": b64encode(event.query.encode()).decode()}
        entities.append(_entity(None, "2", "System Object", "24", "Query", []) | query)
    elif what := _data(event):
        entities.append(_entity(what, "2", "System Object", "4", "Domain Resource", counts))
    if event.request_id:
        kind = coded(f"{BALP}/CodeSystem/BasicAuditEntityType", "XrequestId")
        entities.append({"what": {"identifier": {"value": event.request_id}}, "type": kind})
    return entities


def _data(event: AuditView) -> Json:
    body: Json = {"reference": event.data} if event.data else {}
    if event.study:
        body["identifier"] = {"system": DICOM_UID, "value": uid_urn(event.study)}
    return body


def _entity(
    what: Json | None, kind: str, kind_name: str, role: str, role_name: str, detail: list[Json]
) -> Json:
    body: Json = {"what": what} if what else {}
    body["type"] = coded(ENTITY_TYPE, kind, kind_name)
    body["role"] = coded(OBJECT_ROLE, role, role_name)
    return body | ({"detail": detail} if detail else {})


def _counts(event: AuditView) -> list[Json]:
    counts = {"instances": event.instances, "frames": event.frames, "bytes": event.octets}
    told = counts if event.began else {key: value for key, value in counts.items() if value}
    return [{"type": key, "valueString": str(value)} for key, value in told.items()]
