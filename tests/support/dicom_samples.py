"""DICOM files that tests read: pydicom's bundled ones always, the shared set when it is there."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

SAMPLES = os.environ.get("TRIPTYCH_SAMPLES", "")

needs_samples = pytest.mark.skipif(
    not SAMPLES, reason="set TRIPTYCH_SAMPLES to the folder of shared test data"
)


def bundled(name: str) -> bytes:
    """One of the files that come with pydicom."""
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


def bundled_paths() -> list[Path]:
    """Every DICOM file that comes with pydicom."""
    folder = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent.parent
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in found if path.suffix in ("", ".dcm"))


def shared_records() -> list[dict[str, Any]]:
    """The DICOM records of the shared set's index.json, none without the set."""
    if not SAMPLES:
        return []
    index = json.loads(Path(SAMPLES, "index.json").read_text())
    return [record for record in index["files"] if record["path"].startswith("dicom/")]


def shared_paths() -> list[Path]:
    """Every file of the shared DICOM set."""
    return [Path(SAMPLES, record["path"]) for record in shared_records()]


def shared(name: str) -> bytes:
    """One file of the shared set by its path below dicom/."""
    return Path(SAMPLES, "dicom", name).read_bytes()
