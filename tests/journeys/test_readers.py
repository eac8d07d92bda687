"""Stock clients read a record and its pictures with a token, and nobody else's token opens them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import requests
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session
from fhirclient.models.endpoint import Endpoint
from fhirclient.models.imagingstudy import ImagingStudy
from fhirclient.models.patient import Patient
from fhirclient.server import (
    FHIRNotFoundException,
    FHIRPermissionDeniedException,
    FHIRServer,
    FHIRUnauthorizedException,
)
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, ForbiddenError, ResourceNotFound
from pydicom import Dataset
from pydicom.pixels.utils import pixel_array

from dicom import phantom
from tests.support.consignments import NAMES, PLAN, Consignment, made, same_objects
from tests.support.ward import MRN, Ward
from tests.support.web import Web

pytestmark = [pytest.mark.journey, pytest.mark.slow]

# How a token is come by: an operator's for scripts, or a backend service's own.
WAYS = ("token", "backend")


@pytest.fixture(scope="session")
def tokens(ward: Ward) -> Callable[[str, str], str]:
    """A token for the patient of a study, made once in each way."""
    known: dict[tuple[str, str], str] = {}

    def token(way: str, name: str) -> str:
        patient = ward.settled(ward.consignment(name)).subject
        if (way, patient) not in known:
            if way == "token":
                words = ("token", "--scope", "patient/*.rs", "--patient", patient)
                known[way, patient] = ward.server.run(*words)["access_token"]
            else:
                known[way, patient] = ward.keys.backend(f"patient:{patient}").token()
        return known[way, patient]

    return token


Tokens = Callable[[str, str], str]


def smart(ward: Ward, token: str) -> FHIRServer:
    """PyPI fhirclient's server, with a token that it did not fetch itself."""
    server = FHIRServer(None, ward.server.base + "/fhir")
    if token:
        server.session.headers["Authorization"] = f"Bearer {token}"
    return server


def fhirpy(ward: Ward, token: str) -> SyncFHIRClient:
    return SyncFHIRClient(
        ward.server.base + "/fhir", authorization=f"Bearer {token}" if token else None
    )


def dicomweb(ward: Ward, token: str) -> DICOMwebClient:
    session = create_session()
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    return DICOMwebClient(ward.server.base + "/dicomweb", session=session)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["phantom", "JPEG baseline", "MADO study B", "NIST CT"])
def test_fhirclient_reads_the_record(ward: Ward, tokens: Tokens, way: str, name: str) -> None:
    server = smart(ward, tokens(way, name))
    row = ward.settled(ward.consignment(name))
    assert server.capabilityStatement.fhirVersion == "4.0.1"
    patient = Patient.read(row.subject, server)
    assert patient.id == row.subject
    search = ImagingStudy.where(struct={"patient": row.subject, "_lastUpdated": "gt2020-01-01"})
    found = list(search.include("endpoint").perform_resources_iter(server))
    studies = {one.id: one for one in found if isinstance(one, ImagingStudy)}
    assert studies[row.id].numberOfInstances == len(ward.consignment(name).files)
    [endpoint] = [one for one in found if isinstance(one, Endpoint)]
    assert endpoint.address == ward.server.base + "/dicomweb"
    by_uid = {"patient": row.subject, "identifier": f"urn:oid:{row.uid}"}
    only = list(ImagingStudy.where(struct=by_uid).perform_resources_iter(server))
    assert [one.id for one in only] == [row.id]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["phantom", "NIST MR"])
