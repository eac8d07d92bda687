"""The wheel: everything under `triptych/`, and nobody else's `hl7`, `fhir` or `server` overwritten."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.shell import output
from tests.support.tree import ROOT, project_files

pytestmark = pytest.mark.slow
FOLDERS = {"server", "fhir", "hl7", "dicom", "smart_apps"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the project's files, without a network."""
    source = tmp_path_factory.mktemp("source")
    for path in project_files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", "dist", ".", cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder of its own, where another `hl7` lives already."""
    site = tmp_path_factory.mktemp("site")
    (site / "hl7").mkdir()
    (site / "hl7" / "__init__.py").write_text("owner = 'somebody else'\n")
    pip("install", "--no-deps", "--target", str(site), str(wheel), cwd=site)
    return site


def pip(command: str, *arguments: str, cwd: Path) -> None:
    quiet = ["--disable-pip-version-check", "--no-index"]
    output(sys.executable, "-m", "pip", command, *quiet, *arguments, cwd=cwd)


def run_installed(site: Path, *command: str) -> str:
    """Run with the installed wheel first and the locked packages of this environment after it."""
    return output(*command, cwd=site, PYTHONPATH=str(site))


def test_the_wheel_owns_one_package_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"triptych"}


def test_the_wheel_ships_every_file_of_the_folders(wheel: Path) -> None:
    """Pages of the apps, migrations and tables are files too."""
    expected = {f"triptych/{path}" for path in project_files() if path.parts[0] in FOLDERS}
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if not name.split("/")[0].endswith(".dist-info")} == expected


def test_somebody_elses_hl7_is_not_overwritten(installed: Path) -> None:
    assert (
        run_installed(installed, sys.executable, "-c", "import hl7; print(hl7.owner)")
        == "somebody else\n"
    )
    assert sorted(path.name for path in installed.iterdir() if path.name in FOLDERS) == ["hl7"]


def test_the_installed_command_answers(installed: Path) -> None:
    answer = run_installed(installed, str(installed / "bin" / "triptych"), "--help")
    assert "serve" in answer


@pytest.mark.parametrize("name", ["launch_demo", "sandbox_ehr"])
def test_the_apps_to_try_it_with_start_from_the_wheel(installed: Path, name: str) -> None:
    """No other package `smart_apps` is made for them: they keep the wheel's own name."""
    program = f"triptych.smart_apps.{name}"
    assert "--port" in run_installed(installed, sys.executable, "-m", program, "--help")
