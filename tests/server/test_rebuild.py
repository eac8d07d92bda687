"""What was made from objects and messages is made anew from them, as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from server import clock
from server.__main__ import cli
from server.flows import curating, rebuilding
from server.flows.sites import House
from server.store.fhir_tables import content, derived, resource, resource_version
from server.store.hl7_tables import last_word, link_key, message_effect
from server.store.resources import INDEX_TABLES, param_id
from server.store.tables import audit, instance, instance_json, series, study, study_key
from tests.support.dicom_papers import dose, pdf
from tests.support.examination import ADT, ORDER, PID, bodies, drain, graph, report, send, store
from tests.support.hl7_builder import obx, packed
from tests.support.houses import opened
from tests.support.paper_house import accept, person

PDF = obx("ED", "PDF^Report", "^AP^PDF^Base64^JVBERi0xLjQgYQ==")
MADE = (
    *(*INDEX_TABLES, resource, resource_version, derived, content, link_key, last_word),
    *(message_effect, instance_json, instance, series, study, study_key),
)


@pytest.fixture
def house(tmp_path: Path) -> Any:
    with opened(tmp_path, SETTLE_SECONDS="0") as made:
        for raw in (ADT, ORDER):
            send(made, raw)
        store(made)
        send(made, report(PDF, obx("TX", "&IMP", "No acute finding.")))
        accept(made, pdf("1.2.4.1", b"%PDF-1.4 signed", verification="VERIFIED", **person()))
        accept(made, dose("1.2.5.1", ["1.2.5.1.1"], **person()))
        drain(made)
        yield made


def rebuilt(house: House) -> list[str]:
    found = [fault for step in rebuilding.steps(house) for fault in step.faults if fault]
    drain(house)
    return found


def found_by(house: House) -> list[str]:
    """What every resource is found by, but for when it was written."""
    times = {param_id(type_, "_lastUpdated") for type_ in graph(house)}
    times |= {param_id("Provenance", "recorded")}
    rows = []
    with house.database.read() as connection:
        for table in INDEX_TABLES:
            for row in connection.execute(select(table)).mappings():
                if row.get("param") not in times:
                    plain = {name: value for name, value in row.items() if name != "rid"}
                    rows.append(f"{table.name} {plain}")
    return sorted(rows)


def test_from_objects_and_the_log_alone_the_record_is_as_it_was(house: House) -> None:
    before = graph(house)
    assert {"Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport", "Observation"} <= set(
        before
    )
    with house.database.write() as connection:
        for table in MADE:
            connection.execute(delete(table))
    assert graph(house) == {}
    assert rebuilt(house) == []
    assert graph(house) == before


def test_a_rebuild_of_what_is_whole_writes_no_version(house: House) -> None:
    drain(house)

    def versions() -> list[Any]:
        with house.database.read() as connection:
            query = select(resource.c.type, resource.c.id, resource.c.version)
            return sorted(tuple(row) for row in connection.execute(query))

    before, findable = versions(), found_by(house)
    assert rebuilt(house) == []
    assert versions() == before
    assert found_by(house) == findable


def test_damaged_rows_are_put_right(house: House) -> None:
    findable = found_by(house)
    with house.database.read() as connection:
        said = sorted(connection.execute(select(instance.c.facts)).scalars())
        texts = sorted(connection.execute(select(instance_json.c.json)).scalars())
    with house.database.write() as connection:
        connection.execute(update(instance).values(facts="{}", bulk="[]"))
        connection.execute(delete(instance_json))
        for table in INDEX_TABLES:
            connection.execute(delete(table))
    assert rebuilt(house) == []
    with house.database.read() as connection:
        assert sorted(connection.execute(select(instance.c.facts)).scalars()) == said
        assert sorted(connection.execute(select(instance_json.c.json)).scalars()) == texts
    assert found_by(house) == findable


def test_what_a_person_decided_stays(house: House) -> None:
    other = ADT.replace(b"4MR1^^^HOSP", b"9^^^HOSP").replace(b"|A1|", b"|A2|")
    send(house, other)
    send(house, packed("ADT^A40^ADT_A39", PID, "MRG|9^^^HOSP^MR", control="M1"))
    retired = next(one for one in bodies(house)["Patient"] if not one.get("active", True))
    curating.unmerge(house, "home", retired["id"], "two people", now=clock.now())
    drain(house)
    before = graph(house)
    assert rebuilt(house) == []
    assert graph(house) == before


def test_a_second_content_stays_with_the_study_of_the_first(house: House) -> None:
    rival = pdf("1.2.4.1", b"%PDF-1.4 other", verification="VERIFIED", **person())
    rival.StudyInstanceUID = "1.2.99"
    accept(house, rival)

    def places() -> list[Any]:
        with house.database.read() as connection:
            query = select(instance.c.uid, instance.c.copy, instance.c.study, instance.c.claim)
            return sorted(tuple(row) for row in connection.execute(query))

    before = places()
    assert len(before) == 4
    assert rebuilt(house) == []
    assert places() == before


def test_the_audit_says_that_it_was_done(house: House) -> None:
    rebuilt(house)
    with house.database.read() as connection:
        details = connection.execute(select(audit.c.detail)).scalars()
        assert [one for one in details if one.startswith("rebuild")] == [
            "rebuild: what is derived is made anew"
        ]


def test_an_object_that_cannot_be_read_is_named_and_the_rest_is_made(house: House) -> None:
    with house.database.read() as connection:
        row = connection.execute(select(instance).order_by(instance.c.uid)).first()
    assert row is not None
    house.blobs.path(row.blob).unlink()
    told = CliRunner().invoke(cli, ["rebuild"], env={"TRIPTYCH_DATA": str(house.config.data)})
    assert told.exit_code == 1
    answer = json.loads(told.stdout.splitlines()[-1])
    assert [fault.partition(":")[0] for fault in answer["faults"]] == [row.uid]
    assert answer["objects"] == 3
    assert answer["messages"] == 3
