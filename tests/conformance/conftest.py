"""One server for the suites of SMART: what a test needs for itself alone it makes in it."""

from collections.abc import Iterator

import pytest

from tests.support.clinic import Clinic, clinic


@pytest.fixture(scope="session")
def smart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    with clinic(tmp_path_factory.mktemp("clinic"), log_level="DEBUG") as made:
        yield made
