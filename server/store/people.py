"""Rows of those who take part: organisations, groups of patients, clients, DICOM peers."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, true

from server.store.jobs import insert_for
from server.store.tables import (
    authority,
    client,
    issuer,
    organisation,
    patient,
    patient_group,
    patient_number,
    peer,
)


def organisation_id(connection: Connection, name: str) -> int | None:
    """The id of an organisation by its name."""
    return connection.execute(select(organisation.c.id).where(organisation.c.name == name)).scalar()


def add_organisation(connection: Connection, name: str, *, now: int, **settings: str) -> int:
    """Make an organisation and return its id: the next number, as there are few of them."""
    last = connection.execute(select(func.max(organisation.c.id))).scalar() or 0
    made = {"id": last + 1, "name": name, "created": now}
    connection.execute(insert(organisation).values(**made, **settings))
    return last + 1


def add_issuer(connection: Connection, owner: int, namespace: str, system: str) -> None:
    """Name the system that an organisation means by a namespace."""
    values = {"organisation": owner, "namespace": namespace, "system": system}
    connection.execute(insert(issuer).values(**values))


def own_system(connection: Connection, owner: int, system: str, *, now: int) -> int:
    """Let an organisation own a system unless somebody does already; returns the owner."""
    statement = insert_for(connection.dialect.name, authority).values(
        system=system, organisation=owner, created=now
    )
    connection.execute(statement.on_conflict_do_nothing())
    found = select(authority.c.organisation).where(authority.c.system == system)
    return int(connection.execute(found).scalar_one())


def systems_of(connection: Connection, owner: int) -> list[str]:
    """The systems whose numbers an organisation gives: there are few of them."""
    query = select(authority.c.system).where(authority.c.organisation == owner)
    return list(connection.execute(query.order_by(authority.c.system)).scalars())


def patient_row(connection: Connection, owner: int, id_: str) -> Row[Any] | None:
    """The row of a Patient."""
    query = select(patient).where(patient.c.organisation == owner, patient.c.id == id_)
    return connection.execute(query).one_or_none()


def patient_with(connection: Connection, owner: int, system: str, value: str) -> str | None:
    """The id of the Patient that bears a number."""
    return connection.execute(
        select(patient_number.c.patient).where(
            patient_number.c.organisation == owner,
            patient_number.c.system == system,
            patient_number.c.value == value,
        )
    ).scalar()


def active(connection: Connection, owner: int, ids: Iterable[str]) -> set[str]:
    """Which of these Patients are there and not retired."""
    query = select(patient.c.id).where(
        patient.c.organisation == owner, patient.c.id.in_(list(ids)), patient.c.state == "active"
    )
    return set(connection.execute(query).scalars())


def add_members(
    connection: Connection, owner: int, name: str, ids: Iterable[str], *, now: int
) -> None:
    """Put Patients into a group; who is in it already stays."""
    for id_ in ids:
        statement = insert_for(connection.dialect.name, patient_group).values(
            organisation=owner, name=name, patient=id_, created=now
        )
        connection.execute(statement.on_conflict_do_nothing())


def members(connection: Connection, owner: int, name: str) -> list[str]:
    """The Patients of a group."""
    query = select(patient_group.c.patient).where(
        patient_group.c.organisation == owner, patient_group.c.name == name
    )
    return list(connection.execute(query.order_by(patient_group.c.patient)).scalars())


def add_client(connection: Connection, values: dict[str, Any]) -> None:
    """Register a client."""
    connection.execute(insert(client).values(**values))


def client_row(connection: Connection, id_: str) -> Row[Any] | None:
    """A client that is not retired."""
    query = select(client).where(client.c.id == id_, client.c.retired == 0)
    return connection.execute(query).one_or_none()


def registration_hash(connection: Connection, id_: str) -> str:
    """The digest of the token that manages a client's entry, empty if none does."""
    query = select(client.c.registration_hash).where(client.c.id == id_, client.c.retired == 0)
    return connection.execute(query).scalar() or ""


def registered_since(connection: Connection, moment: int) -> int:
    """How many clients registered themselves since a moment."""
    query = select(func.count()).select_from(client)
    mine = query.where(client.c.self_registered == true(), client.c.created >= moment)
    return connection.execute(mine).scalar() or 0


def change_client(connection: Connection, id_: str, values: dict[str, Any]) -> None:
    """Change a client's entry."""
    connection.execute(client.update().where(client.c.id == id_).values(**values))


def redirect_uris(connection: Connection) -> list[str]:
    """The redirect URIs of every client, each client's as one JSON list."""
    query = select(client.c.redirect_uris).where(client.c.redirect_uris != "")
    return list(connection.execute(query.where(client.c.retired == 0)).scalars())


def put_peer(connection: Connection, values: dict[str, Any]) -> None:
    """Register a DICOM peer, in place of the one with the same AE title and host."""
    statement = insert_for(connection.dialect.name, peer).values(**values)
    fresh = {key: value for key, value in values.items() if key not in ("ae", "host")}
    connection.execute(statement.on_conflict_do_update(index_elements=["ae", "host"], set_=fresh))


def peers(connection: Connection, ae: str) -> Sequence[Row[Any]]:
    """The peers with an AE title, one for each host."""
    return connection.execute(select(peer).where(peer.c.ae == ae)).fetchall()


def peers_of(connection: Connection, owner: int) -> Sequence[Row[Any]]:
    """Every peer of an organisation."""
    return connection.execute(select(peer).where(peer.c.organisation == owner)).fetchall()
