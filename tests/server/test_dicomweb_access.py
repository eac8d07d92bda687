"""Who is refused at /dicomweb: every route of the table, tried with every wrong token."""

from collections.abc import Iterator

import pytest
import requests

from server.web import dicomweb, stow
from server.web.routes import Route
from tests.support.scenes import ALICE, ALICES, BOB, BOBS, SYSTEM, alices, bobs
from tests.support.server import Server, running
from tests.support.web import STOW_TYPE, Web, multipart, web

READS = [route for route in dicomweb.ROUTES if "<study>" in route.rule]
SEARCHES = [route for route in dicomweb.ROUTES if "<study>" not in route.rule]


def path(route: Route, study: str) -> str:
    """The address of a route, for the first instance of a study of ours."""
    values = {
        "<study>": study,
        "<series>": f"{study}.1",
        "<instance>": f"{study}.1.1",
        "<frames>": "1",
        "<path:value>": "7FE00010",
    }
    filled = route.rule.removeprefix("/dicomweb")
    for name, value in values.items():
        filled = filled.replace(name, value)
    assert "<" not in filled
    return filled


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data"), ISSUER=SYSTEM) as started:
        assert web(started).store(*alices(), *bobs()).status_code == 200
        yield started


@pytest.fixture(scope="module")
def staff(server: Server) -> Web:
    return web(server)


@pytest.fixture(scope="module")
def alice(server: Server) -> Web:
    return web(server, "patient/ImagingStudy.crs", ALICE)


@pytest.fixture(scope="module")
def bob(server: Server) -> Web:
    return web(server, "patient/*.rs", BOB)


@pytest.mark.parametrize("route", READS, ids=lambda route: route.rule)
def test_a_study_opens_for_its_patient_and_is_403_for_another(
    alice: Web, bob: Web, route: Route
) -> None:
    assert bob.get(path(route, BOBS)).status_code == 200
    assert alice.get(path(route, ALICES)).status_code == 200
    for intruder, study in ((alice, BOBS), (bob, ALICES)):
        answer = intruder.get(path(route, study))
        assert answer.status_code == 403
        assert answer.json()["issue"][0]["code"] == "forbidden"


@pytest.mark.parametrize("route", READS, ids=lambda route: route.rule)
def test_a_study_that_does_not_exist_is_404_for_everybody(
    staff: Web, alice: Web, route: Route
) -> None:
    for caller in (alice, staff):
        assert caller.get(path(route, "1.2.3.4")).status_code == 404


@pytest.mark.parametrize("route", READS, ids=lambda route: route.rule)
def test_another_patients_instance_does_not_open_under_ones_own_study(
    alice: Web, route: Route
) -> None:
    address = path(route, ALICES).replace(f"{ALICES}.1", f"{BOBS}.1")
    if address != path(route, ALICES):
        wanted = 200 if route.access.letter == "s" else 404  # type: ignore[union-attr]
        answer = alice.get(address)
        assert answer.status_code == wanted
        assert wanted == 404 or answer.json() == []


@pytest.mark.parametrize("route", READS + SEARCHES, ids=lambda route: route.rule)
@pytest.mark.parametrize("token", ["", "made-up"])
def test_without_a_good_token_every_route_is_401(server: Server, route: Route, token: str) -> None:
    answer = Web(server.base + "/dicomweb", token).get(path(route, ALICES))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.fixture(scope="module")
def narrow(server: Server) -> dict[str, Web]:
    """Tokens of Alice's that lack what is needed: by the letter they have."""
    scopes = {
        "r": "patient/ImagingStudy.r",
        "s": "patient/ImagingStudy.s",
        "": "patient/Patient.rs",
    }
    return {letter: web(server, scope, ALICE) for letter, scope in scopes.items()}


@pytest.mark.parametrize("route", READS + SEARCHES, ids=lambda route: route.rule)
def test_searches_take_the_letter_s_and_retrievals_the_letter_r(
    narrow: dict[str, Web], route: Route
) -> None:
    needed = "s" if route in SEARCHES or route.rule.endswith(("/series", "/instances")) else "r"
    for letter, caller in narrow.items():
        wanted = 200 if letter == needed else 403
        assert caller.get(path(route, ALICES)).status_code == wanted, letter


@pytest.mark.parametrize("route", stow.ROUTES, ids=lambda route: route.rule)
def test_only_a_system_scope_stores(server: Server, alice: Web, route: Route) -> None:
    address = path(route, ALICES)
    body = multipart(alices()[:1])
    assert alice.post(body, path=address).status_code == 403
    assert web(server, "system/ImagingStudy.rs").post(body, path=address).status_code == 403
    assert Web(alice.base, "").post(body, STOW_TYPE, address).status_code == 401
    assert web(server, "system/ImagingStudy.c").post(body, path=address).status_code == 200


def test_a_search_of_a_refused_caller_tells_nothing(alice: Web) -> None:
    """No count, no gap, no hint: the answer is that of an empty archive."""
    for query in (f"StudyInstanceUID={BOBS}", "PatientID=BOB", "AccessionNumber=ACC-BOB"):
        answer = alice.get(f"/studies?{query}&limit=1")
        assert (answer.status_code, answer.text) == (200, "[]")
        assert "Warning" not in answer.headers


def test_another_method_is_405_and_says_which_there_are(alice: Web) -> None:
    answer = requests.put(alice.base + "/studies", timeout=10)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
