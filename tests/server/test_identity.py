"""Who a DICOM header speaks of: never a guess, and never two people in one record."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from dicom.facts import Issuer, Number, PatientFacts
from fhir import identifiers
from server.flows import patients
from server.flows.patients import Filing, Site, Source
from server.store.db import Database
from server.store.migrate import migrate
from server.store.tables import patient, review
from tests.support import houses

NOW = 1_764_000_000_000_000
CT = Source("CT1")
ANNA = PatientFacts("Puig^Anna", Number("77", Issuer("GEN")), birth_date="19700101", sex="F")
BARE = replace(ANNA, number=Number("77"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'triptych.db'}")
    migrate(opened)
    yield opened
    opened.close()


def site(default: str = "") -> Site:
    mapping = identifiers.Site(base="https://t.example", default=default)
    return Site(1, "home", "ab" * 32, mapping)


def resolve(
    database: Database,
    header: PatientFacts,
    study: str = "1.2",
    source: Source = CT,
    default: str = "",
) -> Filing:
    with database.write() as connection:
        return patients.resolve(connection, site(default), source, header, study, NOW)


def kinds(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(select(patient.c.kind)).scalars())


def reviews(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(review.c.kind)).scalars())


def test_one_number_of_one_issuer_is_one_patient_whatever_the_spelling_of_the_name(
    database: Database,
) -> None:
    one = resolve(database, ANNA)
    other = resolve(database, replace(ANNA, name="PUIG^ANNA M"), "1.3", Source("MR1"))
    assert one.patient == other.patient
    assert reviews(database) == []


def test_the_same_number_of_two_issuers_is_two_patients(database: Database) -> None:
    one = resolve(database, ANNA)
    other = resolve(database, replace(ANNA, number=Number("77", Issuer("SEA"))), "1.3")
    assert one.patient != other.patient


@pytest.mark.parametrize("other", [replace(ANNA, birth_date="19800202"), replace(ANNA, sex="M")])
def test_a_known_number_with_another_birth_date_or_sex_is_filed_apart_and_reviewed(
    database: Database, other: PatientFacts
) -> None:
    one = resolve(database, ANNA)
    apart = resolve(database, other, "1.3")
    assert apart.patient != one.patient
    assert apart.unconfirmed
    assert reviews(database) == ["identity"]


@pytest.mark.parametrize(
    "silent",
    [replace(ANNA, birth_date=""), replace(ANNA, birth_date="19000101"), replace(ANNA, sex="O")],
)
def test_absent_and_placeholder_values_contradict_nothing(
    database: Database, silent: PatientFacts
) -> None:
    assert resolve(database, ANNA).patient == resolve(database, silent).patient
    assert reviews(database) == []


def test_a_number_without_issuer_takes_the_default_of_its_peer_then_of_the_organisation(
    database: Database,
) -> None:
    peer = resolve(database, BARE, source=Source("CT1", "urn:oid:2.25.1"), default="urn:oid:2.25.2")
    home = resolve(database, BARE, source=CT, default="urn:oid:2.25.2")
    assert (peer.system, home.system) == ("urn:oid:2.25.1", "urn:oid:2.25.2")
    assert peer.patient != home.patient


def test_an_unissued_number_joins_only_within_its_source_and_with_the_birth_date(
    database: Database,
) -> None:
    one = resolve(database, BARE, "1.2")
    assert resolve(database, BARE, "1.3").patient == one.patient
    assert resolve(database, BARE, "1.4", Source("MR1")).patient != one.patient
    assert resolve(database, replace(BARE, birth_date="19710101"), "1.5").patient != one.patient
    assert set(kinds(database)) == {"unissued"}


def test_a_bare_number_never_joins_two_studies(database: Database) -> None:
    nobody = replace(BARE, birth_date="")
    assert resolve(database, nobody, "1.2").patient != resolve(database, nobody, "1.3").patient


@pytest.mark.parametrize("number", ["", "0", "1", "123456", "unknown", "TEST"])
def test_placeholder_numbers_are_nobodys(database: Database, number: str) -> None:
    header = replace(ANNA, number=Number(number, Issuer("GEN")))
    assert resolve(database, header, "1.2").patient != resolve(database, header, "1.3").patient
    assert set(kinds(database)) == {"unidentified"}


def test_a_de_identified_header_never_meets_the_real_patient(database: Database) -> None:
    real = resolve(database, ANNA)
    assert resolve(database, replace(ANNA, removed=True), "1.3").patient != real.patient


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (BARE, True),
        (replace(ANNA, number=Number("")), True),
        (replace(ANNA, name=""), True),
        (replace(ANNA, name="Vidal^Eva"), True),
        (replace(ANNA, name="Vidal^Eva", number=Number("")), False),
        (replace(ANNA, number=Number("78", Issuer("GEN"))), False),
        (replace(ANNA, number=Number("77", Issuer("SEA"))), False),
        (replace(ANNA, birth_date="19800101"), False),
        (replace(ANNA, sex="M"), False),
    ],
)
def test_headers_of_one_study_are_one_person_unless_something_contradicts(
    other: PatientFacts, same: bool
) -> None:
    assert patients.same_person(site(), ANNA, other) is same
    assert patients.same_person(site(), other, ANNA) is same


def test_stored_facts_come_back_equal() -> None:
    import json
    from dataclasses import asdict

    header = replace(ANNA, others=(Number("9", Issuer("SSN", "2.25.3", "ISO"), "TEXT"),))
    assert patients.load_facts(json.dumps(asdict(header))) == header


def test_a_server_that_moves_to_another_address_knows_its_patients_again(tmp_path: Path) -> None:
    systems = []
    for address in ("https://old.example", "https://new.example"):
        with (
            houses.opened(tmp_path, BASE_URL=address) as house,
            house.database.read() as connection,
        ):
            home = house.site(connection, 1, NOW)
            systems.append(patients.system_of(home, CT, ANNA.number))
    assert systems == ["https://old.example/gen", "https://old.example/gen"]
