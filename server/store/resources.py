"""FHIR resources as text: current version, every version, and the rows that searches use."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    false,
    func,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from fhir import extract, release_traits, wire
from fhir.extract import DateRow, PairRow, ReferenceRow, StringRow, TokenRow, UriRow
from fhir.match_keys import local_reference, token_key
from fhir.search_params import TABLE
from server.clock import instant, row_id
from server.store import contacts
from server.store.fhir_tables import (
    index_date,
    index_pair,
    index_reference,
    index_shown,
    index_string,
    index_token,
    index_uri,
    resource,
    resource_version,
)
from server.store.prepared import Prepared, addition, given

Clause = ColumnElement[bool]
INDEX_TABLES = (
    *(index_token, index_string, index_date, index_reference, index_uri, index_pair),
    index_shown,
)


def param_id(resource_type: str, name: str) -> int:
    """The small number that stands for a search parameter in the index tables."""
    return zlib.crc32(f"{resource_type}.{name}".encode()) & 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Change:
    """When and why something is written, and our own FHIR address, to tell our references."""

    now: int
    reason: str
    base: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a resource belongs: its organisation, the Patient it is filed under, if it is held.

    `filed_under` is empty for what belongs to no patient. A hidden resource is not for patients.
    """

    organisation: int
    filed_under: str = ""
    hidden: bool = False


_CURRENT = Prepared(
    select(resource).where(
        resource.c.organisation == bindparam("organisation"),
        resource.c.type == bindparam("type"),
        resource.c.id == bindparam("id"),
    )
)


_ADD, _ADD_VERSION = addition(resource), addition(resource_version)
_CHANGE = Prepared(
    update(resource)
    .where(
        resource.c.organisation == bindparam("its_organisation"),
        resource.c.rid == bindparam("its_rid"),
    )
    .values(
        {
            name: bindparam(name)
            for name in (
                *("version", "updated", "deleted", "hidden", "filed_under", "text"),
                *("traits", "issued"),
            )
        }
    )
)
_ADD_ROW = {table: addition(table) for table in INDEX_TABLES}
_REMOVE_ROWS = [
    Prepared(one.delete().where(given(one, "organisation", "rid"))) for one in INDEX_TABLES
]


def current(connection: Connection, organisation: int, type_: str, id_: str) -> Any:
    """The row of the current version, deleted ones included."""
    return _CURRENT.row(connection, {"organisation": organisation, "type": type_, "id": id_})


def put(connection: Connection, owner: Owner, body: dict[str, Any], change: Change) -> int:
    """Store a body whose `id` is set and return its version; an equal body writes nothing."""
    type_, id_ = body["resourceType"], body["id"]
    old = current(connection, owner.organisation, type_, id_)
    if old is not None and not old.deleted and _same(old, owner, body):
        return int(old.version)
    version = 1 if old is None else old.version + 1
    text = _stamp(body, version, change.now)
    rid = old.rid if old is not None else row_id(change.now)
    values = {
        "version": version,
        "updated": change.now,
        "deleted": False,
        "hidden": owner.hidden,
        "filed_under": owner.filed_under,
        "traits": release_traits.traits(body),
        "issued": release_traits.issued(body) or (change.now if old is None else old.issued),
        "text": text,
    }
    if old is None:
        key = {"organisation": owner.organisation, "rid": rid, "type": type_, "id": id_}
        _ADD.run(connection, key | values)
    else:
        place = {"its_organisation": owner.organisation, "its_rid": rid}
        _CHANGE.run(connection, place | values)
        _unindex(connection, owner.organisation, rid)
    _keep_version(connection, owner, body, version, text, change)
    _index(connection, owner.organisation, rid, wire.read(text), change.base)
    if type_ == "DiagnosticReport":
        contacts.rouse(connection, owner.organisation, owner.filed_under, change.now)
    return int(version)


def hide_versions(connection: Connection, organisation: int, type_: str, id_: str) -> None:
    """Take every version so far from patients: its content was withdrawn."""
    where = (
        resource_version.c.organisation == organisation,
        resource_version.c.type == type_,
        resource_version.c.id == id_,
    )
    connection.execute(update(resource_version).where(*where).values(hidden=True))


def texts_of_versions(
    connection: Connection, organisation: int, type_: str, id_: str
) -> Sequence[str]:
    """The text of every version of a resource."""
    query = _versions(organisation, type_, id_, true()).with_only_columns(resource_version.c.text)
    return list(connection.execute(query).scalars())


