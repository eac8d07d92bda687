"""Puts the five folders inside one package `triptych`, so that no other `hl7` or `fhir` is overwritten.

Everything else about the project stands in pyproject.toml.
"""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
FOLDERS = ("server", "fhir", "hl7", "dicom", "smart_apps")


def folders_with_files() -> list[Path]:
    """Return each folder that ships something, relative to the root; caches are left behind."""
    kept = {
        path.parent.relative_to(ROOT)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return sorted(kept)


folders = folders_with_files()
names = [".".join(("triptych", *folder.parts)) for folder in folders]
setup(
    packages=names,
    package_dir={name: str(folder) for name, folder in zip(names, folders, strict=True)},
    package_data={"": ["*"]},
    include_package_data=False,
)
