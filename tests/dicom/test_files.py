"""Reading stored objects: verdicts on broken files, facts, file meta and warnings."""

import mmap
from pathlib import Path

import pydicom
import pytest

from dicom import facts_json, files
from dicom.errors import DicomError, Incomplete, MediaDirectory, Mismatch, TooLarge, Unreadable
from tests.support.dicom_objects import EXPLICIT, IMPLICIT, identified, part10
from tests.support.dicom_samples import SAMPLES, bundled, needs_samples, shared_records

pytestmark = pytest.mark.filterwarnings("ignore")

# What index.json leaves open or sees otherwise, and why we decide as we do.
DEFENDED = {
    # No identity of its own: the file meta is a claim about the data set, not part of it.
    "broken-derived/missing-sop-class.dcm": Incomplete,
    # A UID of more than 64 characters fits neither a FHIR id nor other people's databases.
    "broken-derived/uid-too-long.dcm": Incomplete,
    "broken-derived/deflate-bomb.dcm": TooLarge,
    # Half a treatment plan must not look like a plan; the sender is told to send it again.
    "broken/rtplan_truncated.dcm": Unreadable,
    # These files do not hold the fault their name promises (pydicom mended it when writing).
    "broken-derived/uid-with-spaces.dcm": "accept",
    "broken-derived/meta-sop-differs.dcm": "accept",
    # Only pydicom cannot decode these; we can, so there is nothing to warn of.
    "broken/J2K_pixelrep_mismatch.dcm": "accept",
    "nm/JPEG-lossy.dcm": "accept",
    "transfer-syntax/ct-mister-20-syntaxes/"
    "ct-JPEGProcess10_12-1.2.840.10008.1.2.4.55.dcm": "accept",
    "transfer-syntax/ct-mister-20-syntaxes/ct-JPEGProcess6_8-1.2.840.10008.1.2.4.53.dcm": "accept",
    # What is odd about these shows only beside other objects.
    "identity-derived/same-pid-issuer-a-renamed.dcm": "accept",
    "identity-derived/same-pid-no-issuer.dcm": "accept",
    "identity-derived/series-two-modalities-2.dcm": "accept",
}


def verdict(data: bytes) -> object:
    """accept, accept-with-warning, or the class of the refusal."""
    try:
        header = files.read(data)
    except DicomError as refusal:
        return type(refusal)
    return "accept-with-warning" if header.warnings else "accept"


def is_as_expected(expected: str, got: object) -> bool:
    """A warning where index.json has none is no refusal: the object is kept all the same."""
    kept = got in ("accept", "accept-with-warning")
    return {
        "accept": kept,
        "accept-with-warning": got == "accept-with-warning",
        "reject": not kept,
        "either": True,
        "index-only": got is MediaDirectory,
        "skip": not kept,
        "no-crash": True,
    }[expected]


@needs_samples
@pytest.mark.parametrize("record", shared_records(), ids=lambda record: str(record["path"]))
def test_each_shared_file_gets_its_verdict(record: dict[str, str]) -> None:
    got = verdict(Path(SAMPLES, record["path"]).read_bytes())
    want = DEFENDED.get(record["path"].removeprefix("dicom/"))
    assert got == want if want else is_as_expected(record["verdict"], got)


@needs_samples
def test_facts_of_every_shared_file_agree_with_the_index() -> None:
    for record in shared_records():
        data = Path(SAMPLES, record["path"]).read_bytes()
        try:
            facts = files.read(data).facts
        except DicomError:
            continue
        assert facts_json.load(facts_json.dump(facts)) == facts
        assert facts.uid == record["SOPInstanceUID"].strip()
        assert facts.study.uid == record["StudyInstanceUID"].strip()
        assert facts.series.uid == record["SeriesInstanceUID"].strip()
        assert facts.sop_class == record["SOPClassUID"]
        assert facts.series.modality == (record["Modality"] or "")
        assert facts.patient.number.value == (record["PatientID"] or "").strip()
        assert facts.study.date == (record["StudyDate"] or "")
        assert facts.pixels.rows == (record["rows"] or 0)


