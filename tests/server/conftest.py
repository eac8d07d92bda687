"""Servers that several test modules look at and none changes."""

from collections.abc import Iterator
from random import Random

import pytest

from tests.support.keyring import keyring
from tests.support.library import Library
from tests.support.practice import Practice, practice
from tests.support.records import Archive, fill
from tests.support.server import running


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A server over many FHIR resources, and a token for all of them."""
    with running(tmp_path_factory.mktemp("library")) as server, keyring(server) as keys:
        archive = Archive(keys.house)
        fill(archive, Random(3), patients=30, studies=80)
        yield Library(server, archive, keys.token("system/*.cruds"))


@pytest.fixture(scope="session")
def surgery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """A practice whose patients get links."""
    with practice(tmp_path_factory.mktemp("surgery")) as made:
        yield made
