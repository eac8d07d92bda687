"""The objects that the benches send: a phantom drawn once, numbered by patching its bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO

from pydicom import dcmread
from pydicom.uid import UID, MultiFrameGrayscaleWordSecondaryCaptureImageStorage

from dicom import files
from dicom.phantom import Person, Plan, ct_study

LARGE, SMALL, TINY = 512, 96, 16
# Seven digits each, wherever a study or an instance has its number.
_STUDY, _INSTANCE = b"1111111", b"2222222"
STUDY, SERIES, INSTANCE = "2.25.7031111111", "2.25.7041111111", "2.25.7052222222"
PATIENT, NAME, ACCESSION = "BENCH1111111", "Bench1111111^Ada", "A1111111"
# The order of such a study and its report.
_PID = "PID|1||BENCH1111111^^^BENCH&2.25.7772&ISO^MR||Bench1111111^Ada||19620517|F"
_OBR = "OBR|1|P1111111^HIS|F1111111^RIS|CTCH^CT chest^LOCAL|||202001010915"
ORDER = (
    "MSH|^~\\&|RIS|HOSP|PACS|HOSP|20200101080000+0000||OMI^O23^OMI_O23|O1111111|P|2.5.1\r"
    f"{_PID}\rORC|NW|P1111111^HIS|F1111111^RIS\r{_OBR}\r"
    f"IPC|A1111111^RIS|R1111111^RIS|{STUDY}|S1111111^RIS|CT\r"
)
REPORT = (
    "MSH|^~\\&|RIS|HOSP|PACS|HOSP|20200101100000+0000||ORU^R01^ORU_R01|R1111111|P|2.5.1\r"
    f"{_PID}\rORC|RE|P1111111^HIS|F1111111^RIS\r{_OBR}" + "|" * 18 + "F\r"
    "OBX|1|TX|&GDT||The lungs are clear; no effusion, heart size within normal limits.||||||F\r"
    "OBX|2|TX|&IMP||Nothing acute.||||||F\r"
)


@dataclass(frozen=True, slots=True)
class Template:
    """One object cut in two: what is numbered, and the pixels, which all copies share.

    `start` is where the data set begins within `head`.
    """

    head: bytes
    pixels: bytes
    start: int
    sop_class: str
    transfer_syntax: str

    @property
    def size(self) -> int:
        return len(self.head) + len(self.pixels)

    def numbered(self, study: int, instance: int) -> bytes:
        """The head of a copy of its own."""
        return number(self.head, study, instance)


def number(text: bytes, study: int, instance: int) -> bytes:
    """Bytes with the places of the numbers filled in."""
    return text.replace(_STUDY, b"%07d" % study).replace(_INSTANCE, b"%07d" % instance)


def uid(pattern: str, study: int, instance: int = 0) -> str:
    """STUDY, SERIES or INSTANCE with its number."""
    return number(pattern.encode(), study, instance).decode()


def instance(place: int) -> str:
    """The SOP Instance UID at a place among the up to ten of a study."""
    return f"{INSTANCE}{place or ''}"


def placed(template: Template, place: int) -> Template:
    """The object at that place: a digit stands where its UID and number had their padding."""
    digit = b"%d" % place
    uids = template.head.replace(INSTANCE.encode() + b"\0", INSTANCE.encode() + digit)
    return (
        replace(template, head=uids.replace(_INSTANCE + b" ", _INSTANCE + digit))
        if place
        else template
    )


def draw(size: int, frames: int = 1) -> Template:
    """A CT slice of `size` x `size` pixels, or that slice again and again as one multi-frame."""
    person = Person(PATIENT, NAME, "19620517", "F", "BENCH", "2.25.7772")
    plan = Plan("bench", "20200101", "091500", ACCESSION, "Bench", slices=1, size=size)
    data_set = dcmread(BytesIO(next(ct_study(person, plan))))
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = STUDY, SERIES
    data_set.SOPInstanceUID = INSTANCE
    data_set.file_meta.MediaStorageSOPInstanceUID = UID(INSTANCE)
    data_set.InstanceNumber = "2222222"
    if frames > 1:
        sop_class = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
        data_set.SOPClassUID = data_set.file_meta.MediaStorageSOPClassUID = sop_class
        data_set.NumberOfFrames = frames
        data_set.PixelData = data_set.PixelData * frames
    out = BytesIO()
    data_set.save_as(out, enforce_file_format=True)
    return cut(out.getvalue())


def cut(file: bytes) -> Template:
    """A Part 10 file, cut before its pixels."""
    header = files.read(file)
    pixels = header.facts.pixels
    return Template(
        file[: pixels.offset],
        file[pixels.offset :],
        header.dataset_offset,
        header.facts.sop_class,
        header.facts.transfer_syntax,
    )


class Numbers:
    """Hands out numbers that no run of this process has used."""

    def __init__(self) -> None:
        self._next = 1_000_000

    def take(self, count: int = 1) -> range:
        """The next `count` numbers."""
        start, self._next = self._next, self._next + count
        return range(start, start + count)


def deal(numbers: range, parts: int) -> Iterator[range]:
    """Numbers dealt out evenly."""
    for part in range(parts):
        yield numbers[part::parts]
