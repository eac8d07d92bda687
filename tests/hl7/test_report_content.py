"""What a report says: its sections, conclusion and codes, its results, documents and flags."""

from base64 import b64encode

import pytest

from hl7 import events
from hl7.facts import Numeric
from hl7.report_facts import Mark, ReportFacts, ReportMessage, Section
from tests.support.hl7_builder import PID, built, obr, obx

OBR = obr(f3="F1", f4="71250^CT CHEST^C4", f25="F")
PDF = b"%PDF-1.4 a signed page"


def read(*segments: str) -> ReportMessage:
    facts = events.read(built("ORU^R01^ORU_R01", PID, *segments))
    assert isinstance(facts, ReportMessage)
    return facts


def report(*results: str) -> ReportFacts:
    (one,) = read(OBR, *results).patients[0].reports
    return one


SECTIONS = [
    ("71020&IMP^Chest", "impression"),
    ("&IMP^Impression", "impression"),
    ("IMP", "impression"),
    ("19005-8^Radiology Imaging study [Impression]^LN", "impression"),
    ("X^IMPRESSION:^L", "impression"),
    ("X^Conclusion^L", "impression"),
    ("59776-5^Findings^LN", "findings"),
    ("X^Procedure Findings^L", "findings"),
    ("71020&FND", "findings"),
    ("18782-3^^LN", "findings"),
    ("55111-9^^LN", "procedure"),
    ("X^Technique^L", "procedure"),
    ("18834-2^^LN", "comparison"),
    ("11329-0^^LN", "history"),
    ("X^Clinical History^L", "history"),
    ("55115-0^^LN", "order"),
    ("18785-6^^LN", "indication"),
    ("18783-0^^LN", "recommendation"),
    ("18783-1^Study recommendation^LN", "recommendation"),
    ("71020&REC", "recommendation"),
    ("71020&GDT^Text", "description"),
    ("71020&ANT", "anatomy"),
    ("71020&ADT", "addendum"),
    ("X^ADDENDUM^L", "addendum"),
    ("71020^Chest X-ray^C4", ""),
    ("X^Impressionist findings report^L", ""),
]


@pytest.mark.parametrize(("question", "kind"), SECTIONS)
def test_a_section_is_told_by_suffix_code_or_name(question: str, kind: str) -> None:
    assert report(obx("TX", question, "words")).lines[0].kind == kind


def test_the_conclusion_is_the_impressions_alone() -> None:
    one = report(
        obx("TX", "&GDT^Findings", "Clear lungs."),
        obx("TX", "&IMP^Impression", "1. Normal."),
        obx("TX", "&IMP^Impression", "2. No change."),
        obx("TX", "&REC", "None."),
        obx("CE", "&IMP^Impression", "^Stable overall"),
    )
    assert one.conclusion == "1. Normal.\n2. No change.\n\nStable overall"
    assert one.text == (
        "Findings\nClear lungs.\n\nImpression\n1. Normal.\n2. No change.\n\n"
        "Recommendation\nNone.\n\nImpression\nStable overall"
    )
    assert one.conclusion_codes == ()


def test_a_coded_impression_is_conclusion_and_code() -> None:
    one = report(obx("CWE", "&IMP^Impression", "R91.1^Solitary pulmonary nodule^I10"))
    assert one.conclusion == "Solitary pulmonary nodule"
    assert one.conclusion_codes[0].answer.code == "R91.1"


@pytest.mark.parametrize("name", ["BI-RADS", "Lung-RADS category", "LIRADS", "PI RADS", "BIRADS"])
def test_a_category_of_a_known_scale_is_a_conclusion_code(name: str) -> None:
    one = report(obx("CE", f"X^{name}^L", "4^Suspicious^L"))
    assert one.conclusion_codes[0].answer.code == "4"
    assert one.observations == ()
    assert one.text == f"{name}: Suspicious"


def test_lines_repetitions_and_blank_lines_are_kept() -> None:
    one = report(
        obx("TX", "R^Report^L", "first~second~~fourth"),
        obx("TX", "", ""),
        obx("TX", "R^Report^L", "sixth  "),
        obx("FT", "R^Report^L", r"a\.br\b"),
        obx("", "R^Report^L", "typeless"),
    )
    assert one.sections == (
        Section("", "Report", "first\nsecond\n\nfourth\n\nsixth\na\nb\ntypeless"),
    )


def test_text_is_not_split_at_its_carets_and_ampersands() -> None:
    assert report(obx("TX", "R^Report^L", "T2^weighted A&E")).lines[0].text == "T2^weighted A&E"


def test_lines_of_one_name_are_sorted_by_number_and_others_left_alone() -> None:
    one = report(
        obx("TX", "R^Report^L", "two", sub_id="2"),
        obx("TX", "Q^Other^L", "b", sub_id="1.2"),
        obx("TX", "R^Report^L", "one", sub_id="1"),
        obx("TX", "Q^Other^L", "a", sub_id="1.1"),
    )
    assert [line.text for line in one.lines] == ["one", "b", "two", "a"]


