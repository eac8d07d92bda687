"""What of a Magic Link is taken away: the sheet that leads there, and the pictures as a disc."""

import json
import re
import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from PIL import Image
from pydicom import dcmread

from dicom.media import referenced_files
from server.__main__ import cli
from server.flows import album, audit
from tests.support.holder import Holder, link, opened
from tests.support.practice import REPORT_TEXT, Practice
from tests.support.scenes import ALICES, BOBS, alices
from tests.support.shell import finish

pytestmark = pytest.mark.slow
DCDIRDMP = Path(sys.executable).with_name("dcdirdmp")


@pytest.fixture
def disc(surgery: Practice) -> ZipFile:
    made = link(surgery.keys, surgery.patients["Alice"], "pin", studies={ALICES})
    answer = opened(surgery.server.base, made).get("/s/disc")
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="pictures.zip"'
    return ZipFile(BytesIO(answer.content))


def test_the_disc_holds_every_picture_byte_for_byte_and_a_directory_of_them(disc: ZipFile) -> None:
    assert disc.testzip() is None
    files = [name for name in disc.namelist() if name.startswith("DICOM/")]
    assert referenced_files(disc.read("DICOMDIR")) == files
    assert sorted(disc.read(name) for name in files) == sorted(alices())
    for name in files:
        record = dcmread(BytesIO(disc.read(name)), stop_before_pixels=True)
        assert record.StudyInstanceUID == ALICES


def test_pages_for_any_browser_show_the_pictures_and_the_report(disc: ZipFile) -> None:
    index = disc.read("INDEX.HTM").decode()
    assert "Liddell" in index
    assert "They are not for diagnosis" in index
    assert "This copy was made on" in index
    pages = [name for name in re.findall(r'href="([^"]+)"', index) if name.endswith(".HTM")]
    reports = [name for name in pages if name.startswith("REPORTS/")]
    series = [name for name in pages if name.startswith("VIEWER/")]
    assert any(REPORT_TEXT in disc.read(name).decode() for name in reports)
    assert len(series) == 2
    shown = re.findall(r'src="([^"]+JPG)"', "".join(disc.read(one).decode() for one in series))
    assert len(shown) == len(alices()) - 1 + 30
    for name in shown:
        Image.open(BytesIO(disc.read(f"VIEWER/{name}"))).verify()


def test_a_disc_names_its_files_as_media_do_and_reaches_nothing_else(disc: ZipFile) -> None:
    """PS3.10 8.2: parts of eight characters; what is no DICOM file has an ending."""
    for name in disc.namelist():
        assert re.fullmatch(r"(?:[A-Z0-9_]{1,8}/){0,3}[A-Z0-9_]{1,8}(?:\.[A-Z]{2,3})?", name)
        if name.endswith((".HTM", ".CSS", ".JS")):
            assert not re.findall(r"https?:|//[a-z]|@import", disc.read(name).decode().lower())


def test_of_a_large_series_some_pictures_are_shown_evenly() -> None:
    assert list(album.spread(3, 5)) == [1, 2, 3]
    chosen = album.spread(1000, 200)
    assert (chosen[0], chosen[-1], len(set(chosen))) == (1, 1000, 200)


def test_a_disc_shows_what_its_own_link_shows(surgery: Practice) -> None:
    holder = opened(surgery.server.base, link(surgery.keys, surgery.patients["Bob"], "pin"))
    other = ZipFile(BytesIO(holder.get("/s/disc?lang=de").content))
    pages = "".join(other.read(one).decode() for one in other.namelist() if ".HTM" in one)
    assert "Cratchit" in pages
    assert "dienen nicht zur Diagnose" in pages
    assert "Liddell" not in pages
    assert Holder(surgery.server.base).get("/s/disc").status_code == 401


def test_nothing_on_the_outside_of_the_disc_says_whose_it_is(disc: ZipFile) -> None:
    names = " ".join(disc.namelist())
    for word in ("Alice", "Liddell", "CT", ALICES, BOBS):
        assert word not in names
    said = disc.read("README.TXT").decode()
    assert "They are not for diagnosis" in said
    assert "No sirven para diagnosticar" in said
    assert {one.date_time[0] for one in disc.infolist()} == {1980}


def test_another_program_reads_the_directory(disc: ZipFile, tmp_path: Path) -> None:
    disc.extractall(tmp_path)
    run = finish(DCDIRDMP, "DICOMDIR", cwd=tmp_path)
    assert (run.stdout + run.stderr).count("IMAGE") == len(alices())


def test_what_was_saved_is_in_the_log_and_every_byte_is_accounted_for(surgery: Practice) -> None:
    house = surgery.keys.house
    made = link(surgery.keys, surgery.patients["Alice"], "pin", studies={ALICES})
    holder = opened(surgery.server.base, made)
    holder.get("/s/disc")
    assert "A copy saved" in holder.get("/s/link").text
    with house.database.read() as connection:
        assert audit.reconcile(connection) == []


@pytest.mark.parametrize(
    ("factor", "language", "says"),
    [
        ("birth-date", "en", "The page asks for your date of birth."),
        ("pin", "de", "Die Seite fragt nach der PIN"),
        ("otp", "ar", "تسأل الصفحة عن رمز المرة الواحدة"),
    ],
)
def test_a_sheet_leads_to_the_link_and_tells_nothing_else(
    surgery: Practice, tmp_path: Path, factor: str, language: str, says: str
) -> None:
    file = tmp_path / "sheet.html"
    words = ("--factor", factor, "--language", language, "--sheet", str(file), "--expires", "7d")
    settings = {"TRIPTYCH_DATA": str(surgery.server.data), "TRIPTYCH_LINK_PHONE": "+34 900 100 200"}
    run = CliRunner(env=settings).invoke(
        cli, ["share", "--patient", surgery.patients["Alice"], *words]
    )
    told, page = json.loads(run.stdout), file.read_text(encoding="utf-8")
    for wanted in (told["url"], told["short_code"], says, "+34 900 100 200", "<svg "):
        assert wanted in page
    assert ('dir="rtl"' in page) == (language == "ar")
    secret = told.get(factor, "1952")
    for word in (secret, "Alice", "Liddell", "CT", "<script", "http-equiv"):
        assert word not in page.replace(told["url"], "").replace(told["short_code"], "")
    assert set(re.findall(r'(?:src|href|url)[=(]["\']?([^"\')]+)', page)) == set()
