"""Servers that several test modules look at and none changes."""

from collections.abc import Iterator
from random import Random

import pytest

from tests.support.clerk import Clerk
from tests.support.keyring import keyring
from tests.support.library import Library
from tests.support.office import Office
from tests.support.office import office as open_office
from tests.support.practice import Practice, practice
from tests.support.records import Archive, fill
from tests.support.server import running


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A server over many FHIR resources, and a token for all of them."""
    with running(tmp_path_factory.mktemp("library")) as server, keyring(server) as keys:
        archive = Archive(keys.house)
        fill(archive, Random(3), patients=30, studies=80)
        yield Library(server, archive, keys)


@pytest.fixture(scope="session")
def surgery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """A practice whose patients get links."""
    with practice(tmp_path_factory.mktemp("surgery")) as made:
        yield made


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A practice with people at its desk, for the tests of the desk alone: they change it."""
    with open_office(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.fixture(scope="session")
def olga(office: Office) -> Clerk:
    """The operator."""
    return office.clerk("olga")


@pytest.fixture(scope="session")
def pia(office: Office) -> Clerk:
    """The privacy officer."""
    return office.clerk("pia")


@pytest.fixture(scope="session")
def wim(office: Office) -> Clerk:
    """An operator of another organisation."""
    return office.clerk("wim")