def test_what_is_not_dicom_is_refused() -> None:
    for junk in (b"", b"x", b"\x89PNG\r\n\x1a\n" + bytes(500), b"PK\3\4" + bytes(500), bytes(1000)):
        assert verdict(junk) is Unreadable
    assert verdict(bytes(128) + b"DICM") is Unreadable


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
def test_an_object_without_identity_is_refused_by_name(keyword: str) -> None:
    for value in (None, "", "../../etc/passwd", "1.2/3", "1." + "2" * 63, ".."):
        data_set = identified()
        setattr(data_set, keyword, value)
        data = part10(data_set)
        with pytest.raises(Incomplete) as refusal:
            files.read(data)
        assert keyword.removesuffix("UID").lower() in refusal.value.where.replace(" ", "").lower()


@pytest.mark.parametrize("uid", ["1.02.3", "1.2.3.", "0" * 64, "dccc9599087131742838cc"])
def test_odd_identifiers_are_kept_with_a_warning(uid: str) -> None:
    data_set = identified()
    data_set.StudyInstanceUID = uid
    header = files.read(part10(data_set))
    assert header.facts.study.uid == uid
    assert header.warnings == ("Study Instance UID (0020,000D) is not a valid UID",)


def test_an_identifier_padded_with_blanks_is_trimmed_with_a_warning() -> None:
    data = part10(identified()).replace(b"1.2.3.0\0", b"1.2.3.0 ")
    header = files.read(data)
    assert header.facts.series.uid == "1.2.3.0"
    assert header.warnings == ("Series Instance UID (0020,000E) is padded with blanks",)


def test_a_media_directory_is_known_as_one() -> None:
    with pytest.raises(MediaDirectory):
        files.read(bundled("DICOMDIR"))


def test_another_object_in_the_file_meta_is_noted() -> None:
    data = part10(identified())
    meta = files.file_meta("1.2.840.10008.5.1.4.1.1.2", "9.9", EXPLICIT, "")
    header = files.read(meta + data[files.read(data).dataset_offset :])
    assert header.facts.uid == "1.2.3.1"
    assert header.warnings == (
        "file meta names another SOP Instance UID than the data set",
        "file meta names another SOP Class UID than the data set",
    )


def test_our_file_meta_is_read_by_pydicom(tmp_path: Path) -> None:
    """PS3.10 7.1."""
    data = part10(identified())
    bare = data[files.read(data).dataset_offset :]
    meta = files.file_meta("1.2.840.10008.5.1.4.1.1.7", "1.2.3.1", EXPLICIT, "MODALITY1")
    path = tmp_path / "made.dcm"
    path.write_bytes(meta + bare)
    read = pydicom.dcmread(path)
    assert read.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert read.file_meta.MediaStorageSOPInstanceUID == "1.2.3.1"
    assert read.file_meta.TransferSyntaxUID == EXPLICIT
    assert read.file_meta.SourceApplicationEntityTitle == "MODALITY1"
    assert len(read.file_meta.ImplementationClassUID) <= 64
    assert read.file_meta.FileMetaInformationGroupLength == len(meta) - 144
    assert read.PatientID == "P1"


def test_the_data_set_starts_where_the_file_meta_ends() -> None:
    meta = files.file_meta("1.2.840.10008.5.1.4.1.1.7", "1.2.3.1", EXPLICIT, "AE")
    data = part10(identified())
    bare = data[files.read(data).dataset_offset :]
    header = files.read(meta + bare, transfer_syntax=EXPLICIT)
    assert header.dataset_offset == len(meta)
    assert header.warnings == ()


def test_a_bare_data_set_is_read_by_the_announced_syntax() -> None:
    data = part10(identified(), IMPLICIT)
    bare = data[files.read(data).dataset_offset :]
    header = files.read(bare, transfer_syntax=IMPLICIT)
    assert header.facts.transfer_syntax == IMPLICIT
    assert header.dataset_offset == 0
    assert files.read(bare).facts.transfer_syntax == IMPLICIT