def test_numbers_are_results_and_lines_of_the_text() -> None:
    one = report(
        obx("NM", "8302-2^Height^LN", "170", units="cm^centimetre^UCUM"),
        obx("SN", "X^Size^L", "<^0.8", units="mm"),
        obx("SN", "X^Range^L", "^1^-^5"),
        obx("SN", "X^Ratio^L", "^1^:^128"),
        obx("SN", "X^All in one^L", "<0.10"),
        obx("NM", "X^No number^L", "<5"),
        obx("DT", "X^Date^L", "20260101"),
        obx("CE", "X^Code^L", "1^one^L"),
        obx("TM", "X^Time^L", "1030"),
    )
    values = [o.values[0] for o in one.observations]
    assert values[:6] == [
        Numeric("170"),
        Numeric("0.8", "<"),
        Numeric("1", "", "-", "5"),
        Numeric("1", "", ":", "128"),
        Numeric("0.10", "<"),
        "<5",
    ]
    assert one.text.splitlines() == [
        "Height: 170 cm",
        "Size: < 0.8 mm",
        "Range: 1-5",
        "Ratio: 1:128",
        "All in one: < 0.10",
        "No number: <5",
        "Date: 20260101",
        "Code: one",
        "Time: 1030",
    ]


def test_a_number_that_is_none_is_told() -> None:
    facts = read(OBR, obx("NM", "X^Size^L", "<5"), obx("SN", "X^S^L", "^a^-^b"))
    assert [str(fault.where) for fault in facts.warnings] == ["OBX-5", "OBX[2]-5"]
    assert {fault.severity for fault in facts.warnings} == {"warning"}


def test_types_that_are_not_read_are_told_and_kept_with_the_message() -> None:
    facts = read(OBR, obx("XPN", "X^Name^L", "Sample^Ann"))
    assert facts.patients[0].reports[0].observations == ()
    assert [str(fault.where) for fault in facts.warnings] == ["OBX-2"]


def test_documents_stand_beside_the_text() -> None:
    one = report(
        obx("TX", "&IMP", "Normal."),
        obx("ED", "PDF^Signed report^L", f"^AP^PDF^Base64^{b64encode(PDF).decode()}"),
        obx("RP", "X^Viewer^L", "https://pacs.example/1^PACS"),
    )
    (document,) = one.attachments
    assert (document.data, document.content_type) == (PDF, "application/pdf")
    assert (document.title, document.status) == ("Signed report", "F")
    assert one.pointers[0].address == "https://pacs.example/1"
    assert one.text == "Impression\nNormal."


def test_a_document_that_does_not_decode_is_left_out_with_a_warning() -> None:
    facts = read(OBR, obx("TX", "&IMP", "Normal."), obx("ED", "PDF", "^AP^PDF^Base64^???"))
    assert facts.patients[0].reports[0].attachments == ()
    assert [str(fault.where) for fault in facts.warnings] == ["OBX[2]-5"]


def test_restrictions_are_honoured_as_such_and_are_no_text() -> None:
    """Shaped like the French documents: flags of the table MetaDMPMSS."""
    one = report(
        obx("CE", "MASQUE_PS^Masqué^MetaDMPMSS", "N^^expandedYes-NoIndicator"),
        obx("CE", "INVISIBLE_PATIENT^Non visible^MetaDMPMSS", "Y^^expandedYes-NoIndicator"),
        obx("TX", "&IMP", "Normal."),
    )
    assert one.restrictions == ("INVISIBLE_PATIENT",)
    assert one.text == "Impression\nNormal."


def test_what_is_withdrawn_is_told_and_not_shown() -> None:
    one = report(
        obx("TX", "R^Report^L", "stays"),
        obx("TX", "R^Report^L", "deleted", status="D", sub_id="2"),
        obx("NM", "S^Size^L", "5", status="W"),
        obx("TX", "O^Order detail^L", "ordered", status="O"),
        obx("TX", "U^Earlier^L", "", status="U", sub_id="7"),
    )
    assert one.text == "Report\nstays"
    assert one.observations == ()
    assert [(mark.status, mark.sub_id) for mark in one.marks] == [("D", "2"), ("W", ""), ("U", "7")]
    assert one.wrong
    assert isinstance(one.marks[0], Mark)


def test_notes_of_results_are_not_lost() -> None:
    one = report(
        "NTE|1||about the report",
        obx("TX", "&IMP", "Normal."),
        "NTE|1||seen by two~readers",
        obx("NM", "S^Size^L", "5"),
        "NTE|1||estimated",
    )
    assert one.notes[0].text == "about the report"
    assert one.conclusion == "Normal.\nseen by two\nreaders"
    assert one.observations[0].notes[0].text == "estimated"
    assert one.text.endswith("Size: 5\nestimated")


def test_an_addendum_alone_is_known_as_one() -> None:
    assert report(obx("TX", "71020&ADT", "Late remark.")).addendum_only
    assert not report(obx("TX", "71020&ADT", "x"), obx("TX", "&IMP", "y")).addendum_only
    assert not report().addendum_only
