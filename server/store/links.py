"""What names a study, an order or a report, so that each is found from the others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from server.store.hl7_tables import link_key
from server.store.jobs import insert_for
from server.store.prepared import Prepared, given

LONGEST = 255
STUDY, ACCESSION, FILLER, PLACER, PROCEDURE = "study", "accession", "filler", "placer", "procedure"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A UID or number. `system` is that of its issuer, "" when nobody said."""

    kind: str
    value: str
    system: str = ""

    def fits(self, other: "Key") -> bool:
        """Whether two keys are the same, as far as both say who issued them."""
        same = (self.kind, self.value) == (other.kind, other.value)
        return same and (self.system == other.system or not (self.system and other.system))


def keep(
    connection: Connection, organisation: int, type_: str, id_: str, keys: Iterable[Key]
) -> None:
    """Keep the keys of a resource beside those it has; a key that is told again gains a system."""
    for key in sorted(set(keys)):
        values = {"organisation": organisation, "type": type_, "id": id_, "kind": key.kind}
        values |= {"value": key.value[:LONGEST], "system": key.system}
        (_TELL if key.system else _KEEP).run(connection, values)


def _row(dialect: str) -> Any:
    names = (one.name for one in link_key.c)
    return insert_for(dialect, link_key).values({name: bindparam(name) for name in names})


def _telling(dialect: str) -> Any:
    row, index = _row(dialect), ["organisation", "kind", "value", "type", "id"]
    return row.on_conflict_do_update(index_elements=index, set_={"system": row.excluded.system})


_KEEP, _TELL = Prepared(lambda dialect: _row(dialect).on_conflict_do_nothing()), Prepared(_telling)
_OF = Prepared(
    select(link_key.c.kind, link_key.c.value, link_key.c.system).where(
        given(link_key, "organisation", "type", "id")
    )
)
_SHARING = Prepared(
    select(link_key.c.type, link_key.c.id, link_key.c.system)
    .where(given(link_key, "organisation", "kind", "value"))
    .order_by(link_key.c.type, link_key.c.id)
)


def forget(connection: Connection, organisation: int, type_: str, id_: str) -> None:
    """A resource is found by nothing any more."""
    where = link_key.c.type == type_, link_key.c.id == id_
    connection.execute(delete(link_key).where(link_key.c.organisation == organisation, *where))


def of(connection: Connection, organisation: int, type_: str, id_: str) -> frozenset[Key]:
    """The keys of a resource."""
    values = {"organisation": organisation, "type": type_, "id": id_}
    return frozenset(Key(*row) for row in _OF.rows(connection, values))


def sharing(connection: Connection, organisation: int, key: Key) -> Sequence[tuple[str, str]]:
    """Type and id of every resource that has a key, in a fixed order."""
    values = {"organisation": organisation, "kind": key.kind, "value": key.value[:LONGEST]}
    rows = _SHARING.rows(connection, values)
    return [(row.type, row.id) for row in rows if key.fits(Key(key.kind, key.value, row.system))]
