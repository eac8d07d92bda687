"""Orders become facts: numbers, status, what is asked, and the study that the pictures will have."""

import pytest

from hl7 import events
from hl7.facts import Carrier, Numeric, OrderFacts, OrderMessage
from hl7.message import parse
from hl7.types import Authority, OrderNumber
from tests.support.hl7_builder import PID, built, obr, segment
from tests.support.hl7_samples import hl7_sample

STUDY = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"
OPG = "1.2.826.0.1.3680043.8.498.79323663392379978206252132467273068460"
ORC = "ORC|NW|P1|F1"


def read(kind: str, *segments: str) -> OrderMessage:
    facts = events.read(built(kind, *segments))
    assert isinstance(facts, OrderMessage)
    return facts


def one(kind: str, *segments: str) -> OrderFacts:
    (order,) = read(kind, *segments).orders
    return order


def sample(name: str, folder: str = "holg-hl7v2") -> OrderFacts:
    facts = events.read(parse(hl7_sample(folder, name)))
    assert isinstance(facts, OrderMessage)
    assert facts.patient is not None
    (order,) = facts.orders
    return order


def test_an_imaging_order_by_orm_names_its_study() -> None:
    order = sample("order")
    assert (order.control, order.status) == ("NW", "SC")
    assert (order.placer.value, order.filler.value) == ("ORD-2026-0001", "FIL-2026-0001")
    assert order.accession == OrderNumber("ACC-2026-0001")
    assert order.procedure_number == OrderNumber("RP-2026-0001")
    assert (order.code.code, order.modality, order.priority) == ("MR-HEAD", "MR", "R")
    assert order.scheduled.raw == "20260905110000"
    assert order.uids.studies == (STUDY,)
    assert order.uids.carriers == (Carrier("study", STUDY, "ZDS-1"),)


def test_an_imaging_order_by_omi_names_its_steps() -> None:
    order = sample("omi-two-ipc")
    assert order.accession == OrderNumber("ACC-2026-0004", Authority("HOSP"))
    assert order.uids.studies == (STUDY,)
    assert [step.number.value for step in order.steps] == ["SPS-2026-0004-1", "SPS-2026-0004-2"]
    assert [step.protocols[0].code for step in order.steps] == ["MR-HEAD-NC", "MR-HEAD-C"]
    assert (order.steps[0].station.value, order.steps[0].ae_titles) == ("MR1", ("MR1AE",))
    assert (order.modality, order.priority) == ("MR", "R")


def test_a_dental_order_keeps_its_reason_and_its_zoned_times() -> None:
    order = sample("opg_order_OMI_O23")
    assert order.uids.studies == (OPG,)
    assert (order.reasons[0].code, order.reasons[0].codings[0].system) == ("K01.1", "I10")
    assert order.clinical_information.startswith("Praeop. Beurteilung")
    assert (order.scheduled.clock, order.scheduled.offset) == ("093000", "+0200")
    assert order.requesters[0].name.prefix == "Dr. med. dent."
    assert order.steps[0].modality.codings[0].system == "DCM"


def test_an_order_without_a_uid_gets_none() -> None:
    order = sample("orm-no-uid")
    assert order.uids.studies == ()
    assert order.accession.value == "ACC-2026-0002"


def test_an_order_for_another_patient_reads_as_it_says() -> None:
    order = sample("order-mismatch")
    assert order.uids.studies == (STUDY,)


def test_a_long_accession_is_not_cut() -> None:
    assert sample("orm-long-accession").accession.value == "ACC-2026-00000000008"


def test_zds_wins_over_obx_and_the_contradiction_is_told() -> None:
    order = sample("conflict_zds_vs_obx")
    assert order.uids.studies == (OPG,)
    assert order.uids.conflicts == ("2.25.123456789012345678901234567890123456789",)
    assert [carrier.field for carrier in order.uids.carriers] == ["ZDS-1", "OBX-5"]


def test_a_cancel_may_be_an_orc_alone() -> None:
    facts = events.read(parse(hl7_sample("hl7v2-fhir-bridge", "orm_o01_cancel_orc_only")))
    assert isinstance(facts, OrderMessage)
    assert facts.patient is None
    assert [(order.control, order.placer.value) for order in facts.orders] == [("CA", "ORD1002")]


