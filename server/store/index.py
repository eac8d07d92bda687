"""The DICOM index: studies, series and instances as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from dicom.query import name_groups
from server.store.jobs import insert_for
from server.store.prepared import Prepared
from server.store.tables import instance, instance_json, series, study, study_key

LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class StudyKey:
    """One patient's claim to a study UID within an organisation."""

    organisation: int
    uid: str
    claim: int = 0


_COPIES = Prepared(
    select(
        instance.c.copy,
        instance.c.sha256,
        instance.c.blob,
        instance.c.study,
        instance.c.claim,
        instance.c.transfer_syntax,
    )
    .where(instance.c.organisation == bindparam("organisation"), instance.c.uid == bindparam("uid"))
    .order_by(instance.c.copy)
)
_CLAIMS = Prepared(
    select(study)
    .where(study.c.organisation == bindparam("organisation"), study.c.uid == bindparam("uid"))
    .order_by(study.c.claim)
)
_COUNT_STUDY = Prepared(
    update(study)
    .where(
        study.c.organisation == bindparam("of_organisation"),
        study.c.uid == bindparam("of_study"),
        study.c.claim == bindparam("of_claim"),
    )
    .values(instances=study.c.instances + 1, changed=bindparam("now"))
)
_PLACES = Prepared(
    select(instance.c.bulk, instance.c.frame_index, instance.c.facts).where(
        instance.c.organisation == bindparam("organisation"),
        instance.c.uid == bindparam("uid"),
        instance.c.copy == 0,
    )
)
_ADD_INSTANCE = Prepared(insert(instance))
_ADD_JSON = Prepared(insert(instance_json))


def copies(connection: Connection, organisation: int, uid: str) -> Sequence[Any]:
    """Every content kept under one SOP Instance UID, the visible one first."""
    return _COPIES.rows(connection, {"organisation": organisation, "uid": uid})


def claims(connection: Connection, organisation: int, uid: str) -> Sequence[Any]:
    """Every claim to a study UID, the first one first."""
    return _CLAIMS.rows(connection, {"organisation": organisation, "uid": uid})


def claim_row(connection: Connection, key: StudyKey) -> Any:
    """The row of one claim."""
    return connection.execute(select(study).where(*_is(study, "uid", key))).one_or_none()


def uid_of(connection: Connection, organisation: int, id_: str) -> str:
    """The Study Instance UID behind the id of an ImagingStudy, "" for one without pixels."""
    query = select(study.c.uid).where(study.c.organisation == organisation, study.c.id == id_)
    return connection.execute(query).scalar() or ""


def _is(table: Any, uid: str, key: StudyKey) -> list[Any]:
    return [
        table.c.organisation == key.organisation,
        table.c[uid] == key.uid,
        table.c.claim == key.claim,
    ]


def add_study(connection: Connection, key: StudyKey, values: dict[str, Any]) -> None:
    """Make the row of a new claim, and the keys by which it is found."""
    connection.execute(
        insert(study).values(organisation=key.organisation, uid=key.uid, claim=key.claim, **values)
    )
    for group in name_groups(values["patient_name"]):
        add_key(connection, key, "patient", group)
    for group in name_groups(values["referrer"]):
        add_key(connection, key, "referrer", group)
    add_key(connection, key, "accession", values["accession"])


def set_patient(connection: Connection, key: StudyKey, values: dict[str, Any]) -> None:
    """Let a claim show another patient, and be found by that name alone."""
    connection.execute(update(study).where(*_is(study, "uid", key)).values(**values))
    names = [*_is(study_key, "study", key), study_key.c.role == "patient"]
    connection.execute(study_key.delete().where(*names))
    for group in name_groups(values["patient_name"]):
        add_key(connection, key, "patient", group)


def add_key(connection: Connection, key: StudyKey, role: str, value: str) -> None:
    """Make a claim findable by a value; nothing happens if it is already, or the value is empty."""
    if value:
        names = {"study": key.uid, "claim": key.claim, "role": role, "value": value[:LONGEST_KEY]}
        row = insert_for(connection.dialect.name, study_key).values(
            organisation=key.organisation, **names
        )
        connection.execute(row.on_conflict_do_nothing())


def count_instance(
    connection: Connection, key: StudyKey, series_uid: str, values: dict[str, Any], now: int
) -> None:
    """Count one more visible instance in its series (made if new) and study."""
    owner = {"organisation": key.organisation, "study": key.uid, "claim": key.claim}
    _COUNT_SERIES.run(connection, owner | values | {"uid": series_uid, "instances": 1})
    of_study = {f"of_{name}": value for name, value in owner.items()}
    _COUNT_STUDY.run(connection, of_study | {"now": now})


