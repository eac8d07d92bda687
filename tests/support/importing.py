"""The `import` command as a user calls it."""

import resource
import subprocess
import sys
from pathlib import Path

from tests.support.scenes import SYSTEM
from tests.support.server import environment
from tests.support.tree import ROOT


def run(tmp_path: Path, *words: str, memory: int = 0) -> subprocess.CompletedProcess[str]:
    """The command as a user calls it."""

    def limit() -> None:
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    return subprocess.run(
        [sys.executable, "-m", "server", "import", *words],
        cwd=ROOT,
        env=environment(tmp_path / "data", {"TRIPTYCH_ISSUER": SYSTEM}),
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limit,
    )
