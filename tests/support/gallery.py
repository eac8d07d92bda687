"""A practice whose patient has more to look at: a stack with an earlier one, key images, odd pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, expect
from pydicom.dataset import Dataset
from sqlalchemy import update

from dicom import phantom
from dicom.phantom import Person, Plan
from server.flows.grants import digest
from server.store.tables import token as tokens
from tests.support.browser import Window, window
from tests.support.dicom_objects import image, part10
from tests.support.hl7_builder import obr, obx, packed
from tests.support.mllp import send
from tests.support.practice import PID, Practice, practice
from tests.support.scenes import ROOT, instance
from tests.support.waiting import until
from tests.support.web import Web

STACK, PRIOR, ODD = phantom.uid("stack", "ALICE"), phantom.uid("prior", "ALICE"), f"{ROOT}.70"
ARRIVING = phantom.uid("arriving", "ALICE")
SLICES, KEY = 24, 6
CONCLUSION = "A small hole in the ground."
PDF = "JVBERi0xLjcKJSVFT0YK"
SCOPES = "patient/*.rs"
# What a browser keeps that has shown the notice of this session.
NOTICED = "sessionStorage.setItem('triptych.noticed', 'yes')"


@dataclass(slots=True)
class Arrival:
    """A study that is being sent, one picture after the other, until somebody has seen enough."""

    sent: int = 0
    enough: Event = field(default_factory=Event)

    def send(self, staff: Web) -> None:
        """Send picture by picture; each comes well before its study would count as settled."""
        for picture in stack("arriving", "20260401", 90):
            assert staff.store(picture).status_code == 200
            self.sent += 1
            if self.enough.wait(0.2):
                return

    def stop(self) -> None:
        self.enough.set()


@dataclass(slots=True)
class Gallery:
    """The practice, and the tokens of whoever looks."""

    practice: Practice

    @property
    def address(self) -> str:
        return f"{self.practice.server.base}/apps/viewer/"

    def token(self, patient: str = "Alice") -> str:
        return self.practice.keys.token(SCOPES, self.practice.patients[patient])

    def end(self, token: str) -> None:
        """Take a permission away."""
        with self.practice.keys.house.database.write() as connection:
            mine = tokens.c.hash == digest(token)
            connection.execute(update(tokens).where(mine).values(expires=1))

    @contextmanager
    def arriving(self) -> Iterator[Arrival]:
        """A study that arrives during the block."""
        coming = Arrival()
        sender = Thread(target=coming.send, args=(self.staff,))
        sender.start()
        try:
            yield coming
        finally:
            coming.stop()
            sender.join()

    @property
    def staff(self) -> Web:
        base = self.practice.server.base
        return Web(f"{base}/dicomweb", self.practice.keys.token("system/*.cruds"))

    def of(self, study: str, **words: str) -> str:
        """The address of a study in the viewer."""
        return f"{self.address}?study={study}" + "".join(f"&{k}={v}" for k, v in words.items())


@contextmanager
def gallery(data: Path) -> Iterator[Gallery]:
    """The gallery, for the length of a block."""
    with practice(data) as made:
        shown = Gallery(made)
        for study in (stack("stack", "20260301", SLICES), stack("prior", "20250301", 12), odd()):
            assert shown.staff.store(*study).status_code in (200, 202)
        assert shown.staff.store(key_object()).status_code == 200
        _report(made)
        yield shown


def stack(name: str, day: str, slices: int) -> list[bytes]:
    """A head CT of Alice. Slices lie 5 mm apart from the same place on, whatever their number."""
    person = Person("ALICE", "Liddell^Alice", "19520504", "O")
    plan = Plan(name, day, "091500", f"ACC-{name}", "CT head", slices=slices, size=64)
    return list(phantom.ct_study(person, plan))


def odd() -> list[bytes]:
    """What is easily shown wrong: flat pixels, inverted grey, colour frames, a frame that is broken."""
    broken = bytearray(instance("JPEG2000.dcm", 2, study=ODD, series=3, Modality="CT"))
    start = broken.index(b"\xff\x4f\xff\x51")
    broken[start + 60 : start + 160] = b"\xff" * 100
    return [
        flat(),
        instance("examples_ybr_color.dcm", 1, study=ODD, series=2, Modality="US"),
        instance("CT_small.dcm", 1, study=ODD, series=3),
        bytes(broken),
        instance("CT_small.dcm", 3, study=ODD, series=3),
    ]


def flat() -> bytes:
    """A CR of pixels twice as high as wide, in which low values are white, of a right hand."""
    ramp = np.tile(np.linspace(0, 3000, 100, dtype="<u2"), (50, 1))
    data_set = image(50, 100, 1, ramp.tobytes(), 16)
    del data_set.NumberOfFrames
    _as_alices(data_set, series=1, number=1, modality="CR")
    data_set.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    data_set.PhotometricInterpretation, data_set.PixelAspectRatio = "MONOCHROME1", [2, 1]
    data_set.Laterality, data_set.PatientOrientation = "R", ["L", "F"]
    data_set.WindowCenter, data_set.WindowWidth = "2000", "4000"
    return part10(data_set)


def key_object() -> bytes:
    """A key object of the stack: one picture for the surgeon (PS3.3 C.17.6)."""
    data_set = Dataset()
    _as_alices(data_set, series=9, number=1, modality="KO")
    data_set.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.59"
    data_set.StudyInstanceUID = STACK
    data_set.ConceptNameCodeSequence = [coded("113003", "For Surgery")]
    picture, content = Dataset(), Dataset()
    picture.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    picture.ReferencedSOPInstanceUID = phantom.uid("stack", "ALICE", "instance", KEY)
    content.RelationshipType, content.ValueType = "CONTAINS", "IMAGE"
    content.ReferencedSOPSequence = [picture]
    data_set.ContentSequence = [content]
    series, study = Dataset(), Dataset()
    series.SeriesInstanceUID = phantom.uid("stack", "ALICE", "series")
    series.ReferencedSOPSequence = [picture]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = STACK, [series]
    data_set.CurrentRequestedProcedureEvidenceSequence = [study]
    return part10(data_set)


def coded(value: str, meaning: str) -> Dataset:
    """A code of DCM."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _as_alices(data_set: Dataset, series: int, number: int, modality: str) -> None:
    data_set.PatientID, data_set.PatientName = "ALICE", "Liddell^Alice"
    data_set.PatientBirthDate, data_set.PatientSex = "19520504", "O"
    data_set.StudyInstanceUID, data_set.StudyDate = ODD, "20240229"
    data_set.SeriesInstanceUID = f"{ODD}.{series}"
    data_set.SOPInstanceUID = f"{ODD}.{series}.{number}"
    data_set.SeriesNumber, data_set.InstanceNumber = series, number
    data_set.Modality = modality


