"""A house that sends mail, with a patient whose address was checked, and its worker by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from server import clock
from server.flows import links, notices, owing, reachable
from server.flows.factors import DAY
from server.flows.links import Made, Wanted
from server.flows.reachable import Contact
from server.flows.sites import HOME, House
from server.flows.worker import HANDLERS, Handler, Worker
from server.store.tables import job, study
from server.web import share_letters
from tests.support import houses, logs

SENDER, ALICE, STAFF = "noreply@stmary.example", "alice@home.example", "desk@stmary.example"


@contextmanager
def sending(folder: Path, url: str, **more: str) -> Iterator[House]:
    """A house that mails, with a patient who has a study."""
    given = {"SMTP_URL": url, "SMTP_SENDER": SENDER, "STAFF_MAIL": STAFF} | more
    with houses.opened(folder, **given) as house:
        patient = houses.add_patient(house, "1")
        with house.database.write() as connection:
            values = {"organisation": HOME, "uid": "1.2.1", "id": "study-1", "claim": 0}
            values |= {"subject": patient, "filed_under": patient}
            connection.execute(study.insert().values(**values))
        known = Contact(ALICE, "de")
        reachable.set_contact(house, "home", patient, known, now=clock.now())
        yield house


def patient_of(house: House) -> str:
    with house.database.read() as connection:
        return str(connection.execute(select(study.c.filed_under)).scalar_one())


def mailed(house: House, factor: str = "birth-date", **more: Any) -> Made:
    now = clock.now()
    wanted = Wanted(patient_of(house), factor, now + DAY, mail=True, **more)
    made = links.make(house, wanted, now=now)
    logs.keep_out(made.token)
    return made


def work(house: House) -> None:
    """Do all that is due, now."""
    handlers: dict[str, Handler] = {
        **HANDLERS,
        owing.KIND: partial(notices.send, write=share_letters.write),
    }
    worker = Worker(house, handlers)
    while worker.step():
        pass


def hurry(house: House) -> None:
    """Let what waits be due."""
    with house.database.write() as connection:
        connection.execute(update(job).values(run_at=0, lease_until=0))
