"""A house for tests: real stores in a folder of its own, and patients to put into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import update

from dicom.facts import Number, PatientFacts
from server import clock
from server import config as settings
from server.flows import founding, patients
from server.flows.patients import Source
from server.flows.sites import HOME, House, open_house
from server.store.tables import patient

SYSTEM = "https://hospital.example/mrn"


@contextmanager
def opened(folder: Path, **more: str) -> Iterator[House]:
    """An empty house with its tables; settings are named without TRIPTYCH_."""
    given = {f"TRIPTYCH_{name}": value for name, value in more.items()}
    house = open_house(settings.load({"TRIPTYCH_DATA": str(folder)} | given), "test")
    try:
        founding.prepare(house, clock.now())
        yield house
    finally:
        house.close()


def add_patient(house: House, number: str, organisation: int = HOME) -> str:
    """A patient with a number of SYSTEM, as a DICOM header would make it; gives its id."""
    header = PatientFacts(f"Test^{number}", Number(number), birth_date="19700101", sex="F")
    source = Source("CT1", SYSTEM)
    with house.database.write() as connection:
        site = house.site(connection, organisation, clock.now())
        study = f"1.2.{number}"
        return patients.resolve(connection, site, source, header, study, clock.now()).patient


def retire(house: House, id_: str, heir: str = "") -> None:
    """Mark a patient as merged into another."""
    with house.database.write() as connection:
        values = {"state": "retired", "replaced_by": heir}
        connection.execute(update(patient).where(patient.c.id == id_).values(**values))