def test_fhirpy_reads_the_record(ward: Ward, tokens: Tokens, way: str, name: str) -> None:
    client = fhirpy(ward, tokens(way, name))
    row = ward.settled(ward.consignment(name))
    assert client.reference("Patient", row.subject).to_resource().id == row.subject
    search = client.resources("ImagingStudy").search(patient=row.subject)
    found = search.include("ImagingStudy", "endpoint").fetch_raw()
    kinds = [entry.resource.resource_type for entry in found.entry]
    assert sorted(set(kinds)) == ["Endpoint", "ImagingStudy"]
    assert row.id in [one.id for one in search.fetch_all()]
    assert search.count() == kinds.count("ImagingStudy")
    pages = client.resources("ImagingStudy").search(patient=row.subject).limit(1).sort("-started")
    assert sorted(one.id for one in pages.fetch_all()) == sorted(
        entry.resource.id for entry in found.entry if entry.search.mode == "match"
    )


def pixels(data_set: Dataset, frame: int) -> np.ndarray[Any, Any]:
    """A frame as pydicom decodes it; colour is RGB."""
    return pixel_array(data_set, index=frame)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_dicomweb_client_gets_frames_whose_pixels_are_pydicoms(
    ward: Ward, tokens: Tokens, way: str, name: str
) -> None:
    consignment = ward.consignment(name)
    client = dicomweb(ward, tokens(way, name))
    found = client.search_for_studies(search_filters={"StudyInstanceUID": consignment.study})
    assert [one["0020000D"]["Value"] for one in found] == [[consignment.study]]
    metadata = client.retrieve_study_metadata(consignment.study)
    assert len(metadata) == len(consignment.objects)
    pictured = [one for one in consignment.objects if "PixelData" in one]
    for sent in (pictured[0], pictured[-1]):
        last = int(sent.get("NumberOfFrames", 1))
        frames = client.retrieve_instance_frames(
            consignment.study,
            str(sent.SeriesInstanceUID),
            str(sent.SOPInstanceUID),
            frame_numbers=sorted({1, last}),
            media_types=(("application/octet-stream", "1.2.840.10008.1.2.1"),),
        )
        for number, frame in zip(sorted({1, last}), frames, strict=True):
            expected = pixels(sent, number - 1)
            got = np.frombuffer(frame, expected.dtype.newbyteorder("<"), expected.size)
            # JPEG's colours differ by a step or two from one decoder to the next.
            most = 2 if name == "JPEG baseline" else 0
            assert np.abs(got.reshape(expected.shape).astype(int) - expected).max() <= most


@pytest.mark.parametrize("name", ["phantom", "RLE", "MADO study B"])
def test_dicomweb_client_gets_whole_instances(ward: Ward, tokens: Tokens, name: str) -> None:
    consignment = ward.consignment(name)
    client = dicomweb(ward, tokens("token", name))
    got = client.retrieve_study(consignment.study, media_types=(("application/dicom", "*"),))
    assert len(got) == len(consignment.objects)
    by_uid = {one.SOPInstanceUID: one for one in got}
    for sent in consignment.objects:
        assert same_objects(sent, by_uid[sent.SOPInstanceUID])


def test_dicomweb_client_stores_and_finds(ward: Ward, tmp_path: Any) -> None:
    person = phantom.Person("STOW-1", "Stored^By Web", "19700101", "F")
    consignment = made(tmp_path / "files", person)
    client = dicomweb(ward, ward.keys.token("system/*.crs"))
    answer = client.store_instances(consignment.objects)
    assert len(answer.ReferencedSOPSequence) == PLAN.slices
    row = ward.settled(consignment)
    found = client.search_for_studies(search_filters={"PatientID": "STOW-1"})
    assert [one["00201208"]["Value"] for one in found] == [[PLAN.slices]]
    server = smart(ward, ward.keys.token("patient/*.rs", row.subject))
    assert ImagingStudy.read(row.id, server).numberOfInstances == PLAN.slices


# Strangers.


