"""Two packages share the name `fhir`, and both must be found."""

import sys
from pathlib import Path

import pytest

from tests.support.shell import output
from tests.support.tree import ROOT

BOTH = "import fhir, fhir.resources.R4B; print(fhir.__path__[0])"


def test_our_fhir_and_fhir_resources_import_together(tmp_path: Path) -> None:
    found = run_python(BOTH, cwd=tmp_path)
    assert Path(found) == ROOT / "fhir"


@pytest.mark.parametrize("name", ["server", "fhir", "hl7", "dicom"])
def test_each_folder_is_its_own_import_package(name: str, tmp_path: Path) -> None:
    found = run_python(f"import {name}; print({name}.__path__[0])", cwd=tmp_path)
    assert Path(found) == ROOT / name


def run_python(code: str, cwd: Path) -> str:
    return output(sys.executable, "-c", code, cwd=cwd, PYTHONPATH=str(ROOT)).strip()
