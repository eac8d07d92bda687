"""Fills a store below its doors: a study that came in by one is copied again and again.

Every row that the study and its patient have left, in the index and among the resources, is copied
with other numbers, dates and ids, so that a copy is what the door would have made of such a study.
Only blobs, jobs and audit are left out: searches look into none of them.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from bench import objects
from bench.objects import PATIENT, STUDY, Template, draw, uid
from dicom.sink import Peer, StoreRequest
from server import clock
from server import config as settings
from server.flows import founding, ingest
from server.flows.sites import HOME, House, open_house
from server.flows.worker import Worker
from server.store.fhir_tables import index_date, resource, resource_version
from server.store.install import derived_id
from server.store.resources import INDEX_TABLES
from server.store.tables import (
    instance,
    instance_json,
    patient,
    patient_number,
    series,
    study,
    study_key,
)

SEED = 9_000_000
_BATCH = 250
DAY = date(2020, 1, 1)  # as the seed's study says
_DAYS = 9_000
_MICROS = 86_400_000_000

Row = dict[str, Any]


def fill(data: Path, first: int, count: int) -> None:
    """Make `count` settled studies of one instance, numbered from `first`, each of its patient."""
    config = settings.load({"TRIPTYCH_DATA": str(data), "TRIPTYCH_SETTLE_SECONDS": "0"})
    house = open_house(config, "fill")
    try:
        founding.prepare(house, clock.now())
        seed = store(house, draw(objects.TINY), SEED)
        for start in range(first, first + count, _BATCH):
            numbers = range(start, min(start + _BATCH, first + count))
            with house.database.write() as connection:
                _write(connection, seed, numbers)
    finally:
        house.close()


def day(number: int) -> date:
    """The date of a copy's study."""
    return date(2000, 1, 1) + timedelta(number * 37 % _DAYS)


@dataclass(frozen=True, slots=True)
class Seed:
    """What came in by the door: its data set, its ids, and its rows by table."""

    dataset: bytes
    key: str
    system: str
    patient: str
    study: str
    rows: tuple[tuple[Table, Row], ...]


def store(house: House, template: Template, number: int) -> Seed:
    """A study that comes in by the door and settles, such as the one that is copied."""
    dataset = template.numbered(number, number)[template.start :] + template.pixels
    peer = Peer("loopback", HOME, frozenset({"store"}))
    names = template.sop_class, uid(objects.INSTANCE, number, number), template.transfer_syntax
    sink = ingest.open_sink(house, StoreRequest("bench", peer, *names))
    sink.write(memoryview(dataset))
    sink.commit()
    while Worker(house).step():
        pass
    with house.database.read() as connection:
        return _look_up(house, connection, dataset, number)


def _look_up(house: House, connection: Connection, dataset: bytes, number: int) -> Seed:
    mine = study.c.uid == uid(STUDY, number)
    row = connection.execute(select(study).where(mine)).one()
    record = connection.execute(select(patient).where(patient.c.id == row.subject)).one()
    ids = (row.id, row.subject)
    rids = select(resource.c.rid).where(resource.c.id.in_(ids))
    where: dict[Table, Any] = {
        patient: patient.c.id == row.subject,
        patient_number: patient_number.c.patient == row.subject,
        study: mine,
        study_key: study_key.c.study == row.uid,
        series: series.c.study == row.uid,
        instance: instance.c.study == row.uid,
        instance_json: instance_json.c.uid == uid(objects.INSTANCE, number, number),
        resource: resource.c.id.in_(ids),
        resource_version: resource_version.c.id.in_(ids),
        **{table: table.c.rid.in_(rids) for table in INDEX_TABLES},
    }
    rows = tuple(
        (table, dict(found))
        for table, mine in where.items()
        for found in connection.execute(select(table).where(mine)).mappings()
    )
    key = house.site(connection, HOME, clock.now()).key
    return Seed(dataset, key, record.issuer, row.subject, row.id, rows)


def _write(connection: Connection, seed: Seed, numbers: range) -> None:
    """The rows of some copies, table by table."""
    batches: dict[Table, list[Row]] = {}
    for number in numbers:
        for table, row in copy(seed, number):
            batches.setdefault(table, []).append(row)
    for table, rows in batches.items():
        connection.execute(insert(table), rows)


def copy(seed: Seed, number: int) -> Iterator[tuple[Table, Row]]:
    """Every row of one copy."""
    text = _renumbering(seed, number)
    rids: dict[int, int] = {}
    for table, row in seed.rows:
        made = {name: text(value) if type(value) is str else value for name, value in row.items()}
        if "rid" in row:
            made["rid"] = rids.setdefault(row["rid"], clock.row_id(clock.now()))
        if table is index_date and _is_of_study(row):
            shift = (day(number) - DAY).days * _MICROS
            made |= {"low": row["low"] + shift, "high": row["high"] + shift}
        if table is instance:
            made["sha256"] = hashlib.sha256(
                text(seed.dataset.decode("latin-1")).encode("latin-1")
            ).hexdigest()
            made |= {"blob": f"{row['blob']}-{number}", "number": number}
        yield table, made


def _renumbering(seed: Seed, number: int) -> Callable[[str], str]:
    """What replaces the seed's numbers, dates and ids in a text by those of a copy."""
    its_study, its_patient = uid(STUDY, number), objects.number(PATIENT.encode(), number, number)
    patient_id = derived_id(seed.key, "Patient", f"{HOME}|{seed.system}|{its_patient.decode()}")
    study_id = derived_id(seed.key, "ImagingStudy", f"{HOME}|{its_study}|0")
    pairs = (
        (f"{SEED:07d}", f"{number:07d}"),
        (seed.patient, patient_id),
        (seed.study, study_id),
        (DAY.strftime("%Y%m%d"), day(number).strftime("%Y%m%d")),
        (DAY.isoformat(), day(number).isoformat()),
    )

    def renumber(text: str) -> str:
        for old, new in pairs:
            text = text.replace(old, new)
        return text

    return renumber


def _is_of_study(row: Row) -> bool:
    """Whether a date is the study's: nobody was born since."""
    return bool(row["low"] >= (DAY - date(1970, 1, 2)).days * _MICROS)