@pytest.fixture(scope="session")
def stranger(ward: Ward, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The token of a patient who has a study of another day."""
    person = phantom.Person("OTHER-1", "Other^Patient", "19440101", "M")
    plan = phantom.Plan("other", "20261121", "101500", "O-1", "CT head", slices=1, size=32)
    consignment = made(tmp_path_factory.mktemp("other") / "files", person, plan)
    web = Web(ward.server.base + "/dicomweb", ward.keys.token("system/*.c"))
    assert web.store(*(path.read_bytes() for path in consignment.files)).status_code == 200
    return ward.keys.token("patient/*.rs", ward.settled(consignment).subject)


def reads(ward: Ward, consignment: Consignment) -> list[tuple[str, Callable[[str], Any]]]:
    """What the clients read of a study, each with a token of the caller's choice."""
    row = ward.settled(consignment)
    one = consignment.objects[0]
    place = consignment.study, str(one.SeriesInstanceUID), str(one.SOPInstanceUID)
    about = {"patient": row.subject}
    return [
        ("Patient", lambda t: Patient.read(row.subject, smart(ward, t))),
        ("ImagingStudy", lambda t: ImagingStudy.read(row.id, smart(ward, t))),
        (
            "search",
            lambda t: list(ImagingStudy.where(struct=about).perform_resources_iter(smart(ward, t))),
        ),
        ("fhirpy", lambda t: fhirpy(ward, t).reference("Patient", row.subject).to_resource()),
        (
            "fhirpy search",
            lambda t: fhirpy(ward, t).resources("ImagingStudy").search(**about).fetch(),
        ),
        ("study", lambda t: dicomweb(ward, t).retrieve_study(place[0])),
        ("metadata", lambda t: dicomweb(ward, t).retrieve_study_metadata(place[0])),
        ("series", lambda t: dicomweb(ward, t).retrieve_series(*place[:2])),
        ("instance", lambda t: dicomweb(ward, t).retrieve_instance(*place)),
        ("frames", lambda t: dicomweb(ward, t).retrieve_instance_frames(*place, [1])),
        ("rendered", lambda t: dicomweb(ward, t).retrieve_instance_rendered(*place)),
        ("series of", lambda t: dicomweb(ward, t).search_for_series(place[0])),
        ("instances of", lambda t: dicomweb(ward, t).search_for_instances(*place[:2])),
    ]


TOLD = {
    FHIRUnauthorizedException: 401,
    FHIRPermissionDeniedException: 403,
    FHIRNotFoundException: 404,
    AuthorizationError: 401,
    ForbiddenError: 403,
    ResourceNotFound: 404,
}


def status_of(read: Callable[[str], Any], token: str) -> int:
    """The HTTP status that a client's own exception tells of."""
    try:
        read(token)
    except requests.HTTPError as error:
        return int(error.response.status_code) if error.response is not None else 0
    except tuple(TOLD) as error:
        return TOLD[type(error)]
    return 200


@pytest.mark.parametrize("name", ["phantom", "JPEG 2000", "MADO study B"])
def test_another_patients_token_opens_none_of_it_and_no_token_nothing_at_all(
    ward: Ward, tokens: Tokens, stranger: str, name: str
) -> None:
    for what, read in reads(ward, ward.consignment(name)):
        assert status_of(read, tokens("token", name)) == 200, what
        assert status_of(read, stranger) == 403, what
        assert status_of(read, "") == 401, what


def test_what_nobody_ever_sent_is_unknown(ward: Ward) -> None:
    token = ward.keys.token("system/*.rs")
    assert status_of(lambda t: Patient.read("nobody", smart(ward, t)), token) == 404
    assert status_of(lambda t: ImagingStudy.read("nothing", smart(ward, t)), token) == 404
    assert status_of(lambda t: dicomweb(ward, t).retrieve_study("1.2.3.4"), token) == 404


def test_a_number_with_its_system_names_a_patient_too(ward: Ward) -> None:
    """`token --patient system|value`, as an operator has it from a wristband."""
    number = f"{MRN}|{ward.consignment('RLE').patient}"
    answer = ward.server.run("token", "--scope", "patient/*.rs", "--patient", number)
    assert answer["patient"] == ward.settled(ward.consignment("RLE")).subject
    found = ward.server.get("/fhir/ImagingStudy", answer["access_token"]).json()
    assert found["total"] == 4
