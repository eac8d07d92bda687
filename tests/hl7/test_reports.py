"""Reports become facts: which are one, what status they have, and what they belong to."""

import pytest

from hl7 import events
from hl7.facts import Numeric
from hl7.message import parse
from hl7.report_facts import ReportFacts, ReportMessage, Section
from hl7.types import OrderNumber
from tests.support.hl7_builder import PID, built, obr, obx
from tests.support.hl7_samples import hl7_sample

STUDY = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"
OBR = obr(f3="F1", f4="71250^CT CHEST^C4", f25="F")


def read(*segments: str) -> ReportMessage:
    facts = events.read(built("ORU^R01^ORU_R01", PID, *segments))
    assert isinstance(facts, ReportMessage)
    return facts


def reports(*segments: str) -> tuple[ReportFacts, ...]:
    return tuple(one for patient in read(*segments).patients for one in patient.reports)


def report(*results: str) -> ReportFacts:
    (one,) = reports(OBR, *results)
    return one


def sample(folder: str, name: str) -> ReportMessage:
    facts = events.read(parse(hl7_sample(folder, name)))
    assert isinstance(facts, ReportMessage)
    return facts


def test_a_final_report_has_sections_conclusion_and_reader() -> None:
    facts = sample("hl7v2-fhir-bridge", "oru_r01_final")
    (one,) = facts.patients[0].reports
    assert (one.status, one.status_implied) == ("F", False)
    assert [(section.kind, section.title) for section in one.sections] == [
        ("description", "Findings"),
        ("impression", "Impression"),
    ]
    assert one.sections[0].text.splitlines()[1].startswith("No consolidation")
    assert one.conclusion.startswith("IMPRESSION: 6 mm right upper lobe nodule.")
    assert one.text.count("Impression") == 0, "the text has its own heading"
    assert one.interpreters[0].name.family == "READER"
    assert one.orders[0].placer.value == "ORD1001"
    assert one.orders[0].accession == OrderNumber("ACC2001")
    assert one.uids.studies == ("2.25.22985022959815203166575865546637898544",)
    assert facts.patients[0].visit is not None
    assert facts.warnings == ()


def test_formatted_text_keeps_its_lines_and_literal_delimiters() -> None:
    (one,) = sample("hl7v2-fhir-bridge", "oru_r01_ft_escapes").patients[0].reports
    assert "T2^weighted" in one.text
    assert "(image 3|41)" in one.text
    assert one.sections[0].text.startswith("EXAM: CT chest low-dose screening\n\nTECHNIQUE:")
    assert one.conclusion.startswith("IMPRESSION:\nLung-RADS 2: benign appearance.")
    assert [(code.question.code, code.answer.code) for code in one.conclusion_codes] == [
        ("LRADS", "LR2")
    ]
    assert one.observations == ()
    assert one.text.endswith("Lung-RADS category: Lung-RADS 2")


def test_the_report_that_pairs_with_the_mr_sample_names_its_study() -> None:
    (one,) = sample("holg-hl7v2", "order-oru").patients[0].reports
    assert (one.status, one.status_implied) == ("F", True), "OBR-25 is empty, F stands in OBR-26"
    assert one.uids.studies == (STUDY,)
    assert [(o.code.code, o.values) for o in one.observations] == [
        ("NSER", (Numeric("1"),)),
        ("NIMG", (Numeric("1"),)),
    ]


def test_a_dental_report_has_text_and_measurements() -> None:
    (one,) = sample("holg-hl7v2", "opg_report_ORU_R01").patients[0].reports
    assert one.text.startswith("Diagnostic imaging study\nOPG vom 16.09.2026.")
    assert "Angulation 38 zur Laengsachse 37 (Winter): 42 deg" in one.text
    assert "Pell-Gregory 38\nB/II" in one.text
    assert len(one.observations) == 4
    assert (one.issued.clock, one.issued.offset) == ("095000", "+0200")


def test_an_answer_to_an_order_is_no_report() -> None:
    facts = sample("ansforge-teleradiologie", "03-ORU_R01_ORU_R01-exemples")
    assert facts.patients[0].reports == ()
    assert [order.control for order in facts.patients[0].responses] == ["OK"]


def test_a_report_as_dcm4che_writes_it_keeps_every_line_under_its_name() -> None:
    """Shaped like its SR sample: UIDs first, no LOINC suffix, codes among the text."""
    one = report(
        obx("ST", "113014^DICOM Study^DCM", "1.2.3.7", status=""),
        obx("ST", "^Series Instance UID", "1.2.3.7.1", status=""),
        obx("ST", "^SR Instance UID", "1.2.3.7.1.1"),
        obx("TX", "859776-5^Procedure Findings^LN", "The right kidney is enlarged", sub_id="1"),
        obx("TX", "859776-5^Procedure Findings^LN", "There is a small mass.", sub_id="2"),
        obx("TX", "300332007^Liver Mass^SCT", "4mmx6mm", sub_id="1"),
        obx("TX", "300332007^Liver Mass^SCT", "5mmx7mm", sub_id="2"),
        obx("CE", "309088003^Renal Mass^SCT", "C65.2^Malignant neoplasm^ICD-10", sub_id="1"),
        obx("TX", "18783-1^Study recommendation^LN", "Follow-up with CT."),
        obx("CE", "18783-1^Study recommendation^LN", "CT10^CT of pelvis follow-up^C-110"),
    )
    assert one.uids.studies == ("1.2.3.7",)
    assert one.uids.series == ("1.2.3.7.1",)
    assert one.uids.instances == ("1.2.3.7.1.1",)
    assert one.sections == (
        Section(
            "findings", "Procedure Findings", "The right kidney is enlarged\nThere is a small mass."
        ),
        Section("", "Liver Mass", "4mmx6mm\n5mmx7mm"),
        Section("results", "", "Renal Mass: Malignant neoplasm"),
        Section(
            "recommendation", "Study recommendation", "Follow-up with CT.\nCT of pelvis follow-up"
        ),
    )
    assert [o.code.code for o in one.observations] == ["309088003", "18783-1"]
    assert one.conclusion == ""


