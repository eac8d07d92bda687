"""ImagingStudy placeholders: studies that a message names by UID and no image has come of."""

from typing import Any

from sqlalchemy import Connection, select

from fhir import imaging_study
from fhir.identifiers import DICOM_UID, bare_uid
from fhir.imaging_study import Order, StudyView
from server.flows.patients import Site
from server.store.install import derived_id
from server.store.tables import study

Json = dict[str, Any]


def id_of(site: Site, uid: str) -> str:
    """The id that the first claim to a study has, or will have when its images come."""
    return derived_id(site.key, "ImagingStudy", f"{site.organisation}|{uid}|0")


def claim_of(connection: Connection, organisation: int, id_: str) -> str:
    """Which claim a resource stands for, as settle jobs name it; "" for a placeholder."""
    query = select(study.c.uid, study.c.claim).where(
        study.c.organisation == organisation, study.c.id == id_
    )
    row = connection.execute(query).one_or_none()
    return f"{row.uid}|{row.claim}" if row else ""


def make(site: Site, uid: str, patient: str) -> Json:
    """A placeholder for a study of a patient (mapping 1.9: registered)."""
    view = StudyView(id=id_of(site, uid), uid=uid, subject=f"Patient/{patient}")
    return _built(site, view)


def body(site: Site, id_: str, present: Json, orders: tuple[Order, ...]) -> Json:
    """A placeholder that names its orders."""
    uid = next(
        bare_uid(one["value"]) for one in present["identifier"] if one.get("system") == DICOM_UID
    )
    subject = present["subject"]["reference"]
    return _built(site, StudyView(id=id_, uid=uid, subject=subject, orders=orders))


def _built(site: Site, view: StudyView) -> Json:
    made = imaging_study.build(view, site.mapping)
    # Of a study that nobody has seen, nothing can be counted.
    return {k: v for k, v in made.items() if k not in ("numberOfSeries", "numberOfInstances")}
