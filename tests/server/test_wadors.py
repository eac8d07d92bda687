"""WADO-RS at the running server (PS3.18 10.4): what comes back is what came in."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import requests
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom import dcmread
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array

from tests.support.scenes import (
    ALICES,
    BOBS,
    SYSTEM,
    address,
    alices,
    bobs,
    bundled,
    instance,
)
from tests.support.server import Server, running
from tests.support.web import Web, parts, value, web

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
J2K = "1.2.840.10008.1.2.4.91"
OBJECTS = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'
STUDY = f"{ALICES}.9"

# Bundled files in every way of writing a data set: number in the study and name.
WAYS = {
    1: "CT_small.dcm",
    2: "MR_small_implicit.dcm",
    3: "MR_small_expb.dcm",
    4: "MR_small_RLE.dcm",
    5: "JPEG2000.dcm",
    6: "SC_rgb_jpeg_dcmtk.dcm",
    7: "rtdose.dcm",
    8: "MR_small_jpeg_ls_lossless.dcm",
    9: "rtdose_expb.dcm",
    10: "image_dfl.dcm",
    11: "examples_palette.dcm",
    12: "liver_1frame.dcm",
    13: "SC_rgb_rle_2frame.dcm",
}


@pytest.fixture(scope="module")
def ways() -> dict[int, bytes]:
    return {number: instance(name, number, study=STUDY) for number, name in WAYS.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ways: dict[int, bytes]) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data"), ISSUER=SYSTEM) as started:
        answer = web(started).store(*alices(), *bobs(), *ways.values())
        assert answer.status_code in (200, 202), answer.text
        yield started


@pytest.fixture(scope="module")
def staff(server: Server) -> Web:
    return web(server)


def refused(answer: requests.Response, status: int) -> str:
    """What a refusal says."""
    assert answer.status_code == status, answer.text
    said: str = answer.json()["issue"][0]["diagnostics"]
    return said


@pytest.mark.parametrize("number", WAYS, ids=WAYS.get)
def test_an_instance_comes_back_byte_for_byte(
    staff: Web, ways: dict[int, bytes], number: int
) -> None:
    answer = staff.get(address(STUDY, 1, number), "application/dicom; transfer-syntax=*")
    assert answer.status_code == 200
    assert answer.content == ways[number]
    assert answer.headers["Content-Length"] == str(len(ways[number]))
    syntax = dcmread(BytesIO(ways[number]), specific_tags=[]).file_meta.TransferSyntaxUID
    assert answer.headers["Content-Type"] == f"application/dicom; transfer-syntax={syntax}"


@pytest.mark.parametrize("accept", [OBJECTS, f"{OBJECTS}; transfer-syntax=*", "*/*", ""])
def test_a_whole_study_is_one_answer_with_every_object_as_stored(
    staff: Web, ways: dict[int, bytes], accept: str
) -> None:
    """SMART Imaging Access 17; without transfer-syntax the stored one is served as well."""
    answer = staff.get(address(STUDY), accept)
    assert answer.headers["Content-Type"].startswith(OBJECTS)
    assert answer.headers["Content-Length"] == str(len(answer.content))
    found = parts(answer)
    assert sorted(content for _, content in found) == sorted(ways.values())
    for head, content in found:
        assert head["content-type"].startswith("application/dicom; transfer-syntax=1.2.840.10008")
        assert head["content-length"] == str(len(content))


def test_a_series_is_its_own_objects_in_the_order_of_their_numbers(staff: Web) -> None:
    found = parts(staff.get(address(ALICES, 1)))
    numbers = [dcmread(BytesIO(content)).InstanceNumber for _, content in found]
    assert numbers == [1, 2, 3]


def test_a_transfer_syntax_that_is_not_the_stored_one_is_406_and_names_that(staff: Web) -> None:
    wanted = f"{OBJECTS}; transfer-syntax={J2K}"
    for path in (address(ALICES), address(ALICES, 1), address(ALICES, 1, 1)):
        assert EXPLICIT in refused(staff.get(path, wanted), 406)
    assert staff.get(address(ALICES, 1, 3), wanted).status_code == 200
    either = f"{wanted}, {OBJECTS}; transfer-syntax={EXPLICIT}"
    assert staff.get(address(ALICES, 1), either).status_code == 200


@pytest.mark.parametrize("accept", ["application/dicom+xml", "text/plain", "image/jpeg"])
def test_a_form_that_objects_do_not_have_is_406(staff: Web, accept: str) -> None:
    assert "application/dicom" in refused(staff.get(address(ALICES), accept), 406)


def test_a_hostile_preamble_is_zeroed_in_the_copy_and_nothing_else_changes(staff: Web) -> None:
    whole = instance("CT_small.dcm", 20, study=f"{ALICES}.20")
    armed = b"#!/bin/sh".ljust(128, b"\n") + whole[128:]
    assert staff.store(armed).status_code == 200
    path = address(f"{ALICES}.20", 1, 20)
    assert staff.get(path, "application/dicom").content == bytes(128) + whole[128:]
    [(_, content)] = parts(staff.get(path, OBJECTS))
    assert content == bytes(128) + whole[128:]


def test_an_object_that_came_without_file_meta_goes_out_as_a_proper_file(staff: Web) -> None:
    bare = bundled("ExplVR_LitEndNoMeta.dcm")
    [kept] = staff.store(bare).json()["00081199"]["Value"]
    answer = staff.get(value(kept, "00081190"), "application/dicom")
    assert answer.content[128:132] == b"DICM"
    assert answer.content.endswith(bare)
    data_set = dcmread(BytesIO(answer.content))
    assert data_set.file_meta.TransferSyntaxUID == EXPLICIT
    assert data_set.file_meta.MediaStorageSOPInstanceUID == data_set.SOPInstanceUID


def test_a_study_is_served_as_it_stands_while_it_arrives(staff: Web) -> None:
    study = f"{ALICES}.30"
    for number in (1, 2):
        staff.store(instance("CT_small.dcm", number, study=study))
        assert len(parts(staff.get(address(study)))) == number
        assert len(staff.get(address(study) + "/metadata").json()) == number


def test_a_study_that_cannot_be_read_whole_is_not_begun(server: Server, staff: Web) -> None:
    """SMART Imaging Access 22: denied, never partially returned."""
    study = f"{ALICES}.40"
    before = set((server.data / "blobs").rglob("*"))
    staff.store(instance("CT_small.dcm", 1, study=study))
    [lost] = [p for p in set((server.data / "blobs").rglob("*")) - before if p.is_file()]
    staff.store(instance("CT_small.dcm", 2, study=study))
    lost.unlink()
    assert staff.get(address(study)).status_code == 500
    assert staff.get(address(study, 1, 2)).status_code == 200


def test_metadata_joins_the_stored_json_with_absolute_addresses(
    staff: Web, ways: dict[int, bytes]
) -> None:
    answer = staff.get(address(STUDY) + "/metadata")
    assert answer.headers["Content-Type"] == "application/dicom+json"
    models = {value(model, "00200013"): model for model in answer.json()}
    assert models.keys() == ways.keys()
    for number, model in models.items():
        assert model["7FE00010"]["BulkDataURI"] == (
            staff.base + address(STUDY, 1, number) + "/bulkdata/7FE00010"
        )
        assert value(model, "0020000D") == STUDY
        assert not [tag for tag in model if tag.startswith("0002")]
    one = staff.get(address(STUDY, 1, 3) + "/metadata", "application/json")
    assert one.headers["Content-Type"] == "application/json"
    assert one.json() == [models[3]]
    assert staff.get(address(STUDY, 1) + "/metadata").json() == answer.json()


@pytest.mark.parametrize("number", [1, 2, 3, 7, 9, 11])
def test_native_pixels_are_bulk_data_in_little_endian_order(
    staff: Web, ways: dict[int, bytes], number: int
) -> None:
    path = address(STUDY, 1, number) + "/bulkdata/7FE00010"
    data_set = dcmread(BytesIO(ways[number]))
    wanted = data_set.PixelData
    if data_set.file_meta.TransferSyntaxUID == BIG:
        width = data_set.BitsAllocated // 8
        wanted = np.frombuffer(wanted, f">u{width}").astype(f"<u{width}").tobytes()
    single = staff.get(path, "application/octet-stream")
    assert single.content == wanted
    assert single.headers["Content-Length"] == str(len(wanted))
    [(head, content)] = parts(staff.get(path, OCTETS))
    assert (head["content-type"], content) == ("application/octet-stream", wanted)


def test_values_of_a_deflated_object_are_found_in_the_inflated_one(
    staff: Web, ways: dict[int, bytes]
) -> None:
    wanted = dcmread(BytesIO(ways[10])).PixelData
    path = address(STUDY, 1, 10)
    assert staff.get(path + "/bulkdata/7FE00010", "application/octet-stream").content == wanted
    assert staff.get(path + "/frames/1", "application/octet-stream").content == wanted


def test_compressed_pixels_are_bulk_data_frame_by_frame(staff: Web, ways: dict[int, bytes]) -> None:
    found = parts(staff.get(address(STUDY, 1, 13) + "/bulkdata/7FE00010"))
    assert [content for _, content in found] == encapsulated(ways[13])
    assert len(found) == 2


def encapsulated(file: bytes) -> list[bytes]:
    """The codestreams of an object, as pydicom finds them."""
    data_set = dcmread(BytesIO(file))
    count = int(data_set.get("NumberOfFrames", 1))
    return [get_frame(data_set.PixelData, at, number_of_frames=count) for at in range(count)]


@pytest.mark.parametrize("path", ["7FE00011", "00100010", "../../etc", "7FE00010/1"])
def test_bulk_data_that_is_not_there_is_404(staff: Web, path: str) -> None:
    assert staff.get(f"{address(ALICES, 1, 1)}/bulkdata/{path}").status_code == 404


@pytest.mark.parametrize(
    ("number", "kind", "syntax"),
    [
        (4, "image/dicom-rle", "1.2.840.10008.1.2.5"),
        (5, "image/jp2", J2K),
        (6, "image/jpeg", "1.2.840.10008.1.2.4.50"),
        (8, "image/jls", "1.2.840.10008.1.2.4.80"),
    ],
)
def test_compressed_frames_are_served_as_they_are_stored(
    staff: Web, ways: dict[int, bytes], number: int, kind: str, syntax: str
) -> None:
    """PS3.18 table 8.7.3-5; viewers ask for octets of any transfer syntax."""
    path = address(STUDY, 1, number) + "/frames/1"
    [first, *_] = encapsulated(ways[number])
    for accept, content_type in (
        ("*/*", kind),
        (f'multipart/related; type="{kind}"', kind),
        (f'multipart/related; type="{kind}"; transfer-syntax={syntax}', kind),
        (f"{OCTETS}; transfer-syntax=*", "application/octet-stream"),
        (f"{OCTETS}; transfer-syntax={syntax}", "application/octet-stream"),
    ):
        [(head, content)] = parts(staff.get(path, accept))
        assert head["content-type"] == f"{content_type}; transfer-syntax={syntax}", accept
        assert content == first
    alone = staff.get(path, f"{kind}; transfer-syntax={syntax}")
    assert (alone.content, alone.headers["Content-Length"]) == (first, str(len(first)))


@pytest.mark.parametrize("number", WAYS, ids=WAYS.get)
def test_octets_without_a_transfer_syntax_are_the_pixels_that_pydicom_decodes(
    staff: Web, ways: dict[int, bytes], number: int
) -> None:
    """PS3.18 8.7.3.3: the default is explicit VR little endian."""
    data_set = dcmread(BytesIO(ways[number]))
    frame = int(data_set.get("NumberOfFrames", 1))
    answer = staff.get(f"{address(STUDY, 1, number)}/frames/{frame}", OCTETS)
    [(head, content)] = parts(answer)
    assert head["content-type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    wanted: Any = pixel_array(data_set, index=frame - 1)
    if data_set.BitsAllocated == 1:
        wanted = np.packbits(wanted, bitorder="little")
    wanted = wanted.astype(wanted.dtype.newbyteorder("<"))
    got = np.frombuffer(content, wanted.dtype, wanted.size).reshape(wanted.shape)
    # Decoders of lossy JPEG may round a colour differently.
    assert np.abs(got.astype(int) - wanted).max() <= (2 if number == 6 else 0)
    assert len(content) - wanted.nbytes <= 1


def test_several_frames_are_parts_in_the_order_asked_for(
    staff: Web, ways: dict[int, bytes]
) -> None:
    frames = pixel_array(dcmread(BytesIO(ways[7])))
    found = parts(staff.get(address(STUDY, 1, 7) + "/frames/15,1,3"))
    assert [content for _, content in found] == [frames[at].tobytes() for at in (14, 0, 2)]


@pytest.mark.parametrize(
    ("frames", "status"), [("0", 404), ("16", 404), ("1,16", 404), ("x", 400), ("1,,2", 400)]
)
def test_frames_that_there_are_not_are_refused_before_any_is_sent(
    staff: Web, frames: str, status: int
) -> None:
    refused(staff.get(f"{address(STUDY, 1, 7)}/frames/{frames}"), status)


@pytest.mark.parametrize("accept", ["image/jls", "image/png", "application/dicom+json"])
def test_a_form_that_a_frame_does_not_have_is_406(staff: Web, accept: str) -> None:
    assert "application/octet-stream" in refused(
        staff.get(address(ALICES, 1, 1) + "/frames/1", accept), 406
    )


@pytest.mark.parametrize("suffix", ["", "/metadata", "/rendered", "/thumbnail"])
def test_what_has_not_changed_is_not_sent_again(staff: Web, suffix: str) -> None:
    path = address(BOBS, 1, 1) + suffix
    first = staff.get(path)
    etag = first.headers["ETag"]
    again = staff.get(path, If_None_Match=etag)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert staff.get(path, If_None_Match='"other"').status_code == 200


def test_the_metadata_of_a_study_that_grew_is_sent_again(staff: Web) -> None:
    study = f"{ALICES}.50"
    staff.store(instance("CT_small.dcm", 1, study=study))
    etag = staff.get(address(study) + "/metadata").headers["ETag"]
    staff.store(instance("CT_small.dcm", 2, study=study))
    assert staff.get(address(study) + "/metadata", If_None_Match=etag).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/studies",
        address(ALICES),
        address(ALICES, 1, 1),
        address(ALICES) + "/metadata",
        address(ALICES, 1, 1) + "/frames/1",
        address(ALICES, 1, 1) + "/rendered",
    ],
)
def test_head_says_what_get_would(staff: Web, path: str) -> None:
    head, get = staff.head(path), staff.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"].split(";")[0] == get.headers["Content-Type"].split(";")[0]
    if "Content-Length" in get.headers and "Transfer-Encoding" not in get.headers:
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_dicomweb_client_retrieves_as_it_does_elsewhere(staff: Web, ways: dict[int, bytes]) -> None:
    session = create_session()
    session.headers["Authorization"] = f"Bearer {staff.token}"
    with session:
        client = DICOMwebClient(staff.base, session=session)
        assert len(client.retrieve_study(ALICES)) == 4
        assert len(list(client.iter_series(ALICES, f"{ALICES}.1"))) == 3
        one = client.retrieve_instance(STUDY, f"{STUDY}.1", f"{STUDY}.1.1")
        assert one.PatientName == "Liddell^Alice"
        [model] = [client.retrieve_instance_metadata(STUDY, f"{STUDY}.1", f"{STUDY}.1.7")]
        [pixels] = client.retrieve_bulkdata(model["7FE00010"]["BulkDataURI"])
        assert pixels == dcmread(BytesIO(ways[7])).PixelData
        where = (STUDY, f"{STUDY}.1", f"{STUDY}.1.7")
        assert client.retrieve_instance_frames(*where, frame_numbers=[2])[0] == (
            pixel_array(dcmread(BytesIO(ways[7])), index=1).tobytes()
        )
        picture = client.retrieve_instance_rendered(*where, media_types=("image/png",))
        assert picture.startswith(b"\x89PNG")
