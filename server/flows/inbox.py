"""The message log as the desk shows it: found by what is known of a message, shown in plain text,
and the feeds that messages come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from hl7.message import parse, split
from server.errors import Invalid, Missing
from server.flows import access, chart, feeds, message_log
from server.flows.access import Grant
from server.flows.sites import House
from server.store import answers, identities, people
from server.store import message_search as search
from server.store import messages as store
from server.store.message_search import Traffic
from server.store.messages import Effect

PAGE = 50
STATES = (
    *(store.PENDING, store.APPLIED, store.UNMAPPED),
    *(store.REVIEW, store.PARKED, store.DUPLICATE),
)
# What is applied while a browser waits; the command takes more at once.
MOST_REPLAYED = 1000
DAY = 86_400 * 1_000_000
_LONGEST_SEGMENT = 2000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: empty is anything. `patient` is a record, `span` from and before when."""

    feed: str = ""
    kind: str = ""
    state: str = ""
    control_id: str = ""
    patient: str = ""
    since: int = 0
    before: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A message in a list; `notes` are what was said when it was applied."""

    id: int
    feed: str
    control_id: str
    kind: str
    received: int
    state: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as text: its name, its fields, and how much of it is not shown."""

    name: str
    fields: str
    more: int


@dataclass(frozen=True, slots=True)
class Wrote:
    """A version that a message wrote, and of which patient."""

    effect: Effect
    patient: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One message with its answer, its later answers, and what it wrote."""

    line: Line
    charset: str
    segments: tuple[Segment, ...]
    ack: str
    answers: tuple[tuple[str, str, int], ...]
    wrote: tuple[Wrote, ...]
    parkable: bool

    @property
    def patients(self) -> list[str]:
        """The patients whose records it changed."""
        return [one for one in dict.fromkeys(each.patient for each in self.wrote) if one]


def page(house: House, grant: Grant, wanted: Wanted) -> tuple[list[Line], int]:
    """Messages, the newest first, and the place behind which the next page begins (0: none)."""
    access.in_role(grant, "operator")
    if wanted.state and wanted.state not in STATES:
        raise Invalid(f"state is one of {', '.join(STATES)}")
    with house.database.read() as connection:
        rows, go_on = _found(house, connection, grant, wanted)
    return [_line(row) for row in rows], go_on


def _found(
    house: House, connection: Connection, grant: Grant, wanted: Wanted
) -> tuple[Sequence[Any], int]:
    owner, span = grant.organisation, (wanted.since, wanted.before)
    if wanted.patient:
        chart.seen(connection, grant, wanted.patient)
        records = [wanted.patient, *identities.parts_of(connection, owner, wanted.patient)]
        return search.about(connection, owner, records, span, PAGE)
    if wanted.control_id:
        names = [wanted.feed] if wanted.feed else [one.name for one in feeds.of(house, owner)]
        return search.with_control_id(connection, owner, names, wanted.control_id, span, PAGE)
    equal = {"feed": wanted.feed, "kind": wanted.kind, "state": wanted.state}
    return search.newest(connection, owner, equal, span, PAGE)


def record_of(house: House, grant: Grant, text: str) -> str:
    """The record that a text names: its id, a number as system|value, or a bare number of one system.

    Empty when it names none, or several.
    """
    access.in_role(grant, "operator", "privacy")
    owner = grant.organisation
    with house.database.read() as connection:
        system, bar, value = text.rpartition("|")
        if people.patient_row(connection, owner, text) is not None:
            return text
        if bar:
            return identities.bearer(connection, owner, system, value)
        found = {
            identities.bearer(connection, owner, system, text)
            for system in people.systems_of(connection, owner)
        } - {""}
    return found.pop() if len(found) == 1 else ""


def _line(row: Any) -> Line:
    return Line(
        row.id,
        row.feed,
        row.control_id,
        row.kind,
        row.received,
        row.state,
        tuple(store.notes(row)),
    )


def letter(house: House, grant: Grant, id_: int) -> Letter:
    """One message in plain text. Raises Missing."""
    access.in_role(grant, "operator")
    owner = grant.organisation
    with house.database.read() as connection:
        row = store.row(connection, owner, id_)
        if row is None:
            raise Missing("there is no such message here")
        effects = store.effects(connection, owner, id_)
        owners = search.owners(connection, owner, effects)
        later = answers.of(connection, owner, id_)
    raw = bytes(row.raw)
    codec = parse(raw).charset.codec
    return Letter(
        _line(row),
        codec,
        tuple(_segment(one, codec) for one in split(raw).segments),
        bytes(row.ack).decode(codec, "replace").replace("\r", "\n").strip("\x0b\x1c\n"),
        tuple((one.code, one.state, one.created) for one in later),
        tuple(Wrote(one, owners[one.type, one.id]) for one in effects),
        row.state in message_log.PARKABLE,
    )


def _segment(raw: bytes, codec: str) -> Segment:
    text = raw.decode(codec, "replace").rstrip("\r\n").replace("\r", "\n")
    name, fields = text[:3], text[3:]
    return Segment(name, fields[:_LONGEST_SEGMENT], max(0, len(fields) - _LONGEST_SEGMENT))


def count(house: House, grant: Grant, since: int, before: int) -> int:
    """How many messages a replay of a span would apply. Raises Invalid for a span without ends."""
    access.in_role(grant, "operator")
    if not since or not before or before <= since:
        raise Invalid("give a span of time: from when, and before when")
    with house.database.read() as connection:
        span = (since, before)
        return search.count(connection, grant.organisation, span, MOST_REPLAYED + 1)


def traffic(
    house: House, grant: Grant, now: int
) -> list[tuple[feeds.Feed, Traffic, dict[str, int]]]:
    """Each feed of the organisation, what it sent in the last day, and what of it waits, by state."""
    access.in_role(grant, "operator")
    owner, known = grant.organisation, feeds.of(house, grant.organisation)
    with house.database.read() as connection:
        waits = search.faults(connection, owner)
        return [
            (
                one,
                search.traffic(connection, owner, one.name, now - DAY),
                {state: count for (feed, state), count in waits.items() if feed == one.name},
            )
            for one in known
        ]
