"""Media directories as other programs read them: pydicom's file sets and dicom3tools."""

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from dicom.directory import Directory, File
from dicom.media import referenced_files
from tests.support.dicom_objects import EXPLICIT
from tests.support.shell import finish

CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"
ROOT = "1.2.826.0.1.3680043.10.1561.9"


def model(patient: str, study: str, series: str, uid: str, **more: Any) -> dict[str, Any]:
    data_set = Dataset()
    data_set.PatientID, data_set.PatientName = patient, "Ångström^Zoë=山田^太郎"
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = study, series
    data_set.SOPInstanceUID, data_set.StudyDate, data_set.Modality = uid, "20240229", "CT"
    data_set.InstanceNumber, data_set.SeriesNumber = 7, 3
    for keyword, value in more.items():
        setattr(data_set, keyword, value)
    found: dict[str, Any] = json.loads(data_set.to_json())
    return found


def written(folder: Path) -> bytes:
    """Two patients; the first has two studies, one of them with two series."""
    made = Directory(f"{ROOT}.1")
    places = [("A", 1, 1, 1), ("A", 1, 1, 2), ("A", 1, 2, 1), ("A", 2, 1, 1), ("B", 3, 1, 1)]
    for number, (patient, study, series, instance) in enumerate(places, 1):
        study_uid = f"{ROOT}.2.{study}"
        series_uid = f"{study_uid}.{series}"
        uid = f"{series_uid}.{instance}"
        path = ("DICOM", f"IM{number:06d}")
        made.add(File(path, CT, uid, EXPLICIT, model(patient, study_uid, series_uid, uid)))
        file = folder.joinpath(*path)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    data = made.written()
    (folder / "DICOMDIR").write_bytes(data)
    return data


# In a program of its own: pydicom leaves the end of its temporary folder to the interpreter's.
READ = """
import json, sys
from pydicom import dcmread
from pydicom.fileset import FileSet
files = FileSet(dcmread(sys.argv[1]))
(bob,) = files.find(PatientID="B")
print(json.dumps({
    "files": len(files),
    "studies": sorted(files.find_values("StudyInstanceUID")),
    "of A": len(files.find(PatientID="A")),
    "name": str(bob.PatientName),
    "numbers": [bob.InstanceNumber, bob.SeriesNumber],
}))
"""


def test_a_directory_is_the_tree_of_its_files_to_others(tmp_path: Path) -> None:
    data = written(tmp_path)
    assert referenced_files(data) == [f"DICOM/IM{number:06d}" for number in range(1, 6)]
    run = finish(sys.executable, "-c", READ, str(tmp_path / "DICOMDIR"), cwd=tmp_path)
    assert json.loads(run.stdout) == {
        "files": 5,
        "studies": [f"{ROOT}.2.{study}" for study in (1, 2, 3)],
        "of A": 4,
        "name": "Ångström^Zoë=山田^太郎",
        "numbers": [7, 3],
    }, run.stderr


def test_every_offset_leads_to_the_record_that_it_names(tmp_path: Path) -> None:
    """PS3.3 F.3.2.2: offsets count from the first byte of the file."""
    data_set = dcmread(BytesIO(written(tmp_path)))
    records = {
        item.seq_item_tell: item
        for item in data_set.DirectoryRecordSequence
        if item.seq_item_tell is not None
    }
    first = data_set.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity
    kinds, waiting = [], [first]
    while waiting:
        place = waiting.pop()
        record = records[place]
        kinds.append(record.DirectoryRecordType)
        waiting += filter(
            None,
            (
                record.OffsetOfTheNextDirectoryRecord,
                record.OffsetOfReferencedLowerLevelDirectoryEntity,
            ),
        )
    assert len(kinds) == len(records) == 14
    assert kinds[:4] == ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    last = data_set.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity
    assert records[last].PatientID == "B"


@pytest.mark.parametrize("more", [{}, {"ContentDate": "20240301", "CompletionFlag": "PARTIAL"}])
def test_a_record_of_a_report_has_what_its_kind_needs(more: dict[str, Any]) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "18748-4", "LN", "Report"
    given = model("A", f"{ROOT}.3", f"{ROOT}.3.1", f"{ROOT}.3.1.1", ConceptNameCodeSequence=[code])
    given |= json.loads(Dataset().to_json())
    for keyword, value in more.items():
        extra = Dataset()
        setattr(extra, keyword, value)
        given |= json.loads(extra.to_json())
    made = Directory(f"{ROOT}.4")
    made.add(File(("SR",), SR, f"{ROOT}.3.1.1", EXPLICIT, given))
    record = dcmread(BytesIO(made.written())).DirectoryRecordSequence[-1]
    assert record.DirectoryRecordType == "SR DOCUMENT"
    assert record.ConceptNameCodeSequence[0].CodeMeaning == "Report"
    assert record.CompletionFlag == more.get("CompletionFlag", "COMPLETE")


def test_what_is_missing_or_strange_breaks_no_directory() -> None:
    made = Directory(f"{ROOT}.5")
    odd: dict[str, Any] = {
        "00100020": {"vr": "LO", "Value": ["a\\b", "c"]},
        "00100010": {"vr": "PN", "Value": [{}]},
        "00080020": {"vr": "DA"},
        "00200013": {"vr": "IS", "Value": [None]},
        "00081030": {"vr": "LO", "Value": ["x" * 70_000]},
    }
    made.add(File(("X",), CT, f"{ROOT}.6", EXPLICIT, odd))
    made.add(File(("Y",), CT, f"{ROOT}.7", EXPLICIT, {}))
    records = dcmread(BytesIO(made.written())).DirectoryRecordSequence
    assert [one.DirectoryRecordType for one in records][:4] == [
        "PATIENT",
        "STUDY",
        "SERIES",
        "IMAGE",
    ]
    assert records[0].PatientID == "a b"
    assert dcmread(BytesIO(Directory(f"{ROOT}.8").written())).DirectoryRecordSequence == []