def withdraw(connection: Connection, owner: Owner, body: dict[str, Any], change: Change) -> None:
    """Delete a resource: it answers 410 and no search finds it; its versions stay."""
    old = current(connection, owner.organisation, body["resourceType"], body["id"])
    version, organisation = old.version + 1, owner.organisation
    where = (resource.c.organisation == organisation) & (resource.c.rid == old.rid)
    values = {"version": version, "updated": change.now, "deleted": True}
    connection.execute(update(resource).where(where).values(**values))
    _keep_version(connection, owner, body, version, "", change, method="DELETE")
    _unindex(connection, organisation, old.rid)


def is_referred_to(connection: Connection, organisation: int, type_: str, id_: str) -> bool:
    """Whether another resource refers to one; what tells of its origin does not count."""
    link = index_reference
    query = (
        select(resource.c.rid)
        .join(
            link, (link.c.organisation == resource.c.organisation) & (link.c.rid == resource.c.rid)
        )
        .where(
            link.c.organisation == organisation,
            link.c.target_type == type_,
            link.c.target == id_,
            resource.c.type != "Provenance",
            or_(resource.c.type != type_, resource.c.id != id_),
        )
    )
    return connection.execute(query.limit(1)).first() is not None


def has_identifier(
    connection: Connection, organisation: int, type_: str, system: str, value: str
) -> bool:
    """Whether a present resource of a type bears a number."""
    query = select(index_token.c.rid).where(
        index_token.c.organisation == organisation,
        index_token.c.param == param_id(type_, "identifier"),
        index_token.c.code == token_key(TABLE[type_]["identifier"], value),
        index_token.c.system == system,
    )
    return connection.execute(query.limit(1)).first() is not None


def _same(old: Any, owner: Owner, body: dict[str, Any]) -> bool:
    """Whether a body equals the stored one but for its version and time, and its owner too."""
    if (old.filed_under, old.hidden) != (owner.filed_under, owner.hidden):
        return False
    before = wire.read(old.text)
    for side in (before, body):
        meta = side.get("meta", {})
        meta.pop("versionId", None)
        meta.pop("lastUpdated", None)
        if not meta:
            side.pop("meta", None)
    return bool(before == body)


def _stamp(body: dict[str, Any], version: int, now: int) -> str:
    """The body as text, with its version and time, `resourceType`, `id`, `meta` first."""
    meta = {"versionId": str(version), "lastUpdated": instant(now), **body.get("meta", {})}
    meta |= {"versionId": str(version), "lastUpdated": instant(now)}
    head = {"resourceType": body["resourceType"], "id": body["id"], "meta": meta}
    rest = {key: value for key, value in body.items() if key not in head}
    return wire.write(head | rest)


def _keep_version(
    connection: Connection,
    owner: Owner,
    body: dict[str, Any],
    version: int,
    text: str,
    change: Change,
    method: str = "",
) -> None:
    values = {
        "organisation": owner.organisation,
        "filed_under": owner.filed_under,
        "hidden": owner.hidden,
        "type": body["resourceType"],
        "id": body["id"],
        "version": version,
        "updated": change.now,
        "method": method or ("POST" if version == 1 else "PUT"),
        "reason": change.reason,
        "text": text,
    }
    _ADD_VERSION.run(connection, values)


def index_anew(
    connection: Connection, organisation: int, rid: int, body: dict[str, Any], base: str
) -> None:
    """Write what a resource is found by, in the place of what it was found by."""
    _unindex(connection, organisation, rid)
    _index(connection, organisation, rid, body, base)


def _index(
    connection: Connection, organisation: int, rid: int, body: dict[str, Any], base: str
) -> None:
    """Write the index rows of a resource that has none."""
    for row in extract.rows(body, base=base):
        table, values = index_values(row)
        key = {"organisation": organisation, "rid": rid}
        key["param"] = param_id(body["resourceType"], row.param)
        _ADD_ROW[table].run(connection, key | values)
    _index_shown(connection, organisation, rid, body, base)


