"""Shared real data: found through TRIPTYCH_SAMPLES, skipped loudly without it."""

import os
from pathlib import Path

import pytest


def samples(*parts: str) -> Path:
    """A file or folder of the shared data; skips the test when this machine has none."""
    root = os.environ.get("TRIPTYCH_SAMPLES", "")
    path = Path(root, *parts)
    if not root or not path.exists():
        pytest.skip("set TRIPTYCH_SAMPLES to the folder of shared test data")
    return path
