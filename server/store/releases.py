"""Rows of a site's release table, what was decided of single items, and what waits for which row."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from server.store import released
from server.store.fhir_tables import resource
from server.store.jobs import insert_for
from server.store.prepared import Prepared, given
from server.store.release_tables import release_item, release_rule
from server.store.released import GIVEN, Asker
from server.store.tables import study

_DESCRIBES = ("part", "status", "kind", "label", "actor", "aged", "youngest", "oldest")


def same(connection: Connection, values: dict[str, Any]) -> int | None:
    """The row that describes exactly what another one would, None if there is none."""
    of = [release_rule.c[name] == values[name] for name in ("organisation", *_DESCRIBES)]
    return connection.execute(select(release_rule.c.id).where(*of)).scalar()


def add(connection: Connection, values: dict[str, Any]) -> None:
    """Add a row."""
    connection.execute(insert(release_rule).values(**values))


def listed(connection: Connection, owner: int) -> Sequence[Row[Any]]:
    """The rows of an organisation, those first that describe most."""
    rule = release_rule
    query = select(rule).where(rule.c.organisation == owner)
    ordered = query.order_by(rule.c.part, rule.c.weight.desc(), rule.c.wait.desc(), rule.c.id)
    return connection.execute(ordered).fetchall()


def remove(connection: Connection, owner: int, id_: int) -> bool:
    """Take a row away; false if there is none."""
    mine = release_rule.c.organisation == owner, release_rule.c.id == id_
    return connection.execute(delete(release_rule).where(*mine)).rowcount == 1


def decide(connection: Connection, values: dict[str, Any]) -> None:
    """Keep what was decided of an item, in place of what had been."""
    row = insert_for(connection.dialect.name, release_item).values(**values)
    index = ["organisation", "type", "id"]
    fresh = {name: value for name, value in values.items() if name not in index}
    connection.execute(row.on_conflict_do_update(index_elements=index, set_=fresh))


def decisions(connection: Connection, owner: int) -> Sequence[Row[Any]]:
    """What was decided of single items, the newest first."""
    query = select(release_item).where(release_item.c.organisation == owner)
    return connection.execute(query.order_by(release_item.c.created.desc())).fetchall()


def _held(type_: str) -> Prepared:
    mine = given(resource, "organisation", "rid")
    return Prepared(
        lambda _: select(resource.c.rid).where(mine, released.held(resource, type_, GIVEN))
    )


_HELD = {type_: _held(type_) for type_ in released.TYPES}
_PICTURES = Prepared(
    lambda _: select(study.c.id).where(
        given(study, "organisation", "id"), released.pictures_held(study, GIVEN)
    )
)


def is_held(connection: Connection, row: Any, asker: Asker) -> bool:
    """Whether a `resource` row is held from who asks, by itself or with what it goes with."""
    values = {"organisation": row.organisation, "rid": row.rid} | asdict(asker)
    return row.type in _HELD and _HELD[row.type].row(connection, values) is not None


def are_pictures_held(connection: Connection, claim: Any, asker: Asker) -> bool:
    """Whether the pictures of a row of `study` are held from who asks."""
    values = {"organisation": claim.organisation, "id": claim.id} | asdict(asker)
    return _PICTURES.row(connection, values) is not None


def waiting(connection: Connection, row: Any, asker: Asker) -> Row[Any] | None:
    """Of a `resource` row that is held by itself: until when by name, when the table lets it go, and
    whether the row that says so hides it. None if it is not held.
    """
    part = released.PARTS[row.type]
    mine = (resource.c.organisation == row.organisation, resource.c.rid == row.rid)
    query = select(
        func.coalesce(released.decided(resource), 0).label("named"),
        func.coalesce(released.due(resource, part, asker), 0).label("due"),
        released.rule_of(resource, part, asker, release_rule.c.secret).label("secret"),
    )
    return connection.execute(
        query.where(*mine, released.held(resource, row.type, asker))
    ).one_or_none()