def _index_shown(
    connection: Connection, organisation: int, rid: int, body: dict[str, Any], base: str
) -> None:
    """Keep which studies and documents of ours a report shows, or a DocumentReference."""
    if body["resourceType"] not in ("DiagnosticReport", "DocumentReference"):
        return
    addresses = [one.get("reference", "") for one in body.get("imagingStudy", [])]
    addresses += [one.get("url", "") for one in body.get("presentedForm", [])]
    addresses += [one["attachment"].get("url", "") for one in body.get("content", [])]
    shown = dict.fromkeys(filter(None, (local_reference(one, base) for one in addresses)))
    key = {"organisation": organisation, "rid": rid}
    rows = [key | {"target_type": type_, "target": id_} for type_, id_ in shown]
    if rows:
        connection.execute(insert(index_shown), rows)


def _unindex(connection: Connection, organisation: int, rid: int) -> None:
    for statement in _REMOVE_ROWS:
        statement.run(connection, {"organisation": organisation, "rid": rid})


def index_values(row: extract.Row) -> tuple[Any, dict[str, Any]]:
    """The table that an index row belongs to, and its columns there."""
    match row:
        case TokenRow():
            return index_token, {"system": row.system, "code": row.code, "text": row.text}
        case StringRow():
            return index_string, {"norm": row.norm, "exact": row.exact}
        case DateRow():
            return index_date, {"low": row.low, "high": row.high}
        case ReferenceRow():
            target = {"target_type": row.target_type, "target": row.target_id}
            return index_reference, target | {"url": row.url}
        case UriRow():
            return index_uri, {"value": row.value}
        case PairRow():
            return index_pair, {k: v for k, v in asdict(row).items() if k != "param"}


def version_row(
    connection: Connection, organisation: int, type_: str, id_: str, version: int, allowed: Clause
) -> Any:
    """One version of a resource, if it is allowed."""
    return connection.execute(
        _versions(organisation, type_, id_, allowed).where(resource_version.c.version == version)
    ).one_or_none()


def history(
    connection: Connection,
    organisation: int,
    type_: str,
    id_: str,
    allowed: Clause,
    *,
    since: int,
    before: int,
    count: int,
) -> Sequence[Any]:
    """Allowed versions below `before` written at or after `since`, newest first."""
    query = _versions(organisation, type_, id_, allowed).where(
        resource_version.c.updated >= since, resource_version.c.version < before
    )
    return connection.execute(
        query.order_by(resource_version.c.version.desc()).limit(count)
    ).fetchall()


def versions(connection: Connection, organisation: int, type_: str, id_: str) -> Sequence[Any]:
    """Every version, the newest first."""
    query = _versions(organisation, type_, id_, true())
    return connection.execute(query.order_by(resource_version.c.version.desc())).fetchall()


def count_versions(
    connection: Connection, organisation: int, type_: str, id_: str, allowed: Clause, *, since: int
) -> int:
    """How many allowed versions were written at or after `since`."""
    versions = _versions(organisation, type_, id_, allowed)
    counted = versions.where(resource_version.c.updated >= since).subquery()
    return connection.execute(select(func.count()).select_from(counted)).scalar() or 0


def _versions(organisation: int, type_: str, id_: str, allowed: Clause) -> Any:
    return select(resource_version).where(
        resource_version.c.organisation == organisation,
        resource_version.c.type == type_,
        resource_version.c.id == id_,
        allowed,
    )


def filed_under(
    connection: Connection, organisation: int, patient: str, after: tuple[str, int], limit: int
) -> Sequence[Any]:
    """Present resources that came in under a patient, by type and row, behind a place."""
    query = select(resource).where(
        resource.c.organisation == organisation,
        resource.c.filed_under == patient,
        tuple_(resource.c.type, resource.c.rid) > tuple_(*after),
        resource.c.deleted == false(),
    )
    return connection.execute(
        query.order_by(resource.c.type, resource.c.rid).limit(limit)
    ).fetchall()


def texts(connection: Connection, organisation: int, rids: Iterable[int]) -> dict[int, Any]:
    """Current rows by row id."""
    query = select(resource).where(
        resource.c.organisation == organisation, resource.c.rid.in_(list(rids))
    )
    return {row.rid: row for row in connection.execute(query)}


def newest_of(
    connection: Connection, organisation: int, type_: str, patients: Sequence[str], limit: int
) -> Sequence[Any]:
    """The present resources of a type that came in under these patients, the newest first."""
    query = select(resource).where(
        resource.c.organisation == organisation,
        resource.c.filed_under.in_(list(patients)),
        resource.c.type == type_,
        resource.c.deleted == false(),
    )
    return connection.execute(query.order_by(resource.c.rid.desc()).limit(limit)).fetchall()
