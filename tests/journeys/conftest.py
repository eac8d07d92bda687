"""Servers that journeys share: a hospital in Paris with what its modalities sent, and a practice
whose patients log in; and the browser.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import Window, chromium, window
from tests.support.consignments import available, debians, deliver
from tests.support.gallery import Gallery, gallery, looking
from tests.support.keyring import keyring
from tests.support.practice import Practice, practice
from tests.support.server import running
from tests.support.ward import MRN, Ward


@pytest.fixture(scope="session")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    data = tmp_path_factory.mktemp("ward")
    with running(data, ZONE="Europe/Paris", ISSUER=MRN) as server, keyring(server) as keys:
        made = Ward(server, keys)
        for consignment in available(tmp_path_factory.mktemp("sent")):
            deliver(debians(), server.dimse, consignment)
            made.sent[consignment.name] = consignment
        for consignment in made.sent.values():
            made.settled(consignment)
        yield made


@pytest.fixture(scope="session")
def surgery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """A practice for tests that leave its records as they are."""
    with practice(tmp_path_factory.mktemp("surgery")) as made:
        yield made


@pytest.fixture(scope="session")
def halls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """A practice with more to look at, for tests that leave its records as they are."""
    with gallery(tmp_path_factory.mktemp("halls")) as made:
        yield made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; each window has cookies of its own."""
    with chromium() as started:
        yield started


@pytest.fixture
def desk(browser: Browser) -> Iterator[Window]:
    """A window of ordinary size, which fails the test if anything goes wrong in it."""
    with window(browser) as opened:
        yield opened


@pytest.fixture
def page(desk: Window) -> Page:
    """The page of that window."""
    return desk.page


@pytest.fixture
def alice(browser: Browser, halls: Gallery) -> Iterator[Page]:
    """The viewer's page in a window of Alice's, who may see all that is hers."""
    with looking(browser, halls) as shown:
        yield shown.page
