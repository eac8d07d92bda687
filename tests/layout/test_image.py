"""What the container image promises; `make image-check` carries the steps out."""

import re
from pathlib import Path

from tests.support.tree import project_files, read

DOCKERFILE = read(Path("Dockerfile"))
FOLDERS = {"server", "fhir", "hl7", "dicom", "smart_apps"}


def test_the_image_runs_as_an_ordinary_user_with_one_volume() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", final, re.MULTILINE) == ["10001"]
    assert re.findall(r"^VOLUME (.+)$", final, re.MULTILINE) == ["/data"]


def test_the_image_takes_packages_by_hash_only() -> None:
    for install in re.findall(r"pip install .+", DOCKERFILE):
        assert "--require-hashes" in install
        assert "--only-binary :all:" in install


def test_the_image_holds_every_folder_of_the_wheel() -> None:
    """A folder that exists must be copied, and must pass .dockerignore."""
    existing = {path.parts[0] for path in project_files()} & FOLDERS
    copied = set(re.findall(r"^COPY ([a-z0-9_]+) /srv", DOCKERFILE, re.MULTILINE))
    let_through = set(re.findall(r"^!(\w+)$", read(Path(".dockerignore")), re.MULTILINE))
    assert copied == existing
    assert existing <= let_through


def test_the_image_says_whether_it_is_well() -> None:
    assert re.search(r"^HEALTHCHECK .*/readyz", DOCKERFILE, re.MULTILINE)
