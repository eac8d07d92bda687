"""QIDO-RS at the running server (PS3.18 10.6)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session
from sqlalchemy import func, select

from server.store.tables import audit
from tests.support.keyring import Keyring, keyring
from tests.support.scenes import ALICE, ALICES, BOB, BOBS, SYSTEM, address, alices, bobs, instance
from tests.support.server import Server, running
from tests.support.web import Web, value, web

UID, NAME, NUMBER = "0020000D", "00100010", "00100020"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data"), ISSUER=SYSTEM) as started:
        staff = web(started)
        answer = staff.store(*alices(), *bobs())
        assert answer.status_code == 200, answer.text
        yield started


@pytest.fixture(scope="module")
def staff(server: Server) -> Web:
    return web(server)


def uids(results: list[dict[str, Any]], tag: str = UID) -> list[Any]:
    return [value(result, tag) for result in results]


def test_a_study_answer_has_the_attributes_that_the_standard_lists(staff: Web) -> None:
    """PS3.18 table 10.6.3-3."""
    answer = staff.get(f"/studies?StudyInstanceUID={ALICES}")
    assert answer.headers["Content-Type"] == "application/dicom+json"
    [study] = answer.json()
    assert list(study) == sorted(study)
    assert {tag: value(study, tag) for tag in study} == {
        "00080005": "ISO_IR 192",
        "00080020": "20240229",
        "00080030": "072730",
        "00080050": "ACC-ALICE",
        "00080056": "ONLINE",
        "00080061": "CT",
        "00080090": None,
        "00081030": "Down the hole",
        "00081190": staff.base + address(ALICES),
        "00100010": {"Alphabetic": "Liddell^Alice"},
        "00100020": "ALICE",
        "00100030": "19520504",
        "00100040": "O",
        "0020000D": ALICES,
        "00200010": "7",
        "00201206": 2,
        "00201208": 4,
    }
    assert study["00080061"]["Value"] == ["CT", "US"]


def test_a_series_answer_names_its_study_only_where_the_address_does_not(staff: Web) -> None:
    """PS3.18 10.6.3.3.2: All Series carries the study's attributes, Study's Series need not."""
    [first, second] = staff.found(f"{address(ALICES)}/series")
    assert [value(first, tag) for tag in ("00080060", "00200011", "00201209")] == ["CT", 1, 3]
    assert value(first, "00081190") == staff.base + address(ALICES, 1)
    assert value(second, "0020000E") == f"{ALICES}.2"
    assert NAME not in first
    [across] = staff.found(f"/series?SeriesInstanceUID={ALICES}.1")
    assert value(across, NAME) == {"Alphabetic": "Liddell^Alice"}
    assert value(across, "00201208") == 4


def test_an_instance_answer_describes_the_image(staff: Web) -> None:
    """PS3.18 table 10.6.3-5."""
    first, *_ = staff.found(f"{address(ALICES, 1)}/instances")
    assert value(first, "00081190") == staff.base + address(ALICES, 1, 1)
    wanted = ("00080016", "00080018", "00200013", "00280010", "00280011", "00280100")
    assert [value(first, tag) for tag in wanted] == [
        "1.2.840.10008.5.1.4.1.1.2",
        f"{ALICES}.1.1",
        1,
        128,
        128,
        16,
    ]
    assert "00080060" not in first
    [colour] = staff.found(f"{address(ALICES)}/instances?Modality=US")
    assert (value(colour, "00280008"), value(colour, "00080060")) == (30, "US")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [BOBS, ALICES]),
        ("PatientName=liddell*", [ALICES]),
        ("00100010=LIDDELL%5eALICE", [ALICES]),
        ("PatientID=BOB&PatientName=", [BOBS]),
        ("StudyDate=20240229-20240301&ModalitiesInStudy=MR", [BOBS]),
        ("AccessionNumber=ACC-*&limit=1", [BOBS]),
        ("limit=1&offset=1", [ALICES]),
        (f"StudyInstanceUID={ALICES},{BOBS}&offset=2", []),
        ("PatientID=NOBODY", []),
    ],
)
def test_keys_may_be_keywords_or_tags_and_no_match_is_an_empty_list(
    staff: Web, query: str, found: list[str]
) -> None:
    """200 with [] rather than 204, as CP-2473 settles it."""
    assert uids(staff.found(f"/studies?{query}")) == found


def test_extra_fields_come_from_the_stored_header_and_only_those_of_the_level(staff: Web) -> None:
    [study] = staff.found("/studies?PatientID=ALICE&includefield=PatientWeight,00080060")
    assert "00101030" in study
    assert "00080060" not in study
    [twice] = staff.found("/studies?PatientID=ALICE&includefield=PatientAge&includefield=00101030")
    assert {"00101010", "00101030"} <= set(twice)
    [whole] = staff.found("/studies?PatientID=ALICE&includefield=all")
    assert set(study) <= set(whole)
    assert not {"00280010", "7FE00010"} & set(whole)


def test_all_fields_of_an_instance_are_its_metadata_with_absolute_addresses(staff: Web) -> None:
    [first] = staff.found(f"{address(ALICES, 1)}/instances?InstanceNumber=1&includefield=all")
    assert first["7FE00010"]["BulkDataURI"] == (
        staff.base + address(ALICES, 1, 1) + "/bulkdata/7FE00010"
    )
    assert value(first, "00081090") == "RHAPSODE"


def test_more_results_than_the_limit_are_announced(staff: Web) -> None:
    """PS3.18 8.3.4.4.1."""
    answer = staff.get("/studies?limit=1")
    assert answer.headers["Warning"] == (
        f"299 {staff.base}: There are additional results that can be requested"
    )
    assert "Warning" not in staff.get("/studies?limit=2").headers
    assert len(staff.found("/studies?limit=99999999")) == 2


def test_fuzzy_matching_is_declined_with_the_words_of_the_standard(staff: Web) -> None:
    """PS3.18 8.3.4.2."""
    answer = staff.get("/studies?fuzzymatching=true&PatientName=lidel*")
    assert answer.json() == []
    assert answer.headers["Warning"].endswith(
        "The fuzzymatching parameter is not supported. Only literal matching has been performed."
    )
    assert "Warning" not in staff.get("/studies?fuzzymatching=false").headers


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/studies?PatientNmae=x", "PatientNmae"),
        ("/studies?Modality=CT", "ModalitiesInStudy"),
        ("/studies?PatientAge=1", "PatientAge"),
        ("/studies?StudyDate=yesterday", "YYYYMMDD"),
        ("/studies?PatientID=a&00100020=b", "twice"),
        ("/studies?includefield=Nonsense", "Nonsense"),
        ("/studies?limit=many", "limit"),
        ("/studies?offset=-1", "offset"),
        ("/series?SeriesNumber=x", "SeriesNumber"),
        ("/instances?SOPInstanceUID=1.2.*", "SOPInstanceUID"),
    ],
)
def test_what_cannot_be_understood_is_400_in_plain_words(staff: Web, path: str, words: str) -> None:
    answer = staff.get(path)
    assert answer.status_code == 400
    [issue] = answer.json()["issue"]
    assert words in issue["diagnostics"]


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("application/dicom+json", 200, "application/dicom+json"),
        ("application/json", 200, "application/json"),
        ("*/*", 200, "application/dicom+json"),
        ('multipart/related; type="application/dicom+xml"', 406, ""),
        ('multipart/related; type="application/dicom+xml", application/json;q=0.1', 200, ""),
        ("text/html", 406, ""),
    ],
)
def test_the_answer_is_json_or_406(staff: Web, accept: str, status: int, kind: str) -> None:
    answer = staff.get("/studies", accept)
    assert answer.status_code == status
    assert kind in answer.headers["Content-Type"]
    assert staff.get("/studies?accept=application/json", "*/*").status_code == 200


def test_a_patients_search_finds_their_own_and_no_sign_of_others(server: Server) -> None:
    alice = web(server, "patient/ImagingStudy.rs", ALICE)
    assert uids(alice.found("/studies")) == [ALICES]
    assert alice.found("/studies?PatientID=BOB") == []
    assert alice.found(f"/studies?StudyInstanceUID={BOBS}") == []
    assert len(alice.found("/series")) == 2
    assert len(alice.found("/instances")) == 4
    assert alice.found(f"/instances?SOPInstanceUID={BOBS}.1.1") == []
    assert "Warning" not in alice.get("/studies?limit=1").headers


def test_an_unknown_study_in_the_address_is_404(staff: Web) -> None:
    assert staff.get("/studies/1.2.3/series").status_code == 404
    assert staff.get(f"{address(ALICES)}.9/instances").status_code == 404


def test_a_second_patients_claim_is_a_row_of_its_own_for_staff_alone(tmp_path: Path) -> None:
    with running(tmp_path, ISSUER=SYSTEM) as server:
        staff = web(server)
        staff.store(*alices())
        assert staff.store(instance("CT_small.dcm", 7, "BOB", ALICES, 3)).status_code == 202
        both = staff.found(f"/studies?StudyInstanceUID={ALICES}")
        counts = {value(one, NUMBER): value(one, "00201208") for one in both}
        assert counts == {"ALICE": 4, "BOB": 1}
        alice, bob = (web(server, "patient/ImagingStudy.rs", who) for who in (ALICE, BOB))
        [own] = alice.found("/studies")
        assert (value(own, NUMBER), value(own, "00201208")) == ("ALICE", 4)
        assert len(alice.found(f"{address(ALICES)}/instances")) == 4
        assert bob.found("/studies") == []


def test_an_answer_that_has_not_changed_is_304_for_who_got_it_and_its_event_before(
    server: Server, staff: Web
) -> None:
    """RFC 9110 13.1.2. Nobody can make the name of an answer up, nor use it for another question."""
    path = "/studies?PatientID=nobody"
    etag = staff.get(path).headers["ETag"]
    with keyring(server) as keys:
        before = _events(keys)
        again = staff.get(path, If_None_Match=etag)
        assert (again.status_code, again.content) == (304, b"")
        assert _events(keys) == before
        assert staff.get("/studies?PatientID=noone", If_None_Match=etag).status_code == 200
        other = Web(f"{server.base}/dicomweb", keys.token("system/*.rs"))
        assert other.get(path, If_None_Match=etag).status_code == 200
        assert _events(keys) > before + 1
    packed = staff.get("/instances", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == staff.get("/instances", Accept_Encoding="identity").json()


def _events(keys: Keyring) -> int:
    with keys.house.database.read() as connection:
        found = select(func.count()).where(audit.c.action == "search")
        return int(connection.execute(found).scalar_one())


def test_dicomweb_client_searches_as_it_does_elsewhere(staff: Web) -> None:
    session = create_session()
    session.headers["Authorization"] = f"Bearer {staff.token}"
    with session:
        client = DICOMwebClient(staff.base, session=session)
        studies = client.search_for_studies(search_filters={"PatientID": "BOB"})
        assert uids(studies) == [BOBS]
        assert client.search_for_studies(search_filters={"PatientID": "NOBODY"}) == []
        series = client.search_for_series(BOBS, fields=["SeriesDescription"])
        assert uids(series, "0020000E") == [f"{BOBS}.1"]
        assert len(client.search_for_instances(BOBS, f"{BOBS}.1")) == 1
        assert len(client.search_for_instances(limit=2, get_remaining=True)) >= 5
