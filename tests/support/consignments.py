"""What modalities send in journeys: studies made here, files out of pydicom, and shared real ones."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread

from dicom import phantom
from tests.support import modality
from tests.support.dcmtk import FOLDER, dcmtk
from tests.support.scenes import ROOT, instance

SAMPLES = os.environ.get("TRIPTYCH_SAMPLES", "")
PLAN = phantom.Plan("journey", "20261120", "091500", "J-1", "CT head", slices=6, size=64)


@dataclass(frozen=True)
class Consignment:
    """Files of one study, and the options with which dcmtk's storescu proposes their syntaxes."""

    name: str
    files: tuple[Path, ...]
    options: tuple[str, ...] = ()

    @cached_property
    def objects(self) -> list[Dataset]:
        """The files, read by pydicom."""
        return [dcmread(path) for path in self.files]

    @property
    def study(self) -> str:
        return str(self.objects[0].StudyInstanceUID)

    @property
    def patient(self) -> str:
        return str(self.objects[0].PatientID)


# Shared studies by name: folder below dicom/, and dcmtk's word for their transfer syntax.
SHARED = {
    "MADO study B": ("ct-series-mado-studyB", ("-xs",)),
    "NIST CT": ("ct-series-nist-ids003", ()),
    "NIST MR": ("mr-series-nist-ids002", ()),
}
BUNDLED = {
    "RLE": ("MR_small_RLE.dcm", ("-xr",)),
    "JPEG baseline": ("examples_ybr_color.dcm", ("-xy",)),
    "JPEG 2000": ("JPEG2000.dcm", ("-xw",)),
    "big endian": ("MR_small_expb.dcm", ("-xb",)),
}
NAMES = ("phantom", *BUNDLED, *SHARED)


def made(folder: Path, person: phantom.Person, plan: phantom.Plan = PLAN) -> Consignment:
    """A study of a made-up person, written to a folder."""
    folder.mkdir(parents=True)
    files = []
    for number, data in enumerate(phantom.ct_study(person, plan)):
        files.append(folder / f"{number}.dcm")
        files[-1].write_bytes(data)
    return Consignment("phantom", tuple(files))


def available(folder: Path) -> Iterator[Consignment]:
    """Everything that there is on this machine."""
    yield made(folder / "phantom", phantom.DEMO_PERSON)
    for number, (name, (file, options)) in enumerate(BUNDLED.items(), 1):
        path = folder / file
        path.write_bytes(instance(file, 1, study=f"{ROOT}.7{number}"))
        yield Consignment(name, (path,), options)
    for name, (place, proposed) in SHARED.items():
        shared = tuple(sorted(Path(SAMPLES, "dicom", place).rglob("*.dcm"))) if SAMPLES else ()
        if shared:
            yield Consignment(name, shared, proposed)


SENDERS = ("storescu", "storescu, tuned", "dcmsend", "dcmsend, tuned", "pynetdicom")


def deliver(sender: str, port: int, consignment: Consignment) -> None:
    """Send every file in one association; each must be answered with success.

    As Debian packages them, dcmtk's tools leave Nagle's algorithm on; tuned, they turn it off.
    """
    if sender == "pynetdicom":
        statuses = modality.send(port, *(path.read_bytes() for path in consignment.files))
        assert set(statuses) == {0}
        return
    tool, _, tuned = sender.partition(", ")
    options = ["-dn"] if tool == "dcmsend" else [*consignment.options]
    called = ["-aec", "TRIPTYCH", *options, "127.0.0.1", str(port)]
    dcmtk(tool, *called, *consignment.files, nodelay=bool(tuned))


def debians() -> str:
    """A Debian sender if this machine has one, else the one that comes with the tests."""
    return "storescu" if (FOLDER / "storescu").exists() else "pynetdicom"


def same_objects(sent: Dataset, got: Dataset) -> bool:
    """Whether two data sets say the same, whatever wrote them."""
    return _told(sent) == _told(got)


def _told(data_set: Dataset) -> dict[str, Any]:
    """Every element but group lengths and padding, which a sender may add or leave out."""
    told: dict[str, Any] = data_set.to_json_dict()
    kept = (tag for tag in told if not tag.endswith("0000") and tag != "FFFCFFFC")
    return {tag: told[tag] for tag in kept}
