"""What is looked up for each message is found by its whole key, however many there are."""

from collections.abc import Iterator
from types import ModuleType

import pytest
from sqlalchemy import Connection

from server.store import derived, identities, last_words, links, messages, resources
from server.store.prepared import Prepared
from tests.support.houses import opened

MODULES = (messages, links, last_words, derived, identities, resources)


def statements(module: ModuleType) -> list[tuple[str, Prepared]]:
    """The prepared statements of a module by name, lists and tables of them one by one."""
    found: list[tuple[str, Prepared]] = []
    for name, value in vars(module).items():
        many = (
            value.values()
            if isinstance(value, dict)
            else value
            if isinstance(value, list)
            else [value]
        )
        found += [(f"{module.__name__}.{name}", one) for one in many if isinstance(one, Prepared)]
    return found


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with opened(tmp_path_factory.mktemp("effort")) as house, house.database.read() as made:
        yield made


@pytest.mark.parametrize("module", MODULES)
def test_statements_of_the_message_path_use_every_key_that_they_are_given(
    connection: Connection, module: ModuleType
) -> None:
    for name, one in statements(module):
        text = one._text(connection)
        if text.sql.startswith("INSERT"):
            continue
        keys = text.sql.partition("WHERE")[2].partition("ORDER BY")[0].count(" = ?")
        driver = connection.connection.driver_connection
        assert driver is not None
        values = dict.fromkeys(range(text.sql.count("?")), "1")
        plan = driver.execute(f"EXPLAIN QUERY PLAN {text.sql}", list(values.values())).fetchall()
        used = max(step[3].count("=?") for step in plan)
        assert used == keys, f"{name}: {plan} for {text.sql}"
