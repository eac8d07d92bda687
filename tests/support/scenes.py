"""Two patients and their studies, for tests that need somebody to be refused."""

from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

SYSTEM = "https://hospital.example/mrn"
ROOT = "1.2.826.0.1.3680043.10.1561"
ALICE, BOB = f"{SYSTEM}|ALICE", f"{SYSTEM}|BOB"
ALICES, BOBS = f"{ROOT}.1", f"{ROOT}.2"


def bundled(name: str) -> bytes:
    """One of the files that come with pydicom."""
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


def changed(name: str, **values: Any) -> bytes:
    """A bundled file with other values, in its own transfer syntax. None removes an attribute."""
    data_set = dcmread(BytesIO(bundled(name)))
    for keyword, value in values.items():
        if value is None:
            delattr(data_set, keyword)
        else:
            setattr(data_set, keyword, value)
    return written(data_set)


def written(data_set: Dataset) -> bytes:
    """The data set as a file, its file meta naming it."""
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    out = BytesIO()
    data_set.save_as(out, enforce_file_format=True)
    return out.getvalue()


def instance(
    name: str,
    number: int,
    patient: str = "ALICE",
    study: str = ALICES,
    series: int = 1,
    **more: Any,
) -> bytes:
    """A bundled file as an instance of a study of ours."""
    given = {"ALICE": ("Liddell^Alice", "19520504"), "BOB": ("Cratchit^Bob", "19430101")}
    full_name, birth = given.get(patient, ("Nobody^N", "19600101"))
    values: dict[str, Any] = {
        "PatientID": patient,
        "PatientName": full_name,
        "PatientBirthDate": birth,
        "PatientSex": "O",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.{series}",
        "SOPInstanceUID": f"{study}.{series}.{number}",
        "SeriesNumber": series,
        "InstanceNumber": number,
        "AccessionNumber": f"ACC-{patient}",
        "StudyDate": "20240229" if patient == "ALICE" else "20240301",
        "StudyTime": "072730",
        "StudyID": "7",
        "StudyDescription": "Down the hole",
    }
    return changed(name, **(values | more))


def alices() -> list[bytes]:
    """Alice's study: a CT series of three, one of them JPEG 2000, and a series of colour frames."""
    return [
        instance("CT_small.dcm", 1),
        instance("CT_small.dcm", 2),
        instance("JPEG2000.dcm", 3, Modality="CT"),
        instance("examples_ybr_color.dcm", 1, series=2),
    ]


def bobs() -> list[bytes]:
    """Bob's study: one MR image."""
    return [instance("MR_small.dcm", 1, "BOB", BOBS)]


def address(study: str, series: int = 0, number: int = 0) -> str:
    """The address of a study, series or instance of ours below /dicomweb."""
    path = f"/studies/{study}"
    if series:
        path += f"/series/{study}.{series}"
    if number:
        path += f"/instances/{study}.{series}.{number}"
    return path
