"""The whole shared DICOM set through `import`, compared with the verdicts of its index."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.importing import run
from tests.support.samples import samples

# Where we answer otherwise than the shared set's index.json suggests: what we say, and why.
DEFENDED: tuple[tuple[str, str], ...] = (
    (
        "kept beside another content",
        "one object is visible under a SOP Instance UID; another encoding or content stays "
        "beside it for review, and who brings it is told",
    ),
    (
        "file meta names another SOP Instance UID",
        "kept by what the data set says; somebody copied or edited it carelessly",
    ),
    (
        "kept apart: number known with other birth date or sex",
        "of two people under one number whoever comes first has it, and files come side by side",
    ),
    (
        "kept apart: another patient already has this study",
        "of two people under one Study UID whoever comes first has it, and files come side by side",
    ),
    ("an image without pixel data", "rows and columns promise a picture that is not there"),
    ("not a DICOM file", "an import passes over what is not DICOM, and names it"),
    ("an empty file", "an import passes over what is not DICOM, and names it"),
    ("cut short", "a plan or header that breaks off must not pass for a whole one"),
)
ACCEPTED: dict[str, str] = {
    "broken-derived/uid-with-spaces.dcm": "blanks after a UID are padding and change nothing",
    "broken/J2K_pixelrep_mismatch.dcm": "the index allows it; the pixels are decoded as stored",
    "identity-derived/same-pid-issuer-a-renamed.dcm": "another name is a note, no contradiction",
    "identity-derived/same-pid-issuer-a.dcm": "whichever of the two comes first makes the record",
    "identity-derived/same-pid-no-issuer.dcm": "a number without issuer has a record of its own",
    "identity-derived/series-two-modalities-2.dcm": "a series keeps the modality it began with",
    "nm/JPEG-lossy.dcm": "our decoder shows what pydicom's cannot",
    "transfer-syntax/ct-mister-20-syntaxes/ct-JPEGProcess10_12-1.2.840.10008.1.2.4.55.dcm": (
        "our decoder shows what pydicom's cannot"
    ),
    "transfer-syntax/ct-mister-20-syntaxes/ct-JPEGProcess6_8-1.2.840.10008.1.2.4.53.dcm": (
        "our decoder shows what pydicom's cannot"
    ),
}
AGREE = {
    "accept": {"accepted", "duplicate"},
    "accept-with-warning": {"warned", "duplicate"},
    "reject": {"rejected"},
    "either": {"accepted", "duplicate", "warned", "rejected"},
    "index-only": {"skipped"},
    "skip": {"skipped"},
}


def test_the_whole_shared_set_gets_the_verdicts_it_deserves(tmp_path: Path) -> None:
    folder = samples("dicom")
    index = json.loads((folder.parent / "index.json").read_text())
    done = run(tmp_path, str(folder))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    said: dict[str, list[dict[str, str]]] = {}
    for entry in answer["details"]:
        name = os.path.relpath(entry["path"].split("!")[0], folder)
        said.setdefault(name, []).append(entry)
    records = [record for record in index["files"] if record["path"].startswith("dicom/")]
    uids = Counter(record.get("SOPInstanceUID") for record in records)
    plain = [{"verdict": "accepted", "reason": ""}]
    unexplained = [
        (record["path"], record["verdict"], entry["verdict"], entry["reason"])
        for record in records
        for entry in said.get(record["path"].removeprefix("dicom/"), plain)
        if not _agrees(record, entry, first_of_several=uids[record.get("SOPInstanceUID")] > 1)
    ]
    assert unexplained == []
    assert answer["accepted"] + answer["warned"] + answer["duplicate"] > 380


def _agrees(record: dict[str, Any], entry: dict[str, str], *, first_of_several: bool) -> bool:
    """Whether we say what the index suggests, or have a reason not to.

    Of several files with one SOP Instance UID the first to come is accepted without a word, and
    files come side by side.
    """
    wanted = AGREE.get(record["verdict"])
    if wanted is None or entry["verdict"] in wanted:
        return True
    if entry["verdict"] == "accepted":
        return first_of_several or record["path"].removeprefix("dicom/") in ACCEPTED
    return any(words in entry["reason"] for words, _ in DEFENDED)
