"""Rows of Magic Links, of the browsers that opened one, and of wrong answers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, func, insert, or_, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from server.store.fhir_tables import index_shown, resource
from server.store.jobs import insert_for
from server.store.login_tables import account, session
from server.store.prepared import Prepared
from server.store.share_tables import share, share_session, share_throttle
from server.store.tables import audit, patient, study

_PARENT = share.alias("parent")


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a link."""
    connection.execute(insert(share).values(**values))


def by_id(connection: Connection, id_: str) -> Row[Any] | None:
    """A link by its id."""
    return connection.execute(select(share).where(share.c.id == id_)).one_or_none()


def by_handle(connection: Connection, handle: str, digest: str) -> Row[Any] | None:
    """A link by the digest of its token (`token_hash`), code (`code_hash`) or `manifest_hash`."""
    if not digest:
        return None
    return connection.execute(select(share).where(share.c[handle] == digest)).one_or_none()


def listed(connection: Connection, owner: int, patient_id: str = "") -> Sequence[Row[Any]]:
    """The links of an organisation, or of one of its patients, the newest first; at most 500."""
    query = select(share).where(share.c.organisation == owner)
    if patient_id:
        query = query.where(share.c.patient == patient_id)
    return connection.execute(query.order_by(share.c.created.desc()).limit(500)).fetchall()


def page(
    connection: Connection,
    owner: int,
    patients: Sequence[str],
    before: tuple[int, str] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Links of an organisation, or of these of its patients, behind a place; the newest first."""
    place = tuple_(share.c.created, share.c.id)
    query = select(share).where(share.c.organisation == owner)
    query = query.where(place < tuple_(*before)) if before else query
    if patients:  # put in order here: for an ORDER BY, SQLite walks all links of the organisation
        rows = connection.execute(query.where(share.c.patient.in_(list(patients))))
        return sorted(rows, key=lambda row: (row.created, row.id), reverse=True)[:limit]
    newest = query.order_by(share.c.created.desc(), share.c.id.desc())
    return connection.execute(newest.limit(limit)).fetchall()


def children(connection: Connection, parent: str) -> Sequence[Row[Any]]:
    """The links that a link's holder passed on, the newest first."""
    query = select(share).where(share.c.parent == parent)
    return connection.execute(query.order_by(share.c.created.desc())).fetchall()


def count_answer(connection: Connection, id_: str, *, most: int) -> int:
    """Count an answer before it is judged; how many there were, 0 when there is no such link."""
    counted = (
        update(share)
        .where(share.c.id == id_)
        .values(
            failures=case((share.c.failures <= most, share.c.failures + 1), else_=share.c.failures)
        )
    )
    return connection.execute(counted.returning(share.c.failures)).scalar() or 0


def open_session(
    connection: Connection, row: Row[Any], values: Mapping[str, Any], *, now: int
) -> bool:
    """Use a link once; false when it ended in the meantime, or another used it up."""
    good = (share.c.id == row.id, share.c.answer == row.answer, *_stands(now))
    spent = {"answer": ""} if row.factor == "otp" else {}
    used = update(share).where(*good).values(uses=share.c.uses + 1, failures=0, **spent)
    if connection.execute(used).rowcount != 1:
        return False
    connection.execute(insert(share_session).values(**values))
    return True


# A browser's session while it, its link and the link that this was passed on from all stand, and
# for a named person the login too.
_GOOD = Prepared(
    select(share, share_session.c.hash, patient.c.state)
    .join(share_session, share_session.c.share == share.c.id)
    .join(
        patient,
        (patient.c.organisation == share.c.organisation) & (patient.c.id == share.c.patient),
    )
    .outerjoin(_PARENT, _PARENT.c.id == share.c.parent)
    .outerjoin(account, account.c.id == share.c.person)
    .outerjoin(session, session.c.hash == share_session.c.login)
    .where(
        share_session.c.hash == bindparam("hash_"),
        share_session.c.kind == bindparam("kind"),
        share_session.c.ended == 0,
        share_session.c.expires > bindparam("now"),
        share.c.revoked == 0,
        share.c.frozen == 0,
        share.c.expires > bindparam("now"),
        func.coalesce(_PARENT.c.revoked, 0) == 0,
        func.coalesce(_PARENT.c.frozen, 0) == 0,
        func.coalesce(_PARENT.c.expires, share.c.expires) > bindparam("now"),
        patient.c.state == "active",
        func.coalesce(account.c.retired, 0) == 0,
        func.coalesce(session.c.ended, 0) == 0,
    )
)


def session_row(connection: Connection, hash_: str, kind: str, *, now: int) -> Any:
    """The link of a session, token or ticket that is good now."""
    return _GOOD.row(connection, {"hash_": hash_, "kind": kind, "now": now})


def add_session(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a token or a ticket of a link."""
    connection.execute(insert(share_session).values(**values))


def use(connection: Connection, id_: str, *, now: int) -> bool:
    """Use a link once by its second handle, and take back the one answer that was counted.

    The other wrong ones stay: they count for the life of a health link.
    """
    good = (share.c.id == id_, *_stands(now))
    fewer = case((share.c.failures > 0, share.c.failures - 1), else_=0)
    used = update(share).where(*good).values(uses=share.c.uses + 1, failures=fewer)
    return connection.execute(used).rowcount == 1


def _stands(now: int) -> tuple[ColumnElement[bool], ...]:
    return (
        share.c.revoked == 0,
        share.c.frozen == 0,
        share.c.expires > now,
        or_(share.c.most_uses == 0, share.c.uses < share.c.most_uses),
    )


def end_session(connection: Connection, hash_: str, *, now: int) -> bool:
    """End a browser's session; false when it had ended."""
    mine = update(share_session).where(share_session.c.hash == hash_, share_session.c.ended == 0)
    return connection.execute(mine.values(ended=now)).rowcount == 1


def mark(connection: Connection, id_: str, name: str, *, now: int) -> bool:
    """Set `revoked` or `frozen` of a link; false when it was set."""
    fresh = update(share).where(share.c.id == id_, share.c[name] == 0)
    return connection.execute(fresh.values({name: now})).rowcount == 1


def end_for(connection: Connection, owner: int, patient_id: str, *, now: int) -> list[str]:
    """End every link that shows a patient by name or as a part of another; gives their ids."""
    named = (share.c.patient == patient_id) | share.c.parts.like(f'%"{patient_id}"%')
    ended = update(share).where(share.c.organisation == owner, share.c.revoked == 0, named)
    return list(connection.execute(ended.values(revoked=now).returning(share.c.id)).scalars())


def change(connection: Connection, id_: str, values: Mapping[str, Any]) -> None:
    """Change columns of a link."""
    connection.execute(update(share).where(share.c.id == id_).values(**values))


def failures(connection: Connection, keys: Sequence[str], *, now: int) -> dict[str, int]:
    """How many wrong answers there were lately, by key."""
    query = select(share_throttle.c.key, share_throttle.c.failures).where(
        share_throttle.c.key.in_(keys), share_throttle.c.until > now
    )
    return {row.key: row.failures for row in connection.execute(query)}


def count_failure(connection: Connection, key: str, *, now: int, until: int) -> None:
    """Count a wrong answer; counting begins anew when the time of the one before is over."""
    over = share_throttle.c.until <= now
    row = insert_for(connection.dialect.name, share_throttle).values(
        key=key, failures=1, until=until
    )
    fresh = {
        "failures": case((over, 1), else_=share_throttle.c.failures + 1),
        "until": case((over, until), else_=share_throttle.c.until),
    }
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_=fresh))


