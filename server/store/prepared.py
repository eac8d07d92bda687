"""Statements of the busiest paths: compiled once for a dialect, then given to the driver itself.

SQLAlchemy's way of running a statement costs four times what SQLite takes to do it. Errors still
arrive as SQLAlchemy's, without the values, which may be a patient's.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, Connection, Table, Text, and_, bindparam, cast, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement


def given(table: Table, *names: str) -> ColumnElement[bool]:
    """The condition that columns have the values given under their names."""
    return and_(*(table.c[name] == bindparam(name) for name in names))


def among(dialect: str, column: Any, given: Any) -> ColumnElement[bool]:
    """The condition that a column has one of the values of a JSON list, however many there are."""
    if dialect == "sqlite":
        return column.in_(select(func.json_each(given).table_valued("value").c.value))  # type: ignore[no-any-return]
    listed = func.json_array_elements_text(cast(cast(given, Text), JSON)).table_valued("value")
    return column.in_(select(cast(listed.c.value, column.type)))  # type: ignore[no-any-return]


def addition(table: Table) -> "Prepared":
    """The INSERT of one row, of which every column is given."""
    return Prepared(insert(table).values({one.name: bindparam(one.name) for one in table.c}))


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as a driver takes it. `order` is None where values go by name."""

    sql: str
    order: tuple[str, ...] | None
    constants: dict[str, Any]
    row: Callable[[Any], Any]


class Prepared:
    """A statement, or a function that makes it for a dialect's name, with named parameters.

    Values reach the driver, and rows the caller, as they are: booleans of SQLite are 0 and 1.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Run it; gives the driver's cursor."""
        return self._run(connection, self._text(connection), values)

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """All rows that it gives, their columns as attributes."""
        text = self._text(connection)
        return [text.row(found) for found in self._run(connection, text, values).fetchall()]

    def row(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first row, None if there is none."""
        text = self._text(connection)
        found = self._run(connection, text, values).fetchone()
        return None if found is None else text.row(found)

    def settle(self, connection: Connection) -> Mapping[str, Any]:
        """Compile it for one dialect alone, and let go of the statement, which is ten times as large.

        Gives the values that it was made with, by the names of their parameters.
        """
        constants = self._text(connection).constants
        self._statement = None
        return constants

    @staticmethod
    def _run(connection: Connection, text: _Text, values: Mapping[str, Any]) -> Any:
        if text.constants:
            values = text.constants | dict(values)
        given = values if text.order is None else [values[name] for name in text.order]
        driver: Any = connection.connection.driver_connection
        try:
            return driver.execute(text.sql, given)
        except connection.dialect.loaded_dbapi.Error as error:
            base = connection.dialect.loaded_dbapi.Error
            raise DBAPIError.instance(text.sql, None, error, base, hide_parameters=True) from error

    def _text(self, connection: Connection) -> _Text:
        known = self._texts.get(connection.dialect.name)
        return known or self._texts.setdefault(connection.dialect.name, self._compile(connection))

    def _compile(self, connection: Connection) -> _Text:
        made = self._statement
        statement = made(connection.dialect.name) if callable(made) else made
        options = {"render_postcompile": True}
        compiled = statement.compile(dialect=connection.dialect, compile_kwargs=options)
        constants = {name: val for name, val in compiled.params.items() if val is not None}
        columns = tuple(column.name for column in getattr(statement, "selected_columns", ()))
        order = compiled.positiontup
        return _Text(str(compiled), order and tuple(order), constants, _row(columns))


@lru_cache(maxsize=256)
def _row(columns: tuple[str, ...]) -> Callable[[Any], Any]:
    """What makes a row with these columns."""
    row: Any = namedtuple("Row", columns)  # type: ignore[misc]  # as wide as the statement
    return row._make
