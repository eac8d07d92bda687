"""SMART Imaging Access and the Sync for Science contract, requirement by requirement (rows A15)."""

from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from fhir.definitions import search_parameters
from fhir.search_params import TABLE
from server.flows.resources import SEARCHED
from tests.support.library import matches
from tests.support.outside import complaints
from tests.support.ward import Ward
from tests.support.web import parts

pytestmark = [pytest.mark.journey, pytest.mark.slow]

REQUIRES_TOKEN = "http://hl7.org/fhir/smart-app-launch/StructureDefinition/requires-access-token"
STUDIES = ("phantom", "JPEG baseline", "MADO study B", "NIST CT", "NIST MR")


class App:
    """An app with a patient's token and no other scope than ImagingStudy."""

    def __init__(self, ward: Ward, name: str) -> None:
        self.ward = ward
        self.row = ward.settled(ward.consignment(name))
        self.token = ward.keys.token("patient/ImagingStudy.rs", self.row.subject)

    def search(self, **words: str) -> dict[str, Any]:
        asked = {"patient": self.row.subject, "_include": "ImagingStudy:endpoint"} | words
        answer = self.ward.server.get(f"/fhir/ImagingStudy?{urlencode(asked)}", self.token)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert complaints({key: body[key] for key in body if key != "entry"}) == []
        return body

    def study(self) -> dict[str, Any]:
        found = self.search(identifier=f"urn:oid:{self.row.uid}")
        [entry] = matches(found)
        resource: dict[str, Any] = entry["resource"]
        return resource


@pytest.fixture(params=STUDIES)
def app(ward: Ward, request: pytest.FixtureRequest) -> App:
    return App(ward, request.param)


def test_a15_the_three_searches_find_the_study_with_its_endpoint(app: App) -> None:
    for words in (
        {},
        {"_lastUpdated": "gt2020-01-01T00:00:00Z"},
        {"identifier": f"urn:oid:{app.row.uid}"},
        {"identifier": f"urn:dicom:uid|urn:oid:{app.row.uid}"},
        {"identifier": app.row.uid},
    ):
        bundle = app.search(**words)
        assert app.row.id in [entry["resource"]["id"] for entry in matches(bundle)], words
        [endpoint] = matches(bundle, "include")
        assert endpoint["resource"]["resourceType"] == "Endpoint"
    assert matches(app.search(_lastUpdated="gt2099-01-01T00:00:00Z")) == []


def test_a15_a_study_says_what_an_app_needs(app: App) -> None:
    study = app.study()
    [uid] = [one for one in study["identifier"] if one.get("system") == "urn:dicom:uid"]
    assert uid["value"] == f"urn:oid:{app.row.uid}"
    assert study["status"] == "available"
    assert study["subject"]["reference"] == f"Patient/{app.row.subject}"
    assert study["modality"]
    assert study["endpoint"]
    assert study["numberOfSeries"] == len(study["series"])
    counts = [len(series["instance"]) for series in study["series"]]
    assert study["numberOfInstances"] == sum(counts)
    for series, count in zip(study["series"], counts, strict=True):
        assert series["numberOfInstances"] == count
        assert {"uid", "number", "modality"} <= series.keys()
        for instance in series["instance"]:
            assert {"uid", "number", "sopClass"} <= instance.keys()


def test_a15_the_endpoint_says_where_and_that_the_same_token_is_wanted(app: App) -> None:
    [entry] = matches(app.search(), "include")
    endpoint = entry["resource"]
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs"
    assert endpoint["status"] == "active"
    assert endpoint["payloadType"]
    assert {"url": REQUIRES_TOKEN, "valueBoolean": True} in endpoint["extension"]
    address = f"{endpoint['address']}/studies/{app.row.uid}"
    headers = {
        "Authorization": f"Bearer {app.token}",
        "Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*',
    }
    answer = requests.get(address, headers=headers, timeout=60)
    assert answer.status_code == 200
    assert len(parts(answer)) == app.study()["numberOfInstances"]


def test_a15_no_address_opens_without_the_token_however_it_is_made(app: App) -> None:
    """Requirement 19: checks on every retrieval form, also for URLs that were never handed out."""
    series = app.study()["series"][0]
    base = f"/dicomweb/studies/{app.row.uid}"
    instance = f"{base}/series/{series['uid']}/instances/{series['instance'][0]['uid']}"
    for path in (base, f"{base}/metadata", f"{base}/series/{series['uid']}", instance):
        assert app.ward.server.get(path).status_code == 401
        assert app.ward.server.get(f"{path}?access_token={app.token}").status_code == 401
        assert app.ward.server.get(path, app.token).status_code == 200


def test_a15_the_wrong_patient_is_403_and_no_empty_bundle(ward: Ward) -> None:
    mine = App(ward, "phantom")
    other = App(ward, "RLE").row
    for words in (
        {"patient": other.subject},
        {"patient": other.subject, "identifier": f"urn:oid:{mine.row.uid}"},
        {"patient": other.subject, "_lastUpdated": "gt2020-01-01"},
    ):
        path = f"/fhir/ImagingStudy?{urlencode(words)}"
        assert ward.server.get(path, mine.token).status_code == 403


def test_a15_a_token_of_another_scope_does_not_borrow_the_patient(ward: Ward) -> None:
    """Requirement 8: a system scope without a reach is nobody, and scopes do not lend context."""
    row = ward.settled(ward.consignment("phantom"))
    narrow = ward.keys.token("patient/Patient.rs", row.subject)
    for path in (f"/fhir/ImagingStudy?patient={row.subject}", f"/dicomweb/studies/{row.uid}"):
        assert ward.server.get(path, narrow).status_code == 403


@pytest.mark.parametrize("type_", SEARCHED)
def test_a15_every_parameter_that_is_declared_is_one_of_r4(ward: Ward, type_: str) -> None:
    statement = ward.server.get("/fhir/metadata").json()
    [served] = [one for one in statement["rest"][0]["resource"] if one["type"] == type_]
    defined = {**search_parameters("Resource"), **search_parameters(type_)}
    for param in served["searchParam"]:
        assert param["definition"] == defined[param["name"]].url
        assert param["type"] == defined[param["name"]].kind == TABLE[type_][param["name"]].kind
