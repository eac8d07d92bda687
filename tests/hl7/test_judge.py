"""What is judged before the acknowledgement: what the sender can mend, and nothing else."""

from base64 import b64encode

import pytest

from hl7.judge import judge
from hl7.profiles import DEFAULT, Profile
from tests.support.hl7_builder import PID, obr, obx, packed
from tests.support.hl7_samples import hl7_files, hl7_sample

ORC = "ORC|NW|P1|F1"
REPORT = obr(f3="F1", f25="F")
TEXT = obx("TX", "&IMP", "Normal.")
PDF = b64encode(b"%PDF-1.4 page").decode()


def verdict(raw: bytes, profile: Profile = DEFAULT) -> list[tuple[str, int, str]]:
    """Severity, code and place of each fault."""
    faults = judge(raw, profile).faults
    return [(fault.severity, fault.code, str(fault.where)) for fault in faults]


GOOD = {
    "admit": packed("ADT^A01^ADT_A01", "EVN|A01", PID, "PV1|1|I"),
    "patient-by-pid-2": packed("ADT^A08", "PID|1|100"),
    "merge": packed("ADT^A40^ADT_A39", PID, "MRG|9^^^HOSP"),
    "merge-by-mrg-4": packed("ADT^A40^ADT_A39", PID, "MRG||||9"),
    "merge-with-itself": packed("ADT^A40^ADT_A39", PID, "MRG|100^^^HOSP^MR"),
    "order": packed("ORM^O01", PID, ORC, "OBR|1|P1|F1"),
    "order-with-authority-once": packed("ORM^O01", PID, "ORC|NW|P1^RIS", "OBR|1|P1"),
    "cancel-by-orc-alone": packed("ORM^O01", "ORC|CA|P1"),
    "imaging-order": packed("OMI^O23^OMI_O23", PID, ORC, "OBR|1", "IPC|A1"),
    "general-order": packed("OMG^O19^OMG_O19", PID, "ORC|CA||F1", "OBR|1"),
    "report": packed("ORU^R01", PID, REPORT, TEXT),
    "report-without-text": packed("ORU^R01", PID, obr(f3="F1", f25="X")),
    "order-response": packed("ORU^R01", PID, "ORC|OK|P1", "OBR|1|P1"),
    "report-with-pdf": packed("ORU^R01", PID, REPORT, obx("ED", "X", f"^AP^PDF^Base64^{PDF}")),
    "deleted-pdf": packed("ORU^R01", PID, REPORT, obx("ED", "X", "", status="D")),
    "no-time": packed("ADT^A08", PID, sent=""),
    "odd-version": packed("ADT^A08", PID, version="2.9"),
    "lower-case-processing": packed("ADT^A08", PID, processing="p"),
    "bom": b"\xef\xbb\xbf" + packed("ADT^A08", PID),
    "remnants-of-framing": b"\x0b" + packed("ADT^A08", PID) + b"\x1c\r",
}


@pytest.mark.parametrize("raw", GOOD.values(), ids=GOOD)
def test_a_message_that_says_enough_is_taken(raw: bytes) -> None:
    assert verdict(raw) == []


E, R, W = "error", "reject", "warning"

