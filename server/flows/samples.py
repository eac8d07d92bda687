"""The sample data of `demo`: only in a store that holds nothing else."""

from collections.abc import Callable

from sqlalchemy import select

from server.errors import Conflict
from server.flows.sites import House
from server.store import install
from server.store.fhir_tables import resource
from server.store.tables import study

Look = Callable[[], str]


def claim_for_demo(house: House) -> None:
    """Mark an empty store as a demo. Raises Conflict for one that holds other data."""
    with house.database.write() as connection:
        if install.value(connection, "demo") is not None:
            return
        if connection.execute(select(study.c.uid).limit(1)).first() is not None:
            raise Conflict(
                f"{house.config.data} holds data that is not the demo's: "
                "choose another TRIPTYCH_DATA, or run `serve`"
            )
        install.keep(connection, "demo", "yes")


def patient_of(house: House, study_uid: str) -> str:
    """The Patient id of a study whose ImagingStudy can be read, else an empty text."""
    query = (
        select(study.c.subject)
        .join(resource, (resource.c.organisation == study.c.organisation))
        .where(resource.c.type == "ImagingStudy", resource.c.id == study.c.id)
        .where(study.c.uid == study_uid, study.c.revision > 0)
    )
    with house.database.read() as connection:
        return connection.execute(query).scalar() or ""
