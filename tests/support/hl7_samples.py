"""The shared HL7 v2 messages, found through TRIPTYCH_SAMPLES."""

from pathlib import Path

from tests.support.samples import samples


def hl7_files() -> list[Path]:
    """Return all sample messages; skips the test when this machine has none."""
    return sorted(samples("hl7").rglob("*.hl7"))


def hl7_sample(folder: str, name: str) -> bytes:
    """Return the bytes of one sample message."""
    return samples("hl7", folder, "messages", f"{name}.hl7").read_bytes()
