"""Fills a store below its doors: a study with its order and report, copied again and again.

Every row that they and their patient have left, in the index and among the resources, is copied with
other numbers, dates and ids, so that a copy is what the doors would have made of such a patient.
Only blobs, jobs, messages and audit are left out: searches look into none of them.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, Table, insert, select

from bench import objects
from bench.objects import PATIENT, STUDY, Template, draw, uid
from dicom.sink import Peer, StoreRequest
from server import clock
from server import config as settings
from server.flows import founding, ingest, messages
from server.flows.feeds import Connecting
from server.flows.sites import HOME, House, open_house
from server.flows.worker import Worker
from server.store.fhir_tables import index_date, resource, resource_version
from server.store.hl7_tables import last_word, link_key
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
COPIED = (
    *(patient, patient_number, study, study_key, series, instance, instance_json),
    *(resource, resource_version, link_key, last_word, *INDEX_TABLES),
)
# What the first study of a store brings, and all others share.
_SHARED = "Endpoint"

Row = dict[str, Any]


def fill(data: Path, first: int, count: int, instances: int = 1, reported: bool = True) -> None:
    """Make `count` settled studies, numbered from `first`, each of its patient."""
    config = settings.load({"TRIPTYCH_DATA": str(data), "TRIPTYCH_SETTLE_SECONDS": "0"})
    house = open_house(config, "fill")
    try:
        founding.prepare(house, clock.now())
        seed = store(house, draw(objects.TINY), SEED, instances, reported)
        numbers = range(first, first + count, _BATCH)
        with click.progressbar(numbers, file=sys.stderr, label="  filling") as starts:
            for start in starts:
                house.database.apply(
                    partial(_write, seed, range(start, min(start + _BATCH, first + count)))
                )
    finally:
        house.close()


def day(number: int) -> date:
    """The date of a copy's study."""
    return date(2000, 1, 1) + timedelta(number * 37 % _DAYS)


@dataclass(frozen=True, slots=True)
class Seed:
    """What came in by the doors: data sets by SOP Instance UID, ids, and what it left, by table."""

    datasets: dict[str, bytes]
    key: str
    system: str
    patient: str
    study: str
    rows: tuple[tuple[Table, Row], ...]


def store(
    house: House, template: Template, number: int, instances: int = 1, reported: bool = True
) -> Seed:
    """A study that comes in by the doors and settles, perhaps ordered before and reported after."""
    before = _rows(house)
    if reported:
        _tell(house, objects.ORDER, number)
    datasets = {}
    for place in range(instances):
        name = uid(objects.instance(place), number, number)
        datasets[name] = _send(house, objects.placed(template, place), name, number)
    _work(house)
    if reported:
        _tell(house, objects.REPORT, number)
    rows = _new(before, _rows(house))
    its_study = next(row for table, row in rows if table is study)
    record = next(row for table, row in rows if table is patient)
    with house.database.read() as connection:
        key = house.site(connection, HOME, clock.now()).key
    return Seed(datasets, key, record["issuer"], record["id"], its_study["id"], tuple(rows))


def _new(
    before: list[tuple[Table, Row]], after: list[tuple[Table, Row]]
) -> list[tuple[Table, Row]]:
    """The rows that came, but for what all studies share."""
    shared = {row["rid"] for table, row in after if table is resource and row["type"] == _SHARED}
    known = {(table, _text(row)) for table, row in before}
    return [
        (table, row)
        for table, row in after
        if (table, _text(row)) not in known
        and row.get("type") != _SHARED
        and row.get("rid") not in shared
    ]


def _text(row: Row) -> str:
    return repr(sorted(row.items()))


def _rows(house: House) -> list[tuple[Table, Row]]:
    with house.database.read() as connection:
        return [
            (table, dict(row))
            for table in COPIED
            for row in connection.execute(select(table)).mappings()
        ]


def _tell(house: House, text: str, number: int) -> None:
    """Let a message come in and be applied."""
    caller = messages.greet(house, Connecting("127.0.0.1"))
    if caller is None:
        raise RuntimeError("the door is closed to us")
    messages.receive(house, caller, objects.number(text.encode(), number, number))
    _work(house)


def _send(house: House, template: Template, name: str, number: int) -> bytes:
    """Let an object come in and settle; gives its data set."""
    dataset = template.numbered(number, number)[template.start :] + template.pixels
    peer = Peer("loopback", HOME, frozenset({"store"}))
    request = StoreRequest("bench", peer, template.sop_class, name, template.transfer_syntax)
    sink = ingest.open_sink(house, request)
    sink.write(memoryview(dataset))
    sink.commit()
    return dataset


def _work(house: House) -> None:
    while Worker(house).step():
        pass


def _write(seed: Seed, numbers: range, connection: Connection) -> None:
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
            dataset = seed.datasets[row["uid"]].decode("latin-1")
            made["sha256"] = hashlib.sha256(text(dataset).encode("latin-1")).hexdigest()
            made["number"] = int(text(str(row["number"])))
            made["blob"] = f"{row['blob']}-{number}"
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
        *((one, derived_id(seed.key, "copy", f"{one}|{number}")) for one in _others(seed)),
        (DAY.strftime("%Y%m%d"), day(number).strftime("%Y%m%d")),
        (DAY.isoformat(), day(number).isoformat()),
    )

    def renumber(text: str) -> str:
        for old, new in pairs:
            text = text.replace(old, new)
        return text

    return renumber


def _others(seed: Seed) -> list[str]:
    """The ids of what else was made: orders, reports and their like."""
    ids = {row["id"] for table, row in seed.rows if table is resource}
    return sorted(ids - {seed.patient, seed.study})


def _is_of_study(row: Row) -> bool:
    """Whether a date is the study's: nobody was born since."""
    return bool(row["low"] >= (DAY - date(1970, 1, 2)).days * _MICROS)
