"""Whose word about a resource is the last: so that a replayed or late message changes nothing."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from server.store.hl7_tables import last_word
from server.store.jobs import insert_for
from server.store.prepared import Prepared, given


@dataclass(frozen=True, slots=True)
class Word:
    """What was said: by which sender, when it was sent (microseconds, None if unknown)."""

    sender: str
    sent: int | None
    message: int

    def is_newer_than(self, other: "Word") -> bool:
        """Times are compared within one sender; else, and when equal, the later arrival counts."""
        if self.sender == other.sender and self.sent is not None and other.sent is not None:
            return (self.sent, self.message) > (other.sent, other.message)
        return self.message > other.message


_GET = Prepared(
    select(last_word.c.sender, last_word.c.sent, last_word.c.message).where(
        given(last_word, "organisation", "type", "id")
    )
)


def get(connection: Connection, organisation: int, type_: str, id_: str) -> Word | None:
    """The last word about a resource."""
    row = _GET.row(connection, {"organisation": organisation, "type": type_, "id": id_})
    return Word(row.sender, row.sent, row.message) if row else None


def keep(connection: Connection, organisation: int, type_: str, id_: str, word: Word) -> None:
    """Keep a word as the last one."""
    values = {"sender": word.sender, "sent": word.sent, "message": word.message}
    row = insert_for(connection.dialect.name, last_word).values(
        organisation=organisation, type=type_, id=id_, **values
    )
    index = ["organisation", "type", "id"]
    connection.execute(row.on_conflict_do_update(index_elements=index, set_=values))
