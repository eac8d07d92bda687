"""Many FHIR resources with few different values, so that every kind of search finds some of them."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from sqlalchemy import insert, update

from server import clock
from server.flows.sites import HOME, House
from server.store import index, resources, tables
from server.store.fhir_tables import resource
from server.store.index import StudyKey
from server.store.resources import Change, Owner
from server.store.tables import study

Json = dict[str, Any]

FAMILIES = (
    "Müller",
    "MULLER",
    "O'Brien",
    "Smith",
    "Smithson",
    "García López",
    "Nakamura",
    "100%_x",
)
GIVENS = ("Ann", "Anna Maria", "José", "Jose", "Bob", "Zoë")
CITIES = ("Barcelona", "Berlin", "Bern", "São Paulo")
DAYS = ("1950", "1962-05", "1962-05-17", "1980-02-29", "2001-12-31")
TIMES = (
    "2022-08-22T08:31:17+02:00",
    "2022-08-22",
    "2022-08-22T06:31:17Z",
    "2022-08",
    "2023-01-01T00:00:00+14:00",
    "2024-02-29T23:59:59.250Z",
    "2026",
)
MODALITIES = ("CT", "MR", "PT", "US", "KO")
CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7")
SYSTEMS = ("http://a.example/mrn", "http://b.example/mrn", "urn:oid:1.2.3")
TAGS = ("settled", "arriving")
DCM = "http://dicom.nema.org/resources/ontology/DCM"
SCT = "http://snomed.info/sct"


@dataclass(slots=True)
class Record:
    """One stored resource, as the oracle sees it. `order` is the row id: higher is newer."""

    body: Json
    order: int
    organisation: int = HOME
    filed_under: str = ""
    hidden: bool = False
    deleted: bool = False

    @property
    def type(self) -> str:
        return str(self.body["resourceType"])

    @property
    def id(self) -> str:
        return str(self.body["id"])


@dataclass(slots=True)
class Archive:
    """A house with what was put into it."""

    house: House
    records: list[Record] = field(default_factory=list)

    @property
    def base(self) -> str:
        return self.house.config.fhir_base

    def put(
        self, *bodies: Json, filed_under: str = "", organisation: int = HOME, hidden: bool = False
    ) -> None:
        """Store resources, each with its DICOM rows if it is an ImagingStudy."""
        with self.house.database.write() as connection:
            for body in bodies:
                owner = Owner(organisation, filed_under, hidden)
                change = Change(clock.now(), "test", self.base)
                version = resources.put(connection, owner, body, change)
                if body["resourceType"] == "ImagingStudy" and version == 1:
                    _put_dicom(connection, organisation, body, filed_under)
                row = resources.current(connection, organisation, body["resourceType"], body["id"])
                stored = {**body, "meta": body.get("meta", {}) | _meta(row)}
                self.records.append(Record(stored, row.rid, organisation, filed_under, hidden))

    def delete(self, record: Record) -> None:
        """Mark a resource as deleted."""
        with self.house.database.write() as connection:
            where = resource.c.rid == record.order
            connection.execute(update(resource).where(where).values(deleted=True))
        record.deleted = True

    def of(self, type_: str) -> list[Record]:
        """The records of one type."""
        return [record for record in self.records if record.type == type_]


def _meta(row: Any) -> Json:
    return {"versionId": str(row.version), "lastUpdated": clock.instant(row.updated)}


def _put_dicom(connection: Any, organisation: int, body: Json, filed_under: str) -> None:
    """The rows of the DICOM index for a study whose resource is stored."""
    uid = body["identifier"][0]["value"].removeprefix("urn:oid:")
    key = StudyKey(organisation, uid)
    person = {"id": body["id"], "subject": filed_under, "filed_under": filed_under}
    connection.execute(study.insert().values(organisation=organisation, uid=uid, claim=0, **person))
    for series in body.get("series", []):
        for instance in series.get("instance", []):
            connection.execute(insert(tables.instance), _instance(key, series["uid"], instance))
            index.count_instance(connection, key, series["uid"], _series(series), clock.now())


def _series(series: Json) -> Json:
    return {
        "modality": series["modality"]["code"],
        "number": 1,
        "description": "",
        "body_part": "",
        "date": "",
    }


def _instance(key: StudyKey, series: str, instance: Json) -> Json:
    return {
        "organisation": key.organisation,
        "uid": instance["uid"],
        "copy": 0,
        "study": key.uid,
        "claim": 0,
        "series": series,
        "number": None,
        "sop_class": instance["sopClass"]["code"].removeprefix("urn:oid:"),
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "blob": f"blob/{instance['uid']}",
        "size": 0,
        "dataset_offset": 0,
        "preamble_clean": True,
        "deflated": False,
        "sha256": "0" * 64,
        "frames": 0,
        "rows": 0,
        "columns": 0,
        "facts": "{}",
        "bulk": "[]",
        "frame_index": None,
        "door": "",
        "peer": "",
        "arrived": 0,
    }


def some(dice: Random, values: Any, chance: float = 0.7) -> list[Any]:
    """One of the values in a list, or none."""
    return [dice.choice(values)] if dice.random() < chance else []


def patient(dice: Random, id_: str) -> Json:
    """A Patient in which every element that is searched may or may not be."""
    body: Json = {"resourceType": "Patient", "id": id_, "meta": _tagged(dice)}
    body["identifier"] = [
        _identifier(dice, str(dice.randrange(12))) for _ in range(dice.randrange(3))
    ]
    body["name"] = [_name(dice) for _ in range(dice.randrange(3))]
    body["address"] = [
        {"use": dice.choice(("home", "old")), "city": city, "country": "ES", "postalCode": "08001"}
        for city in some(dice, CITIES)
    ]
    body["telecom"] = [
        {"system": system, "value": value, "use": dice.choice(("home", "work"))}
        for system, value in some(
            dice, (("phone", "+34 93 555-01"), ("email", "Ann@X.example"), ("phone", "93 1"))
        )
    ]
    for day in some(dice, DAYS):
        body["birthDate"] = day
    for gender in some(dice, ("female", "male", "other")):
        body["gender"] = gender
    for gone in some(dice, ({"deceasedBoolean": False}, {"deceasedDateTime": "2020-03"}), 0.4):
        body |= gone
    for alive in some(dice, (True, False), 0.5):
        body["active"] = alive
    for language in some(dice, ("ca", "es-ES", "en"), 0.4):
        code = {"system": "urn:ietf:bcp:47", "code": language}
        body["communication"] = [{"language": {"coding": [code]}}]
    return {key: value for key, value in body.items() if value not in ([], {})}


def _tagged(dice: Random) -> Json:
    meta: Json = {"tag": [{"system": "http://t.example", "code": dice.choice(TAGS)}]}
    for profile in some(dice, ("http://p.example/a", "http://p.example/a/b"), 0.4):
        meta["profile"] = [profile]
    return meta


def _name(dice: Random) -> Json:
    name: Json = {"given": some(dice, GIVENS)}
    for family in some(dice, FAMILIES, 0.9):
        name["family"] = family
    return {key: value for key, value in name.items() if value} or {"text": "Anonymous"}


def _identifier(dice: Random, value: str) -> Json:
    made: Json = {"value": f"A{value}"}
    for system in some(dice, SYSTEMS, 0.8):
        made["system"] = system
    for code in some(dice, ("MR", "ACSN"), 0.5):
        coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code}
        made["type"] = {"coding": [coding], "text": "Local number"}
    return made


def imaging_study(dice: Random, id_: str, subject: str, endpoints: tuple[str, ...]) -> Json:
    """An ImagingStudy of a patient, with one to three series."""
    uid = f"1.2.{id_.removeprefix('s')}"
    series = [_one_series(dice, f"{uid}.{number}") for number in range(dice.randrange(1, 4))]
    body: Json = {
        "resourceType": "ImagingStudy",
        "id": id_,
        "meta": _tagged(dice),
        "identifier": [
            {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"},
            *(_identifier(dice, str(dice.randrange(12))) for _ in range(dice.randrange(2))),
        ],
        "status": dice.choice(("available", "available", "registered", "entered-in-error")),
        "subject": {"reference": f"Patient/{subject}"},
        "endpoint": [{"reference": f"Endpoint/{one}"} for one in some(dice, endpoints)],
        "reasonCode": [
            {"text": text} for text in some(dice, ("Severe chest pain", "Fall; neck pain"), 0.4)
        ],
        "series": series,
    }
    for number in some(dice, ("A1", "A2"), 0.5):
        asked = {"type": "ServiceRequest", "identifier": {"system": SYSTEMS[0], "value": number}}
        body["basedOn"] = [asked]
    for who in some(dice, ("Practitioner/d1", "https://o.example/fhir/Practitioner/9"), 0.5):
        body["referrer"] = {"reference": who}
    for time in some(dice, TIMES, 0.8):
        body["started"] = time
    return {key: value for key, value in body.items() if value not in ([], {})}


def _one_series(dice: Random, uid: str) -> Json:
    series: Json = {
        "uid": uid,
        "modality": {"system": DCM, "code": dice.choice(MODALITIES)},
        "instance": [
            {"uid": f"{uid}.{number}", "sopClass": {"code": f"urn:oid:{dice.choice(CLASSES)}"}}
            for number in range(dice.randrange(1, 3))
        ],
    }
    for code, shown in some(dice, (("69536005", "Head"), ("51185008", "Chest")), 0.5):
        series["bodySite"] = {"system": SCT, "code": code, "display": shown}
    return series


def endpoint(dice: Random, id_: str) -> Json:
    """An Endpoint."""
    kind = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
    return {
        "resourceType": "Endpoint",
        "id": id_,
        "meta": _tagged(dice),
        "status": dice.choice(("active", "off")),
        "name": dice.choice(("DICOMweb of home", "Zürich", "dicomweb of elsewhere")),
        "connectionType": {"system": kind, "code": "dicom-wado-rs"},
        "payloadType": [{"coding": [{"system": DCM, "code": "113014"}], "text": "Study"}],
        "address": "https://h.example/dicomweb",
    }


def fill(archive: Archive, dice: Random, patients: int, studies: int) -> None:
    """Patients, their studies, some of them held or deleted, and a neighbour with the same ids."""
    endpoints = tuple(f"e{number}" for number in range(4))
    archive.put(*(endpoint(dice, id_) for id_ in endpoints))
    people = [f"p{number}" for number in range(patients)]
    for id_ in people:
        archive.put(patient(dice, id_), filed_under=id_)
    for number in range(studies):
        whom = dice.choice(people)
        body = imaging_study(dice, f"s{number}", whom, endpoints)
        archive.put(body, filed_under=whom, hidden=dice.random() < 0.1)
    archive.put(endpoint(dice, "e0"), organisation=2)
    archive.put(patient(dice, "p0"), filed_under="p0", organisation=2)
    archive.put(imaging_study(dice, "s0", "p0", endpoints), filed_under="p0", organisation=2)
    for record in dice.sample(archive.of("ImagingStudy")[:-1], studies // 10):
        archive.delete(record)