def test_one_report_may_cover_several_studies() -> None:
    one = report(
        obx("ST", "113014^DICOM Study^DCM", "1.2.1"),
        obx("ST", "113014^DICOM Study^DCM", "1.2.2"),
        obx("TX", "IMP", "Same as before."),
    )
    assert one.uids.studies == ("1.2.1", "1.2.2")
    assert one.uids.conflicts == ()


def test_each_filler_number_is_a_report() -> None:
    found = reports(
        obr(f3="F1", f25="F"), obx("TX", "R", "one"), obr(f3="F2", f25="P"), obx("TX", "R", "two")
    )
    assert [(one.orders[0].filler.value, one.status) for one in found] == [("F1", "F"), ("F2", "P")]


def test_linked_orders_share_one_report() -> None:
    (one,) = reports(
        "ORC|RE|P1|F1",
        obr(f3="F1", f4="A", f18="ACC1", f25="F"),
        obx("TX", "R^Report^L", "both knees"),
        "ORC|RE|P2|F2",
        obr(f3="F2", f4="B", f18="ACC2", f25="F"),
        "ZDS|1.2.9",
    )
    assert [order.filler.value for order in one.orders] == ["F1", "F2"]
    assert [order.accession.value for order in one.orders] == ["ACC1", "ACC2"]
    assert one.uids.studies == ("1.2.9",)
    assert one.code.code == "A"


def test_text_under_the_last_of_linked_orders_is_theirs_too() -> None:
    (one,) = reports(obr(f3="F1", f25="F"), obr(f3="F2", f4="B", f25="F"), obx("TX", "R", "words"))
    assert [order.filler.value for order in one.orders] == ["F1", "F2"]
    assert one.code.code == "B"


def test_an_order_without_results_but_with_a_status_of_its_own_is_a_report() -> None:
    found = reports(obr(f3="F1", f25="F"), obx("TX", "R", "words"), obr(f3="F2", f25="X"))
    assert [one.status for one in found] == ["F", "X"]


def test_one_number_is_one_report_wherever_its_groups_stand() -> None:
    (one, other) = reports(
        obr(f3="F1", f25="F"),
        obx("TX", "R", "one"),
        obr(f3="F2", f25="F"),
        obx("TX", "R", "two"),
        obr(f3="F1", f25="F"),
        obx("TX", "R", "three"),
    )
    assert one.text == "one\nthree"
    assert other.orders[0].filler.value == "F2"


def test_reports_about_several_patients_stay_apart() -> None:
    facts = read(
        OBR, obx("TX", "R", "a"), "PID|2||200^^^HOSP", obr(f3="F2", f25="F"), obx("TX", "R", "b")
    )
    told = [
        (patient.patient and patient.patient.identifiers[0].value, patient.reports[0].lines[0].text)
        for patient in facts.patients
    ]
    assert told == [("100", "a"), ("200", "b")]


IMPLIED = [
    (("F", "F"), "F"),
    (("F", "P"), "P"),
    (("R", "F"), "P"),
    (("F", "C"), ""),
    (("", ""), ""),
]


@pytest.mark.parametrize(("codes", "status"), IMPLIED)
def test_a_missing_status_is_implied_by_its_lines(codes: tuple[str, ...], status: str) -> None:
    (one,) = reports(obr(f3="F1"), *(obx("TX", "R", "x", status=code) for code in codes))
    assert (one.status, one.status_implied) == (status, True)


def test_a_report_keeps_who_and_when() -> None:
    line = obr(
        f3="F1",
        f7="202601010900",
        f8="202601010930",
        f22="20260101100000+0100",
        f25="C",
        f32="1&Reader&Ann~2&Other&Bob",
        f33="3&Resident&Cy",
        f34="4&Tech&Di",
        f35="5&Typist&Ed",
        f51="OG1^RIS",
    )
    (one,) = reports(line, obx("TX", "R", "x"))
    assert [person.name.family for person in one.interpreters] == ["Reader", "Other"]
    people = (one.assistants, one.technicians, one.transcriptionists)
    assert [person[0].number.value for person in people] == ["3", "4", "5"]
    assert (one.started.clock, one.ended.clock, one.issued.offset) == ("0900", "0930", "+0100")
    assert (one.number.value, one.status) == ("OG1", "C")
