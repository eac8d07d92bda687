"""Searches whose SQL is made once for each shape: what they ask of which columns, whatever the values.

To build a statement takes SQLAlchemy ten times as long as SQLite takes to run it. So it is built with
a slot in the place of each value, compiled and kept, and the next search of its shape fills the slots.
What needs a value itself to be built, such as a pattern, is built anew for each search.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Integer, Select, String, literal

from server.store.prepared import Prepared

# Begins the text of every slot: nobody's value is ever looked for with it (Unicode, private use).
_MARK = "\ue0f7"
# Where the numbers that stand for slots begin: no time and no row id lies there.
_FIRST = -(1 << 62)
_SPAN = 1 << 32
_MOST_SHAPES = 1000

A = TypeVar("A")
# Answers yes or no to a statement of one row and column, while a search is built.
Ask = Callable[[Any], bool]
# Makes a search: its statement, and what the caller wants to know of how it was made.
Build = Callable[[Ask], tuple[Any, Any]]
_Answers = tuple[bool, ...]


class _Text(str):
    """The slot of a text, which may have been put between two others."""

    __sa_type_engine__ = String()
    number: int
    before = behind = ""

    def fill(self, values: Sequence[Any]) -> str:
        return f"{self.before}{values[self.number]}{self.behind}"

    def __add__(self, other: str) -> "_Text":
        return _between(self.number, self.before, self.behind + other)

    def __radd__(self, other: str) -> "_Text":
        return _between(self.number, other + self.before, self.behind)


class _Number(int):
    """The slot of a number, whole or not."""

    __sa_type_engine__ = Integer()
    number: int

    def fill(self, values: Sequence[Any]) -> Any:
        return values[self.number]


def _between(number: int, before: str, behind: str) -> _Text:
    slot = _Text(f"{before}{_MARK}{number:06}{behind}")
    slot.number, slot.before, slot.behind = number, before, behind
    return slot


@lru_cache(maxsize=2000)
def _text(number: int) -> _Text:
    return _between(number, "", "")


@lru_cache(maxsize=2000)
def _number(number: int) -> _Number:
    slot = _Number(_FIRST + number)
    slot.number = number
    return slot


@dataclass(frozen=True, slots=True)
class Slots:
    """Gives slots for values, and remembers the values. What is empty is a part of the shape."""

    values: list[Any] = field(default_factory=list)

    def text(self, value: str) -> str:
        if not value:
            return value
        self.values.append(value)
        return _text(len(self.values) - 1)

    def maybe(self, value: str | None) -> str | None:
        return None if value is None else self.text(value)

    def texts(self, values: Iterable[str]) -> list[str]:
        return [self.text(value) for value in values]

    def number(self, value: float) -> int:
        self.values.append(value)
        return _number(len(self.values) - 1)


def counted(limit: int) -> Any:
    """A limit that may be a slot: SQLAlchemy makes a plain number of what is no clause."""
    return literal(limit, Integer())


@dataclass(frozen=True, slots=True)
class Gate(Generic[A]):
    """What a caller reaches. `shaped` gives the same with slots, and what tells it from others.

    `few` says that it is so little that all of it may be looked at, `veiled` that of what was
    withdrawn only the tombstones are told.
    """

    allowed: A
    few: bool
    shaped: Callable[[Slots], tuple[Hashable, A]]
    veiled: bool = False


class _Unshaped(Exception):
    """A statement that was made from what a slot looks like."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A statement with its slots by the names of its parameters; the last one has a note."""

    statement: Prepared
    slots: Mapping[str, Any]
    is_last: bool
    note: Any

    def run(self, connection: Connection, values: Sequence[Any]) -> list[Any]:
        filled = {name: slot.fill(values) for name, slot in self.slots.items()}
        return self.statement.rows(connection, filled)


def _step(connection: Connection, statement: Any, *, is_last: bool, note: Any = None) -> _Step:
    prepared = Prepared(statement)
    constants = prepared.settle(connection)
    if any(map(_is_spoilt, constants.values())):
        raise _Unshaped
    slots = {name: val for name, val in constants.items() if isinstance(val, _Text | _Number)}
    return _Step(prepared, slots, is_last, note)


def _is_spoilt(value: Any) -> bool:
    """Whether something was made of a slot that no longer knows which one it was."""
    if isinstance(value, str):
        return _MARK in value and not isinstance(value, _Text)
    near = isinstance(value, int) and abs(value - _FIRST) < _SPAN
    return near and not isinstance(value, _Number)


# The steps of each shape by the answers before them; None for one that has no slots.
_SHAPES: dict[Hashable, dict[_Answers, _Step] | None] = {}


def rows(
    connection: Connection, shape: Hashable, slots: Slots, build: Build, plain: Build
) -> tuple[Sequence[Any], Any]:
    """The rows of a search and its note. `build` makes it of slots, `plain` of the values."""
    key = (connection.dialect.name, shape)
    if len(_SHAPES) > _MOST_SHAPES:
        _SHAPES.clear()
    steps = _SHAPES.setdefault(key, {})
    if steps is not None:
        try:
            return _Way(connection, steps, slots.values).rows(build)
        except _Unshaped:
            _SHAPES[key] = None
    return anew(connection, plain)


def anew(connection: Connection, plain: Build) -> tuple[Sequence[Any], Any]:
    """The rows of a search that is made of its values, and its note."""
    statement, note = plain(lambda probe: bool(connection.execute(probe).scalar()))
    return connection.execute(statement).fetchall(), note


class _Way:
    """One search on its way along the steps of its shape: questions first, then the statement."""

    def __init__(
        self, connection: Connection, steps: dict[_Answers, _Step], values: Sequence[Any]
    ) -> None:
        self._connection = connection
        self._steps = steps
        self._values = values
        self._known: _Answers = ()
        self._answers: _Answers = ()

    def rows(self, build: Build) -> tuple[list[Any], Any]:
        """Go as far as the way is known, and make what is missing of it."""
        while (step := self._steps.get(self._answers)) is not None:
            found = self._run(step)
            if step.is_last:
                return found, step.note
            self._answers += (bool(found[0][0]),)
        self._known, self._answers = self._answers, ()
        statement, note = build(self._ask)
        last = _step(self._connection, statement, is_last=True, note=note)
        self._steps[self._answers] = last
        return self._run(last), note

    def _ask(self, probe: Select[Any]) -> bool:
        place = len(self._answers)
        if place < len(self._known):
            answer = self._known[place]
        else:
            step = _step(self._connection, probe, is_last=False)
            self._steps[self._answers] = step
            answer = bool(self._run(step)[0][0])
        self._answers += (answer,)
        return answer

    def _run(self, step: _Step) -> list[Any]:
        return step.run(self._connection, self._values)
