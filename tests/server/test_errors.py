"""The table of errors is what doors say: status, code, sentence, and nothing more."""

from collections.abc import Iterator

import pytest
from flask import Response
from flask.testing import FlaskClient

from dicom import errors as dicom_errors
from server import errors
from server.app import create_app
from server.errors import Fault
from server.web.routes import Call, Public, Route
from tests.support.houses import opened

SENTENCE = "this is what was wrong, what was expected and what to do"


def kinds(kind: type[Fault] = Fault) -> Iterator[type[Fault]]:
    """Every error of the product's own tree."""
    if kind.__module__ == errors.__name__:
        yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


KINDS = {kind.__name__: kind for kind in kinds()}


def fail(call: Call) -> Response:
    """A handler in which something goes wrong."""
    if call.path["name"] == "bug":
        raise RuntimeError("a name of Somebody^Real")
    raise KINDS[call.path["name"]](SENTENCE, expression="Patient.name")


RULES = [
    Route(f"/{door}/fail/<name>", ("GET",), door, Public("a test"), fail, "Fails")
    for door in ("fhir", "dicomweb", "oauth")
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with opened(tmp_path_factory.mktemp("data")) as house:
        yield create_app(house, RULES).test_client()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("door", ["fhir", "dicomweb"])
def test_every_error_is_told_as_the_table_says(browser: FlaskClient, door: str, name: str) -> None:
    answer = browser.get(f"/{door}/fail/{name}")
    told = KINDS[name].answer
    assert answer.status_code == told.http
    [issue] = answer.get_json()["issue"]
    assert (issue["code"], issue["diagnostics"]) == (told.issue, SENTENCE)
    assert issue["expression"] == ["Patient.name"]
    assert ("WWW-Authenticate" in answer.headers) == (told.http == 401)
    assert ("Retry-After" in answer.headers) == (told.http == 503)


@pytest.mark.parametrize("name", KINDS)
def test_the_oauth_door_has_words_of_its_own(browser: FlaskClient, name: str) -> None:
    answer = browser.get(f"/oauth/fail/{name}")
    assert answer.status_code == KINDS[name].answer.http
    assert set(answer.get_json()) == {"error", "error_description"}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("door", ["fhir", "dicomweb", "oauth"])
def test_a_failure_of_ours_is_500_and_tells_nothing(
    browser: FlaskClient, door: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = browser.get(f"/{door}/fail/bug")
    assert answer.status_code == 500
    assert "Somebody" not in answer.text
    assert "RuntimeError" not in answer.text
    assert f"/{door}/fail/<name>" in caplog.text, "the log says where, by the rule of the address"


def test_every_error_of_the_dicom_floor_has_a_place_in_the_table() -> None:
    def all_of(kind: type[Exception]) -> Iterator[type[Exception]]:
        for below in kind.__subclasses__():
            yield below
            yield from all_of(below)

    for kind in all_of(dicom_errors.DicomError):
        error = kind("x") if kind.__module__.startswith("dicom") else None
        if isinstance(error, dicom_errors.DicomError):
            assert errors.from_dicom(error).answer.http in range(400, 500)
            assert errors.dimse_status(error) in (0xA700, 0xA900, 0xC000)