BAD = {
    "no-message": (b"hello", [(R, 100, "MSH")]),
    "no-separator": (b"MSH", [(R, 102, "MSH-1")]),
    "delimiters": (b"MSH|^^~&|A", [(R, 102, "MSH-2")]),
    "utf-16": (packed("ADT^A08", PID).decode().encode("utf_16"), [(R, 100, "MSH")]),
    "no-kind": (packed("", PID), [(E, 101, "MSH-9")]),
    "no-control-id": (packed("ADT^A08", PID, control=""), [(E, 101, "MSH-10")]),
    "version-3": (packed("ADT^A08", PID, version="3.0"), [(R, 203, "MSH-12")]),
    "version-words": (packed("ADT^A08", PID, version="D.0"), [(R, 203, "MSH-12")]),
    "no-version": (packed("ADT^A08", PID, version=""), [(W, 101, "MSH-12")]),
    "processing-id": (packed("ADT^A08", PID, processing="X"), [(R, 202, "MSH-11")]),
    "unknown-charset": (packed("ADT^A08", PID, charset="EBCDIC"), [(E, 103, "MSH-18")]),
    "false-charset": (packed("ADT^A08", PID + "|é", charset="ASCII"), [(E, 102, "MSH-18")]),
    "two-messages": (packed("ADT^A08", PID) + packed("ADT^A08"), [(E, 100, "MSH[2]")]),
    "unknown-event": (packed("ADT^A60", PID), [(W, 201, "MSH-9")]),
    "unknown-kind": (packed("SIU^S12"), [(W, 200, "MSH-9")]),
    "no-patient": (packed("ADT^A08", "PV1|1"), [(E, 100, "PID")]),
    "no-number": (packed("ADT^A08", 'PID|1|""||||Doe'), [(E, 101, "PID-3")]),
    "merge-without-mrg": (packed("ADT^A40", PID), [(E, 100, "MRG"), (E, 100, "PID")]),
    "half-a-merge": (packed("ADT^A40", PID, "MRG|9", "PID|2||5"), [(E, 100, "PID[2]")]),
    "mrg-without-number": (packed("ADT^A47", PID, "MRG|"), [(E, 101, "MRG-1")]),
    "mrg-first": (packed("ADT^A40", "MRG|9", PID), [(E, 100, "PID"), (E, 100, "MRG")]),
    "order-without-orc": (packed("ORM^O01", PID), [(E, 100, "ORC")]),
    "imaging-order-without-obr": (packed("OMI^O23", PID, ORC), [(E, 100, "OBR")]),
    "no-order-control": (packed("ORM^O01", PID, "ORC||P1"), [(E, 101, "ORC-1")]),
    "no-order-number": (packed("ORM^O01", PID, "ORC|NW"), [(E, 101, "ORC-2")]),
    "new-order-for-nobody": (packed("ORM^O01", ORC), [(E, 100, "PID")]),
    "two-placers": (packed("ORM^O01", PID, ORC, "OBR|1|P2|F1"), [(E, 102, "OBR-2")]),
    "two-authorities": (
        packed("ORM^O01", PID, "ORC|NW|P1^A", "OBR|1|P1^B"),
        [(E, 102, "OBR-2")],
    ),
    "two-fillers": (packed("ORM^O01", PID, ORC, "OBR|1|P1|F2"), [(W, 102, "OBR-3")]),
    "report-without-obr": (packed("ORU^R01", PID, TEXT), [(E, 100, "OBR")]),
    "report-for-nobody": (packed("ORU^R01", REPORT, TEXT), [(E, 100, "PID")]),
    "no-status": (packed("ORU^R01", PID, obr(f3="F1")), [(E, 101, "OBR-25")]),
    "mixed-status": (
        packed("ORU^R01", PID, obr(f3="F1"), TEXT, obx("TX", "&IMP", "x", status="C")),
        [(E, 101, "OBR-25")],
    ),
    "implied-status": (packed("ORU^R01", PID, obr(f3="F1"), TEXT), [(W, 101, "OBR-25")]),
    "query-status": (packed("ORU^R01", PID, obr(f3="F1", f25="Y")), [(E, 103, "OBR-25")]),
    "second-report": (
        packed("ORU^R01", PID, REPORT, TEXT, obr(f3="F2", f25="Z"), TEXT),
        [(E, 103, "OBR[2]-25")],
    ),
    "bad-base64": (
        packed("ORU^R01", PID, REPORT, TEXT, obx("ED", "X", "^AP^PDF^Base64^%%%")),
        [(E, 102, "OBX[2]-5")],
    ),
    "no-pdf": (
        packed("ORU^R01", PID, REPORT, obx("ED", "X", "^AP^PDF^Base64^AAAA")),
        [(E, 102, "OBX-5")],
    ),
    "empty-pdf": (packed("ORU^R01", PID, REPORT, obx("ED", "X", "")), [(E, 102, "OBX-5")]),
}


@pytest.mark.parametrize(("raw", "faults"), BAD.values(), ids=BAD)
def test_a_fault_is_told_with_its_code_and_place(
    raw: bytes, faults: list[tuple[str, int, str]]
) -> None:
    assert verdict(raw) == faults


def test_a_feed_says_which_processing_ids_it_takes() -> None:
    production = Profile(processing=frozenset({"P"}))
    assert verdict(packed("ADT^A08", PID), production) == []
    assert verdict(packed("ADT^A08", PID, processing="T"), production) == [(R, 202, "MSH-11")]
    assert verdict(packed("ADT^A08", PID, processing=""), production) == [(E, 101, "MSH-11")]
    assert verdict(packed("ADT^A08", PID, processing="")) == []


def test_a_lenient_feed_may_misdeclare_its_character_set() -> None:
    raw = packed("ADT^A08", PID + "|é", charset="8859/1")
    assert verdict(raw) == [(E, 102, "MSH-18")]
    judged = judge(raw, Profile(strict_charset=False))
    assert judged.accepted
    assert judged.message is not None
    assert judged.message.first("PID").text(9) == "é"


def test_a_strict_feed_has_to_say_the_status_of_a_report() -> None:
    raw = packed("ORU^R01", PID, obr(f3="F1"), TEXT)
    assert verdict(raw, Profile(strict_status=True)) == [(E, 101, "OBR-25")]


def test_size_is_limited_for_messages_and_documents() -> None:
    raw = packed("ORU^R01", PID, REPORT, obx("ED", "X", f"^AP^PDF^Base64^{PDF}"))
    assert verdict(raw, Profile(max_message=len(raw))) == []
    assert verdict(raw, Profile(max_message=len(raw) - 1)) == [(R, 207, "MSH")]
    assert verdict(raw, Profile(max_attachment=5)) == [(E, 102, "OBX-5")]


def test_the_feeds_character_set_reads_what_declares_none() -> None:
    raw = packed("ADT^A08", "PID|1||1||\xc6", charset="").decode().encode("iso8859_5", "replace")
    raw = raw.replace(b"?", b"\xc6")
    message = judge(raw, Profile(charset="8859/5")).message
    assert message is not None
    assert message.charset.codec == "iso8859_5"
    assert message.first("PID").text(5) == "Ц"


@pytest.mark.parametrize(
    "name",
    [
        "order",
        "order-oru",
        "order-omi",
        "omi-two-ipc",
        "orm-no-uid",
        "orm-long-accession",
        "order-mismatch",
        "conflict_zds_vs_obx",
        "opg_order_OMI_O23",
        "opg_report_ORU_R01",
    ],
)
def test_the_messages_that_pair_with_the_mr_sample_are_taken(name: str) -> None:
    """Mismatch, conflict and a missing UID are for review: nothing the sender could mend."""
    assert judge(hl7_sample("holg-hl7v2", name), DEFAULT).accepted


def test_every_sample_gets_a_verdict() -> None:
    for path in hl7_files():
        judged = judge(path.read_bytes(), DEFAULT)
        assert judged.message is not None, path.name
        assert judged.header.code, path.name
