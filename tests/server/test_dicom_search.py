"""Searches of the DICOM index: what they find, in which order, and how they get there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from dicom.query import KEYS, match
from server.flows import query
from server.flows.access import Grant
from server.flows.sites import HOME, House
from server.store import dicom_counts, dicom_search, index
from server.store.dicom_search import Search
from server.store.index import StudyKey
from server.store.tables import instance, series
from tests.support import houses
from tests.support.effort import measured

STAFF = Grant(id="g", organisation=HOME, client="c", context="system", everyone=True)

STUDIES: tuple[dict[str, str], ...] = (
    {"uid": "1.1", "patient_name": "Doe^Jane", "patient_number": "A1", "date": "20240101"},
    {"uid": "1.2", "patient_name": "Doe^John", "patient_number": "A2", "date": "20240102"},
    {"uid": "1.3", "patient_name": "Müller^Zoë", "patient_number": "B1", "date": "20240103"},
    {
        "uid": "1.4",
        "patient_name": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "patient_number": "B2",
        "date": "20240103",
        "time": "235000",
    },
    {"uid": "1.5", "patient_name": "", "patient_number": "B%1", "date": ""},
    {
        "uid": "1.6",
        "patient_name": "Smith^Al",
        "patient_number": "A1",
        "patient_issuer": '["OTHER", "", ""]',
        "date": "20240104",
        "time": "001000",
        "referrer": "House^Gregory",
        "description": "CT [chest]",
    },
)
MODALITIES = {"1.1": ("CT", "SR"), "1.2": ("MR",), "1.3": ("CT",), "1.6": ("XC",)}


def add(house: House, given: dict[str, str], modalities: tuple[str, ...] = ("OT",)) -> None:
    """A study with two instances in a series of each modality."""
    names = ("patient_number", "patient_name", "patient_birth_date", "patient_sex", "time")
    values: dict[str, Any] = dict.fromkeys((*names, "number", "description", "referrer"), "")
    values |= {"patient_issuer": '["", "", ""]', "accession": f"ACC{given['uid']}"}
    values |= {name: value for name, value in given.items() if name != "uid"}
    filed = values.pop("filed_under", f"of-{values['patient_number']}")
    key = StudyKey(HOME, given["uid"], int(values.pop("claim", 0)))
    with house.database.write() as connection:
        values |= {"id": f"{key.uid}-{key.claim}", "subject": filed, "filed_under": filed}
        values |= {"held": key.claim > 0, "arrived": 1, "changed": 1}
        index.add_study(connection, key, values)
        for number, modality in enumerate(modalities):
            _fill(connection, key, number, modality)


def _fill(connection: Any, key: StudyKey, number: int, modality: str) -> None:
    owner = {"organisation": HOME, "study": key.uid, "claim": key.claim}
    uid = f"{key.uid}.{key.claim}.{number}"
    connection.execute(
        insert(series).values(
            **owner, uid=uid, modality=modality, number=number, instances=2, date="20240101"
        )
    )
    for place in (2, 1):
        connection.execute(
            insert(instance).values(
                **owner,
                uid=f"{uid}.{place}",
                copy=0,
                series=uid,
                number=place,
                sop_class="1.2.840.10008.5.1.4.1.1.2",
                transfer_syntax="1.2.840.10008.1.2.1",
                blob=f"{uid}.{place}",
                sha256="",
            )
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with houses.opened(tmp_path_factory.mktemp("house")) as made:
        for given in STUDIES:
            add(made, given, MODALITIES.get(given["uid"], ("OT",)))
        yield made


Asked = dict[str, str]


def search(level: str, asked: Asked, grant: Grant = STAFF) -> Search:
    """A search by keyword; `study`, `series`, `limit` and `offset` as they are."""
    plain: dict[str, Any] = {name: asked[name] for name in ("study", "series") if name in asked}
    plain |= {name: int(asked[name]) for name in ("limit", "offset") if name in asked}
    keys = {key.keyword: key for key in KEYS.values()}
    matched = {name: value for name, value in asked.items() if name not in plain}
    found = {keys[name].tag: match(keys[name], value) for name, value in matched.items()}
    return Search(
        organisation=HOME,
        level=level,
        gate=query.gate(grant, level),
        matches={tag: one for tag, one in found.items() if one is not None},
        **plain,
    )


def found(house: House, level: str, asked: Asked, grant: Grant = STAFF) -> list[str]:
    with house.database.read() as connection:
        rows = dicom_search.find(connection, search(level, asked, grant))
    name = {"study": "study", "series": "series_uid", "instance": "instance"}[level]
    return [getattr(row, name) for row in rows]


@pytest.mark.parametrize(
    ("asked", "uids"),
    [
        ({}, ["1.6", "1.4", "1.3", "1.2", "1.1", "1.5"]),
        ({"PatientName": "doe^*"}, ["1.2", "1.1"]),
        ({"PatientName": "DOE^JANE"}, ["1.1"]),
        ({"PatientName": "doe"}, []),
        ({"PatientName": "*john*"}, ["1.2"]),
        ({"PatientName": "muller^zoe"}, ["1.3"]),
        ({"PatientName": "山田*"}, ["1.4"]),
        ({"PatientName": "やまだ^たろう"}, ["1.4"]),
        ({"ReferringPhysicianName": "house*"}, ["1.6"]),
        ({"PatientID": "A1"}, ["1.6", "1.1"]),
        ({"PatientID": "A1", "IssuerOfPatientID": "OTHER"}, ["1.6"]),
        ({"IssuerOfPatientID": "OTH*"}, ["1.6"]),
        ({"PatientID": "a1"}, []),
        ({"PatientID": "A?"}, ["1.6", "1.2", "1.1"]),
        ({"PatientID": "B%*"}, ["1.5"]),
        ({"StudyDescription": "CT [c*"}, ["1.6"]),
        ({"StudyDescription": "ct*"}, []),
        ({"StudyDate": "20240103"}, ["1.4", "1.3"]),
        ({"StudyDate": "20240102-20240103"}, ["1.4", "1.3", "1.2"]),
        ({"StudyDate": "-20240101"}, ["1.1"]),
        ({"StudyDate": "20240104-"}, ["1.6"]),
        ({"StudyDate": "20240103-20240104", "StudyTime": "2300-0100"}, ["1.6", "1.4"]),
        ({"StudyTime": "2300-"}, ["1.4"]),
        ({"AccessionNumber": "ACC1.3"}, ["1.3"]),
        ({"StudyInstanceUID": "1.2,1.1,9.9"}, ["1.2", "1.1"]),
        ({"ModalitiesInStudy": "CT"}, ["1.3", "1.1"]),
        ({"ModalitiesInStudy": "SR,MR"}, ["1.2", "1.1"]),
        ({"ModalitiesInStudy": "CT", "PatientName": "doe*"}, ["1.1"]),
        ({"limit": "2", "offset": "1"}, ["1.4", "1.3", "1.2"]),
    ],
)
def test_studies_are_found_by_their_keys_newest_first(
    house: House, asked: dict[str, Any], uids: list[str]
) -> None:
    assert found(house, "study", asked) == uids


def test_a_study_is_found_by_every_accession_that_one_of_its_objects_had(house: House) -> None:
    key = StudyKey(HOME, "1.3")
    with house.database.write() as connection:
        index.add_key(connection, key, "accession", "LATER")
        index.add_key(connection, key, "accession", "LATER")
    assert found(house, "study", {"AccessionNumber": "LATER"}) == ["1.3"]
    assert found(house, "study", {"AccessionNumber": "ACC1.3"}) == ["1.3"]


@pytest.mark.parametrize(
    ("asked", "uids"),
    [
        ({"study": "1.1"}, ["1.1.0.0", "1.1.0.1"]),
        ({"study": "1.1", "Modality": "SR"}, ["1.1.0.1"]),
        ({"Modality": "CT"}, ["1.3.0.0", "1.1.0.0"]),
        ({"SeriesInstanceUID": "1.1.0.1,1.2.0.0"}, ["1.2.0.0", "1.1.0.1"]),
        ({"SeriesNumber": "1"}, ["1.1.0.1"]),
        ({"PatientID": "A1", "StudyDate": "20240101"}, ["1.1.0.0", "1.1.0.1"]),
    ],
)
def test_series_are_found_within_studies_or_across_them(
    house: House, asked: dict[str, Any], uids: list[str]
) -> None:
    assert found(house, "series", asked) == uids


@pytest.mark.parametrize(
    ("asked", "uids"),
    [
        ({"study": "1.1", "series": "1.1.0.1"}, ["1.1.0.1.1", "1.1.0.1.2"]),
        ({"study": "1.1", "InstanceNumber": "2"}, ["1.1.0.0.2", "1.1.0.1.2"]),
        ({"SOPInstanceUID": "1.2.0.0.2"}, ["1.2.0.0.2"]),
        ({"Modality": "XC"}, ["1.6.0.0.1", "1.6.0.0.2"]),
    ],
)
def test_instances_are_found_in_the_order_of_their_numbers(
    house: House, asked: dict[str, Any], uids: list[str]
) -> None:
    assert found(house, "instance", asked) == uids


def test_the_modalities_and_counts_of_a_study_are_those_of_its_series(house: House) -> None:
    with house.database.read() as connection:
        whole = dicom_counts.wholes(connection, HOME, ["1.1", "1.2"])
    assert whole["1.1", 0] == dicom_counts.Whole(("CT", "SR"), 2, 4)
    assert whole["1.2", 0] == dicom_counts.Whole(("MR",), 1, 2)


def test_a_grant_finds_what_it_reaches_and_nothing_that_is_held(tmp_path: Path) -> None:
    with houses.opened(tmp_path) as house:
        add(house, {"uid": "1", "patient_number": "A", "filed_under": "alice"})
        add(house, {"uid": "1", "patient_number": "B", "filed_under": "bob", "claim": "1"})
        add(house, {"uid": "2", "patient_number": "B", "filed_under": "bob"})
        bob = Grant("b", HOME, "c", "patient", patients=frozenset({"bob"}))
        narrow = Grant("n", HOME, "c", "system", everyone=True, studies=frozenset({"1"}))
        nobody = Grant("n", HOME, "c", "patient")
        elsewhere = Grant("e", 2, "c", "system", everyone=True)
        assert found(house, "study", {}, STAFF) == ["2", "1", "1"]
        assert found(house, "study", {}, bob) == ["2"]
        assert found(house, "instance", {}, bob) == ["2.0.0.1", "2.0.0.2"]
        assert found(house, "study", {}, narrow) == ["1", "1"]
        assert found(house, "study", {}, nobody) == found(house, "study", {}, elsewhere) == []


PATIENT = Grant("p", HOME, "c", "patient", patients=frozenset({"of-A1"}))
USUAL: tuple[tuple[str, Grant, dict[str, str], str], ...] = (
    ("study", STAFF, {}, "ix_study_newest (organisation=?)"),
    ("study", PATIENT, {}, "filed_under_date (organisation=? AND filed_under=?)"),
    ("study", STAFF, {"PatientID": "A1"}, "patient_number (organisation=? AND patient_number=?)"),
    (
        "study",
        STAFF,
        {"PatientName": "doe^*"},
        "study_key_1 (organisation=? AND role=? AND value>?",
    ),
    ("study", STAFF, {"StudyDate": "20240101-20240102"}, "(organisation=? AND date>? AND date<?)"),
    ("study", STAFF, {"AccessionNumber": "ACC1.3"}, "(organisation=? AND role=? AND value=?)"),
    ("study", STAFF, {"StudyInstanceUID": "1.1"}, "study_1 (organisation=? AND uid=?)"),
    ("study", STAFF, {"PatientBirthDate": "19700101"}, "(organisation=? AND patient_birth_date=?)"),
    ("study", STAFF, {"ModalitiesInStudy": "XC"}, "(organisation=? AND modality=?)"),
    ("series", STAFF, {}, "series_1 (organisation=? AND study=? AND claim=?)"),
    ("series", STAFF, {"study": "1.1"}, "series_1 (organisation=? AND study=? AND claim=?)"),
    ("series", STAFF, {"SeriesInstanceUID": "1.1.0.1"}, "uid_study (organisation=? AND uid=?)"),
    ("series", PATIENT, {}, "filed_under_date (organisation=? AND filed_under=?)"),
    ("instance", STAFF, {}, "ix_instance_study (organisation=? AND study=? AND claim=?"),
    ("instance", STAFF, {"study": "1.1"}, "ix_instance_study (organisation=? AND study=?"),
    ("instance", STAFF, {"SOPInstanceUID": "1"}, "instance_1 (organisation=? AND uid=?)"),
    ("instance", PATIENT, {}, "filed_under_date (organisation=? AND filed_under=?)"),
)


@pytest.mark.parametrize(("level", "grant", "asked", "index_used"), USUAL)
def test_the_usual_searches_scan_no_table_and_use_the_index_made_for_them(
    house: House, level: str, grant: Grant, asked: dict[str, str], index_used: str
) -> None:
    plan = explain(house, search(level, asked, grant))
    assert not [line for line in plan if re.match(r"SCAN (study|series|instance)", line)], plan
    assert any(index_used in line for line in plan), plan
    by_organisation = [line for line in plan if line.endswith("(organisation=?)")]
    assert all("ix_study_newest" in line for line in by_organisation), plan


def explain(house: House, asked: Search) -> list[str]:
    """The steps of SQLite's plan for a search."""
    with measured(house.database) as effort, house.database.read() as connection:
        dicom_search.find(connection, asked)
    return effort.plans