def _count_series(dialect: str) -> Any:
    """Add a series with its first instance, or count one more."""
    row = insert_for(dialect, series).values({c.name: bindparam(c.name) for c in series.c})
    return row.on_conflict_do_update(
        index_elements=["organisation", "study", "claim", "uid"],
        set_={"instances": series.c.instances + 1},
    )


_COUNT_SERIES = Prepared(_count_series)


def set_settling(connection: Connection, key: StudyKey, settling: bool) -> None:
    """Note that a job will settle the study, so that nobody need ask for one."""
    connection.execute(update(study).where(*_is(study, "uid", key)).values(settling=settling))


def end_settling(connection: Connection, key: StudyKey, changed: int) -> bool:
    """Note that no job will settle the study; false when it has grown since `changed`."""
    same = study.c.changed == changed
    ended = update(study).where(*_is(study, "uid", key), same).values(settling=False)
    return connection.execute(ended).rowcount == 1


def add_instance(connection: Connection, values: dict[str, Any], json_text: str) -> None:
    """Make the row of an instance and keep its DICOM JSON beside it."""
    _ADD_INSTANCE.run(connection, values)
    _ADD_JSON.run(connection, values | {"json": json_text})


def facts(connection: Connection, key: StudyKey) -> list[str]:
    """The stored facts of every visible instance of a study, in a fixed order."""
    query = select(instance.c.facts).where(
        instance.c.organisation == key.organisation,
        instance.c.study == key.uid,
        instance.c.claim == key.claim,
        instance.c.copy == 0,
    )
    return [row.facts for row in connection.execute(query.order_by(instance.c.uid))]


def visible(
    connection: Connection, key: StudyKey, series_uid: str = "", uid: str = ""
) -> Sequence[Any]:
    """Where the visible instances of a study lie, or of one series, or one instance, in order."""
    named = {"series": series_uid, "uid": uid}
    given = {name: value for name, value in named.items() if value}
    values = {"organisation": key.organisation, "study": key.uid, "claim": key.claim, **given}
    return _visible(tuple(given)).rows(connection, values)


@cache
def _visible(given: tuple[str, ...]) -> Prepared:
    names = ("series", "uid", "number", "sop_class", "transfer_syntax", "blob", "size")
    more = ("dataset_offset", "preamble_clean", "deflated", "sha256", "frames")
    keys = ("organisation", "study", "claim", *given)
    return Prepared(
        select(*(instance.c[name] for name in (*names, *more)))
        .where(*(instance.c[name] == bindparam(name) for name in keys), instance.c.copy == 0)
        .order_by(instance.c.series, instance.c.number, instance.c.uid)
    )


def series_of(connection: Connection, key: StudyKey) -> Sequence[Any]:
    """The series of a study."""
    query = select(series).where(*_is(series, "study", key))
    return connection.execute(query.order_by(series.c.number, series.c.uid)).fetchall()


def places(connection: Connection, organisation: int, uid: str) -> Any:
    """The bulk values, the frame index and the facts of one visible instance."""
    return _PLACES.row(connection, {"organisation": organisation, "uid": uid})


def known_blobs(connection: Connection, organisation: int, keys: list[str]) -> set[str]:
    """Which of these blob keys have a row."""
    query = select(instance.c.blob).where(
        instance.c.organisation == organisation, instance.c.blob.in_(keys)
    )
    return set(connection.execute(query).scalars())


def summarise(connection: Connection, key: StudyKey, values: dict[str, Any]) -> None:
    """Write what a settled study knows of its whole: modalities, number of series, revision."""
    count = (
        select(func.count()).select_from(series).where(*_is(series, "study", key))
    ).scalar_subquery()
    connection.execute(update(study).where(*_is(study, "uid", key)).values(series=count, **values))


def studies_of(
    connection: Connection, organisation: int, records: Sequence[str], limit: int
) -> Sequence[Any]:
    """The studies that came in under these records, the newest first."""
    query = select(study).where(
        study.c.organisation == organisation, study.c.filed_under.in_(list(records))
    )
    newest = query.order_by(study.c.date.desc(), study.c.time.desc(), study.c.uid)
    return connection.execute(newest.limit(limit)).fetchall()