def test_notes_and_diagnoses_belong_to_their_order() -> None:
    order = sample("omi_o23_new_stat", "hl7v2-fhir-bridge")
    assert order.priority == "S"
    assert order.notes[0].text.startswith("Patient has iodinated contrast allergy")
    assert [reason.code for reason in order.reasons] == ["R10.9"]
    assert order.uids.studies == ("2.25.253123951629287936534581450644598173447",)


def test_a_french_teleradiology_order_keeps_what_it_tells_of_the_patient() -> None:
    order = sample("01-ORM_O01_ORM_O01-exemples", "ansforge-teleradiologie")
    assert order.placer == OrderNumber("OPN101", Authority("", "1.2.250.1.748.12345678.12", "ISO"))
    assert order.ordering_organisation.number.value == "300017985"
    assert order.clinical_information == "JustificationDemande"
    assert [one.code.code for one in order.observations] == [
        "MODALITE_IMAGERIE",
        "REGION_ANATOMIQUE",
        "REGION_ANATOMIQUE",
        "11322-5",
        "8302-2",
        "29463-7",
        "82810-3",
    ]
    assert order.observations[0].notes[0].text == "Commentaire sur la modalité"
    assert order.observations[4].values == (Numeric("170"),)
    assert order.observations[4].units.code == "cm"


def test_an_order_as_dcm4che_writes_it_is_read_whole() -> None:
    """Shaped like its OMI and OMG samples: steps before OBX, ZDS with a suffix, OBR-44 alone."""
    omi = one(
        "OMI^O23",
        "PID||1^^^CHIP|2^^^X|3^^^TATTOO|Test||20141014|F^",
        "ORC|NW|A100Z^ORDPLC|B100Z^ORDFIL||SC||||200008161510|||7101^ESTRADA^JAIME^P^^DR",
        "TQ1|1|1|once||||200008161510||S",
        obr(f2="A100Z^ORDPLC", f3="B100Z^ORDFIL", f13="xxx", f30="WALK", f44="71020^Chest^C4"),
        "IPC|ACC|RPID|1.2.392.1.1|SPSID|CR|P1^Protocol^S|Station|Room|AET1~AET2",
        "OBX|1|TX|kg^Body Weight||15kg||||||F",
    )
    assert (omi.accession.value, omi.procedure_number.value) == ("ACC", "RPID")
    assert (omi.procedure.code, omi.code.code, omi.transport) == ("71020", "", "WALK")
    assert omi.steps[0].ae_titles == ("AET1", "AET2")
    assert (omi.priority, omi.scheduled.date) == ("S", "20000816")
    assert omi.observations[0].values == ("15kg",)
    omg = one(
        "OMG^O19^OMG_O19", PID, ORC, obr(f18="A9", f19="RP9"), "NTE|||Note", "ZDS|1.2.3^100^X"
    )
    assert omg.uids.studies == ("1.2.3",)
    assert (omg.accession.value, omg.procedure_number.value) == ("A9", "RP9")
    assert omg.notes[0].text == "Note"


def test_several_orders_keep_what_is_theirs() -> None:
    facts = read(
        "ORM^O01",
        PID,
        "ORC|NW|P1",
        obr(f2="P1", f4="A"),
        "NTE|||first",
        "ZDS|1.2.1",
        "ORC|CA|P2",
        obr(f2="P2", f4="B"),
        "ZXX|kept",
        "NTE|||second",
    )
    told = [(o.control, o.placer.value, o.code.code, o.notes[0].text) for o in facts.orders]
    assert told == [("NW", "P1", "A", "first"), ("CA", "P2", "B", "second")]
    assert [order.uids.studies for order in facts.orders] == [("1.2.1",), ()]


def test_several_obr_under_one_orc_are_orders_with_their_own_numbers() -> None:
    facts = read("ORM^O01", PID, "ORC|NW|P1|F1", obr(f2="P1"), obr(f2="P2"), obr(f4="C"))
    assert [order.placer.value for order in facts.orders] == ["P1", "P2", "P1"]
    assert {order.control for order in facts.orders} == {"NW"}


