"""No bytes crash a reader, lose a segment or keep it busy: mutants, and messages out of all measure."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7 import batch, events
from hl7.errors import NotHL7
from hl7.groups import group
from hl7.judge import judge
from hl7.message import Message, parse
from hl7.profiles import DEFAULT
from hl7.report_facts import ReportMessage
from tests.support.hl7_builder import PID, obr, obx, packed
from tests.support.hl7_generator import Content, contents, mutants
from tests.support.hl7_samples import hl7_files

SOURCES = [
    packed("ADT^A01^ADT_A01", "EVN|A01|2026", PID, "PD1||||77^Doc", "NK1|1|A^B", "PV1|1|I|W^R^B"),
    packed("ADT^A40^ADT_A39", PID, "MRG|9^^^HOSP", "PID|2||101^^^HOSP", "MRG|8^^^HOSP"),
    packed("ORM^O01", PID, "ORC|NW|P1|F1", "OBR|1|P1|F1|A^B^L", "NTE|1||x", "ZDS|1.2.3^^X^DICOM"),
    packed("OMI^O23", PID, "ORC|NW|P1", "TQ1|||||||2026||S", "OBR|1|P1", "IPC|A|R|1.2.3|S|CT^^DCM"),
    packed(
        "ORU^R01",
        PID,
        "ORC|RE|P1|F1",
        obr(f3="F1", f25="F", f32="1&Reader&Ann"),
        obx("TX", "&IMP^Impression", r"a\.br\b~c\X41\d"),
        "NTE|1||note",
        obx("ED", "PDF", "^AP^PDF^Base64^JVBERi0xLjQ="),
        obx("SN", "S^Size^L", "<^5", units="mm"),
        obx("HD", "113014^DICOM Study^DCM", "1.2.3"),
    ),
]


def read_all(raw: bytes) -> Message | None:
    """Do with a message all that is done with messages."""
    for one in batch.messages(raw):
        judge(one, DEFAULT)
    try:
        message = parse(raw)
    except NotHL7:
        return None
    message.fingerprint()
    facts = events.read(message)
    if isinstance(facts, ReportMessage):
        for patient in facts.patients:
            for report in patient.reports:
                assert len(report.conclusion) <= len(report.text)
    return message


def placed(message: Message) -> list[int]:
    """The segments of all groups, by identity."""
    found = []
    for patient in group(message):
        found += patient.segments
        for order in patient.orders:
            found += [one for one in (order.orc, order.obr) if one and not order.shared]
            found += [order.obr] if order.shared else []
            found += order.segments
    return [id(segment) for segment in found]


@settings(deadline=None, max_examples=300)
@given(mutants(SOURCES) | st.binary(max_size=200).map(lambda junk: SOURCES[4] + junk))
def test_mutants_are_read_to_their_end(raw: bytes) -> None:
    message = read_all(raw)
    if message is not None:
        places = placed(message)
        assert sorted(places) == sorted(id(segment) for segment in message.segments[1:])


@settings(deadline=None)
@given(contents())
def test_every_segment_of_any_message_is_in_exactly_one_group(content: Content) -> None:
    message = parse(content.pack())
    assert sorted(placed(message)) == sorted(id(segment) for segment in message.segments[1:])


@pytest.mark.slow
def test_mutants_of_every_sample_are_read_to_their_end() -> None:
    dice = random.Random(20261124)
    for path in hl7_files():
        source = path.read_bytes()
        read_all(source)
        for _ in range(4):
            data = bytearray(source)
            for _ in range(dice.randint(1, 6)):
                at = dice.randrange(len(data))
                data[at : at + dice.randrange(3)] = dice.choice(
                    [
                        b"",
                        b"|",
                        b"^",
                        b"~",
                        b"\\",
                        b"\r",
                        b'""',
                        b"\xff",
                        b"\x1c",
                        data[at : at + 9],
                    ]
                )
            read_all(bytes(data))


COUNT = 4_000

OUT_OF_MEASURE = {
    "orders": packed("ORM^O01", PID, *(f"ORC|NW|P{n}" for n in range(COUNT))),
    "linked-reports": packed("ORU^R01", PID, *(obr(f3=f"F{n}", f25="F") for n in range(COUNT))),
    "one-report": packed("ORU^R01", PID, *[obr(f3="F1", f25="F"), obx("TX", "R", "x")] * COUNT),
    "reports": packed(
        "ORU^R01",
        PID,
        *(line for n in range(COUNT) for line in (obr(f3=f"F{n}", f25="F"), obx("TX", "R", "x"))),
    ),
    "study-uids-before-orders": packed("ORM^O01", PID, *["ZDS|1.2"] * COUNT, *["ORC|NW|P"] * COUNT),
    "merges": packed("ADT^A40", *[PID, "MRG|1"] * COUNT),
    "merges-into-one": packed("ADT^A40", PID, *["NK1|1|A^B"] * COUNT, *["MRG|1"] * COUNT),
    "patients": packed("ORU^R01", *[PID] * COUNT, obr(f25="F")),
    "continuations": packed("ORU^R01", PID, obr(f25="F"), "OBX|1|TX|||x", *["line"] * COUNT),
    "repetitions": packed("ADT^A08", "PID|1||" + "~".join(["1^^^H"] * COUNT)),
    "components": packed("ADT^A08", "PID|1||" + "^" * COUNT),
    "fields": packed("ADT^A08", PID + "|" * COUNT),
    "escapes": packed("ORU^R01", PID, obr(f25="F"), obx("FT", "R", r"\X41\x\.br" * COUNT)),
    "blank-lines": packed("ORU^R01", PID, obr(f25="F"), *[obx("TX", "", "")] * COUNT),
    "spaces": b" " * COUNT * 9 + packed("ADT^A08", PID),
    "line-ends": b"\r \n" * COUNT + packed("ADT^A08", PID),
}


@pytest.mark.slow
@pytest.mark.parametrize("raw", OUT_OF_MEASURE.values(), ids=OUT_OF_MEASURE)
def test_a_message_out_of_all_measure_costs_no_more_than_its_length(raw: bytes) -> None:
    """Nothing is compared with everything else: thousands of anything are read at once."""
    message = read_all(raw)
    assert message is not None
    assert len(message.segments) == len(set(placed(message))) + 1
