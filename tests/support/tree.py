"""The project's own files, as git would commit them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = {".py", ".js", ".css", ".html", ".md", ".toml", ".txt", ".json", ".sh", ".cfg", ""}


@cache
def project_files() -> tuple[Path, ...]:
    """Return every file that is tracked or would be, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return tuple(Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file())


def files_ending(*suffixes: str) -> list[Path]:
    """Return the project's files with one of these suffixes."""
    return [path for path in project_files() if path.suffix in suffixes]


def read(path: Path) -> str:
    """Return the text of a project file."""
    return (ROOT / path).read_text(encoding="utf-8")
