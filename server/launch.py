"""Entry point of an installed Triptych: makes the packages beside it importable by their own names.

The wheel keeps `server`, `fhir`, `hl7` and `dicom` inside one folder, so that it overwrites nobody's
packages of these names. That folder goes first on the path here, and into PYTHONPATH for the
processes that `serve` starts.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command line, exactly as `python -m server` does in a checkout."""
    home = str(Path(__file__).resolve().parents[1])
    sys.path.insert(0, home)
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([home, inherited]) if inherited else home
    from server.__main__ import main as command_line

    command_line()