def purge(connection: Connection, *, now: int) -> int:
    """Forget sessions and wrong answers whose time is over."""
    gone = connection.execute(share_session.delete().where(share_session.c.expires <= now)).rowcount
    over = share_throttle.delete().where(share_throttle.c.until <= now)
    return gone + connection.execute(over).rowcount


def studies(connection: Connection, owner: int, patients: Sequence[str]) -> Sequence[Row[Any]]:
    """The studies filed under these records and not held, the newest first."""
    query = select(study).where(
        study.c.organisation == owner, study.c.filed_under.in_(patients), ~study.c.held
    )
    newest = query.order_by(study.c.date.desc(), study.c.time.desc(), study.c.uid)
    return connection.execute(newest).fetchall()


def described(connection: Connection, owner: int, uids: Collection[str]) -> list[str]:
    """The ids of the ImagingStudies of studies, the newest first."""
    query = select(study.c.id).where(study.c.organisation == owner, study.c.uid.in_(sorted(uids)))
    return list(connection.execute(query.order_by(study.c.date.desc(), study.c.uid)).scalars())


def reports_of(connection: Connection, owner: int, study_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The reports that show these ImagingStudies, whoever may read them."""
    shown = select(index_shown.c.rid).where(
        index_shown.c.organisation == owner,
        index_shown.c.target_type == "ImagingStudy",
        index_shown.c.target.in_(study_ids),
    )
    query = select(resource).where(
        resource.c.organisation == owner, resource.c.rid.in_(shown), ~resource.c.deleted
    )
    return connection.execute(query.order_by(resource.c.rid)).fetchall()


def log(connection: Connection, owner: int, person: str, ids: Sequence[str]) -> Sequence[Row[Any]]:
    """What the audit tells of links of one person, the newest first; at most 500 events."""
    query = select(audit).where(
        audit.c.organisation == owner, audit.c.person == person, audit.c.grant.in_(ids)
    )
    return connection.execute(
        query.order_by(audit.c.at.desc(), audit.c.seq.desc()).limit(500)
    ).fetchall()