def test_a_syntax_that_contradicts_the_announced_one_is_refused() -> None:
    with pytest.raises(Mismatch):
        files.read(part10(identified()), transfer_syntax=IMPLICIT)


@pytest.mark.parametrize(("declared", "actual"), [(EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT)])
def test_an_encoding_that_belies_its_syntax_is_read_as_what_it_is(
    declared: str, actual: str
) -> None:
    data = part10(identified(), actual)
    bare = data[files.read(data).dataset_offset :]
    meta = files.file_meta("1.2.840.10008.5.1.4.1.1.7", "1.2.3.1", declared, "")
    header = files.read(meta + bare)
    assert header.facts.transfer_syntax == actual
    assert header.warnings == ("the data set is not encoded as its transfer syntax says",)


def test_a_map_can_be_closed_after_reading(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    for data in (bundled("CT_small.dcm"), bundled("CT_small.dcm")[:1000]):
        path.write_bytes(data)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            refused = False
            try:
                files.read(view)
            except DicomError:
                refused = True
            assert refused == (len(data) == 1000)


@pytest.mark.parametrize(
    ("preamble", "clean"),
    [(bytes(128), True), (b"II*\0" + b"x" * 124, True), (b"MZ" + bytes(126), False)],
)
def test_preambles_are_zero_or_tiff_or_unclean(preamble: bytes, clean: bool) -> None:
    assert files.read(preamble + part10(identified())[128:]).preamble_clean is clean


def test_undeclared_text_is_read_as_utf8_or_as_the_sender_is_known_to_write() -> None:
    data_set = identified()
    data_set.add_new(0x00081030, "LO", "x")
    marked = part10(data_set).replace(b"LO\2\0x ", b"LO\6\0M\xfcller")
    assert files.read(marked).facts.study.description == "Müller"
    cyrillic = files.read(marked, charset="cp1251")
    assert cyrillic.facts.study.description == "Mьller"
    assert cyrillic.warnings == ("undeclared character set, read as the configured fallback",)
    modern = part10(data_set).replace(b"LO\2\0x ", b"LO\4\0M\xc3\xbc ")
    assert files.read(modern).facts.study.description == "Mü"


def test_declared_latin_that_is_utf8_or_windows_is_read_as_what_it_is() -> None:
    data_set = identified()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.StudyDescription = "x"
    plain = part10(data_set)
    utf8 = files.read(plain.replace(b"LO\2\0x ", b"LO\2\0\xc3\xbc"))
    assert utf8.facts.study.description == "ü"
    assert utf8.warnings == ("declared a Latin character set, but the text is UTF-8",)
    windows = files.read(plain.replace(b"LO\2\0x ", b"LO\4\0\x96 \xe9 "))
    assert windows.facts.study.description == "\u2013 é"
    assert windows.warnings == ("declared Latin-1, but the text is Windows-1252",)


@pytest.mark.parametrize("terms", ["ISO_IR 999", "KLINGON"])
def test_an_unknown_character_set_is_noted(terms: str) -> None:
    data_set = identified()
    data_set.SpecificCharacterSet = terms
    warnings = files.read(part10(data_set)).warnings
    assert warnings == ("Specific Character Set (0008,0005) names an unknown character set",)


def test_control_characters_do_not_reach_the_facts() -> None:
    """R4 strings hold no control characters but TAB, LF and CR."""
    data_set = identified()
    data_set.StudyDescription = "a\x07b\x1fc\td"
    assert files.read(part10(data_set)).facts.study.description == "abc\td"


def test_wrong_dates_and_long_values_are_noted() -> None:
    data_set = identified()
    data_set.StudyDate, data_set.StudyTime = "20250230", "2561"
    data_set.PatientBirthDate, data_set.SeriesDate = "195", "2001.02.03"
    data_set.AccessionNumber = "A" * 17
    assert files.read(part10(data_set)).warnings == (
        "Accession Number (0008,0050) is longer than its VR allows",
        "Study Date (0008,0020) is not a date",
        "Patient's Birth Date (0010,0030) is not a date",
        "Study Time (0008,0030) is not a time",
    )
