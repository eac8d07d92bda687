"""The console script of the installed wheel: puts the packages in reach, then runs the commands."""

import sys
from pathlib import Path


def main() -> None:
    """Run `triptych …`: inside the wheel the five packages stand in the folder `triptych`."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from server.__main__ import main as run

    run()