def _report(made: Practice) -> None:
    """The report of the stack, with a conclusion, a text and a document."""
    report = packed(
        "ORU^R01^ORU_R01",
        PID,
        obr(f2="ORD-2", f3="FIL-2", f4="CT-HEAD^CT head^L", f22="20260305123000+0000", f25="F"),
        obx("TX", "&GDT", "The ground was looked at."),
        obx("TX", "&IMP", CONCLUSION),
        obx("ED", "PDF^Report^L", f"^AP^PDF^Base64^{PDF}"),
        obx("ST", "110180^Study Instance UID^DCM", STACK),
        control="R2",
    )
    assert send(made.server.mllp, report) == ["AA"]
    everyone = made.keys.token("system/*.rs")
    address = f"/fhir/DiagnosticReport?patient={made.patients['Alice']}"

    def joined() -> bool:
        entries = made.server.get(address, everyone).json().get("entry", [])
        return sum("imagingStudy" in entry["resource"] for entry in entries) == 2

    until(joined, "both reports beside their pictures")


@contextmanager
def looking(
    browser: Browser, shown: Gallery, token: str = "", *, noticed: bool = True, **options: Any
) -> Iterator[Window]:
    """A window of somebody who may look: each of its requests carries the token."""
    headers = {"Authorization": f"Bearer {token or shown.token()}"}
    with window(browser, extra_http_headers=headers, **options) as opened:
        opened.expect_refusals(406)  # one picture cannot be decoded
        if noticed:
            opened.page.add_init_script(NOTICED)
        yield opened


def opened(page: Page, halls: Gallery, study: str = STACK, **words: str) -> None:
    """Open a study; the stack shows its key image first."""
    page.goto(halls.of(study, **words))
    if study == STACK:
        sees(page, KEY + 1)


def sees(page: Page, number: int, how: str = "rendered", pane: int = 0) -> None:
    """Wait until the picture of a number has been drawn."""
    expect(page.locator(".pane").nth(pane)).to_have_attribute("data-shown", f"{number} {how}")


def note(page: Page, name: str, pane: int = 0) -> str:
    """What stands on a picture."""
    return page.locator(f'[data-note="{name}"]').nth(pane).inner_text()


def box(page: Page) -> list[int]:
    """Left, top, right and bottom of what is not black on the first canvas, and its size, in pixels."""
    found: list[int] = page.evaluate(_BOX)
    return found


_BOX = """() => {
  const one = document.querySelector("canvas");
  const { data, width, height } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    if (data[4 * (y * width + x)] < 16) continue;
    left = Math.min(left, x); right = Math.max(right, x + 1);
    top = Math.min(top, y); bottom = Math.max(bottom, y + 1);
  }
  return [left, top, right, bottom, width, height];
}"""


def middle(page: Page) -> list[int]:
    """Red, green and blue in the middle of the first canvas."""
    found: list[int] = page.evaluate(
        "() => { const one = document.querySelector('canvas');"
        "return [...one.getContext('2d').getImageData(one.width / 2, one.height / 2, 1, 1).data]"
        ".slice(0, 3); }"
    )
    return found