def test_earlier_results_behind_a_second_patient_are_no_orders() -> None:
    facts = read("OMG^O19", PID, ORC, obr(f4="A"), "PID|2||1^^^HOSP", "ORC|RE|OLD", obr(f4="B"))
    assert [order.code.code for order in facts.orders] == ["A"]
    assert [fault.severity for fault in facts.warnings] == ["warning"]


PRIORITIES = [
    ("ORC|NW|P1|||||^^^^^A", "", "", "A"),
    ("ORC|NW|P1", segment("TQ1", f9="S^Stat"), "", "S"),
    ("ORC|NW|P1", "", obr(f27="^^^^^T"), "T"),
    ("ORC|NW|P1", "", obr(f5="r"), "R"),
    ("ORC|NW|P1", "", obr(f4="X"), ""),
]


@pytest.mark.parametrize(("orc", "tq1", "obr_line", "priority"), PRIORITIES)
def test_priority_is_found_where_the_version_has_it(
    orc: str, tq1: str, obr_line: str, priority: str
) -> None:
    lines = [line for line in (orc, tq1, obr_line or obr(f4="X")) if line]
    assert one("ORM^O01", PID, *lines).priority == priority


TIMES = [
    (segment("TQ1", f7="2026010107"), "ORC|NW|P1||||||^^^2026010207", "2026010107"),
    ("", "ORC|NW|P1|||||^^^2026010207", "2026010207"),
    ("", "ORC|NW|P1", "2026010307"),
]


@pytest.mark.parametrize(("tq1", "orc", "time"), TIMES)
def test_the_time_is_that_of_the_newest_place(tq1: str, orc: str, time: str) -> None:
    lines = [line for line in (orc, tq1, obr(f6="2026010507", f27="^^^2026010307")) if line]
    assert one("ORM^O01", PID, *lines).scheduled.raw == time


CARRIERS = [
    ("OBX|1|ST|113014^DICOM Study^DCM||1.2.3", "1.2.3"),
    ("OBX|1|ST|110180^Study Instance UID^DCM||1.2.3", "1.2.3"),
    ("OBX|1|HD|^DICOM Study^L||1.2.3", "1.2.3"),
    ("OBX|1|HD|121018^Procedure Study Instance UID^DCM||^1.2.3^ISO", "1.2.3"),
    ("OBX|1|ST|X^Study Instance UID^L|| 1.2.3 ", "1.2.3"),
    ("OBX|1|RP|113014^^DCM||1.2.3^app^Application^DICOM", "1.2.3"),
    ("ZDS|1.2.3^RIS^Application^DICOM", "1.2.3"),
    ("IPC|||1.2.3^^9.9^ISO", "1.2.3"),
    ("OBX|1|ST|113014^Other^L||1.2.3", ""),
    ("OBX|1|ST|113014^DICOM Study^DCM||not a uid", ""),
    (f"ZDS|1.{'2' * 64}", ""),
    ("ZDS|", ""),
]


@pytest.mark.parametrize(("line", "uid"), CARRIERS)
def test_a_study_uid_is_found_in_every_carrier_and_never_guessed(line: str, uid: str) -> None:
    order = one("OMI^O23", PID, ORC, obr(f4="X"), line)
    assert order.uids.studies == ((uid,) if uid else ())
    assert order.uids.conflicts == ()


def test_a_value_that_is_no_uid_is_told_with_its_place() -> None:
    facts = read("ORM^O01", PID, ORC, obr(f4="X"), "ZDS|unknown")
    assert [(str(fault.where), fault.severity) for fault in facts.warnings] == [
        ("ZDS-1", "warning")
    ]


def test_ipc_wins_over_zds() -> None:
    order = one("OMI^O23", PID, ORC, obr(f4="X"), "ZDS|1.2.1", "IPC|||1.2.2", "IPC|||1.2.3")
    assert order.uids.studies == ("1.2.2", "1.2.3")
    assert order.uids.conflicts == ("1.2.1",)


def test_what_sites_hide_in_the_placer_and_filler_fields_is_kept() -> None:
    order = one("ORM^O01", PID, ORC, obr(f18="a", f19="b", f20="c", f21="d", f46="S1~S2", f12="D"))
    assert (order.placer_fields, order.filler_fields) == (("a", "b"), ("c", "d"))
    assert [one.code for one in order.supplements] == ["S1", "S2"]
    assert order.danger.code == "D"
