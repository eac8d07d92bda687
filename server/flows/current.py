"""DICOM as current: what is served tells of the patient whose study it is now (house rule 4).

Stored bytes never change. A study whose objects name another number, birth date or sex than its
patient has by now, after a merge, a change of number or a correction, is served with a coerced
header that keeps the original; an absent issuer or another spelling of a name is no difference.
When the reason is gone, the objects are served as they are stored.
"""

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from dicom import coerce
from dicom.coerce import Coercion
from dicom.facts import Issuer, Number, PatientFacts
from server import VERSION, clock
from server.flows import patients
from server.store import index
from server.store.index import StudyKey

SYSTEM = f"Triptych {VERSION}"


def header_of(row: Any) -> PatientFacts:
    """Who the objects of a claim speak of, whoever they are served as."""
    return patients.load_facts(row.header) if row.header else served_as(row)


def served_as(row: Any) -> PatientFacts:
    """The patient that a claim is served with."""
    issuer = Issuer(*json.loads(row.patient_issuer or '["", "", ""]'))
    return PatientFacts(
        name=row.patient_name,
        number=Number(row.patient_number, issuer),
        birth_date=row.patient_birth_date,
        sex=row.patient_sex,
    )


def follow(connection: Connection, key: StudyKey, row: Any, known: PatientFacts, now: int) -> None:
    """Let a claim show its patient as known by now, or what its objects say if that is no other."""
    header = header_of(row)
    differs = _differs(header, known, moved=row.subject != row.filed_under)
    wanted = _filled(known, header) if differs else header
    if wanted == served_as(row):
        return
    values = {
        "patient_name": wanted.name,
        "patient_number": wanted.number.value,
        "patient_issuer": json.dumps(list(asdict(wanted.number.issuer).values())),
        "patient_birth_date": wanted.birth_date,
        "patient_sex": wanted.sex,
        "header": patients.dump_facts(header) if differs else "",
        "coerced": now if differs else 0,
    }
    index.set_patient(connection, key, values)


def _differs(header: PatientFacts, known: PatientFacts, *, moved: bool) -> bool:
    """Whether a header names another person. A number that it lacks counts once it was moved."""
    number = header.number.value
    if known.number.value and number != known.number.value and (number or moved):
        return True
    if header.birth_date and known.birth_date and header.birth_date != known.birth_date:
        return True
    sexes = {header.sex, known.sex}
    return len(sexes & {"M", "F"}) == len(sexes) == 2


def _filled(known: PatientFacts, header: PatientFacts) -> PatientFacts:
    """The known patient; what is not known stays as the header has it."""
    return PatientFacts(
        name=known.name or header.name,
        number=known.number if known.number.value else header.number,
        birth_date=known.birth_date or header.birth_date,
        sex=known.sex or header.sex,
    )


def coercion(row: Any) -> Coercion | None:
    """What is done to the objects of a claim as they leave, None if nothing."""
    if not row.coerced:
        return None
    when = clock.moment(row.coerced).strftime("%Y%m%d%H%M%S.%f+0000")
    return Coercion(served_as(row), when, SYSTEM)


def model(row: Any, text: str) -> str:
    """The DICOM JSON of an object of a claim as it is served."""
    change = coercion(row)
    return coerce.model(text, change) if change is not None and text != "{}" else text
