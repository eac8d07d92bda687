"""Acknowledgements say what became of a message, in the sender's own terms (house rule 5)."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7 import ack, batch
from hl7.ack import Stamp
from hl7.facts import Header
from hl7.faults import DATA_TYPE, REQUIRED, SEQUENCE, Fault, Where
from hl7.judge import Verdict, judge
from hl7.message import Segment, parse
from hl7.profiles import DEFAULT, Profile
from tests.support.hl7_builder import PID, packed
from tests.support.hl7_generator import mutants
from tests.support.hl7_samples import hl7_files

STAMP = Stamp(datetime(2026, 9, 5, 12, 0, 1, tzinfo=timezone(timedelta(hours=2))), "ACK77")
FAULT = Fault(REQUIRED, Where("PID", 1, 3), "a patient has a number")


def answered(raw: bytes, profile: Profile = DEFAULT) -> bytes:
    return ack.answer(judge(raw, profile), STAMP)


def lines(answer: bytes) -> dict[str, list[Segment]]:
    found: dict[str, list[Segment]] = {}
    for segment in parse(answer).segments:
        found.setdefault(segment.name, []).append(segment)
    return found


def code(answer: bytes) -> str:
    return lines(answer)["MSA"][0].text(1) if answer else ""


def test_an_accepted_message_is_answered_with_its_control_id_and_its_addresses_turned() -> None:
    answer = answered(packed("ADT^A08^ADT_A01", PID, charset=""))
    assert answer == (
        b"MSH|^~\\&|PACS|HOSP|RIS|HOSP|20260905120001+0200||ACK^A08^ACK|ACK77|P|2.5.1\r"
        b"MSA|AA|MSG1\r"
    )


def test_a_fault_is_named_with_its_place_and_code() -> None:
    answer = answered(packed("ADT^A08^ADT_A01", "PID|1|||", "EVN|A08"))
    assert answer.decode().split("\r")[1:3] == [
        "MSA|AE|MSG1|a patient has a number",
        "ERR||PID^1^3|101^Required field missing^HL70357|E||||a patient has a number",
    ]


VERSIONS = [
    ("2.1", "ACK", "ERR|PID^1^3^101&Required field missing&HL70357"),
    ("2.2", "ACK", "ERR|PID^1^3^101&Required field missing&HL70357"),
    ("2.3", "ACK^A08", "ERR|PID^1^3^101&Required field missing&HL70357"),
    ("2.3.1", "ACK^A08^ACK", "ERR|PID^1^3^101&Required field missing&HL70357"),
    ("2.4", "ACK^A08^ACK", "ERR|PID^1^3^101&Required field missing&HL70357"),
    ("2.5", "ACK^A08^ACK", "ERR||PID^1^3|101^Required field missing^HL70357|E||||"),
    ("2.5.1^DEU", "ACK^A08^ACK", "ERR||PID^1^3|101^Required field missing^HL70357|E||||"),
    ("2.8", "ACK^A08^ACK", "ERR||PID^1^3|101^Required field missing^HL70357|E||||"),
    ("", "ACK^A08^ACK", "ERR||PID^1^3|101^Required field missing^HL70357|E||||"),
]


@pytest.mark.parametrize(("version", "kind", "err"), VERSIONS)
def test_an_answer_is_of_the_senders_version(version: str, kind: str, err: str) -> None:
    answer = answered(packed("ADT^A08^ADT_A01", "PID|1", version=version)).decode()
    msh, msa, *errors = answer.rstrip("\r").split("\r")
    assert msh.split("|")[8] == kind
    assert msh.split("|")[11] == (version or "2.5.1")
    assert any(error.startswith(err) for error in errors)
    assert msa.startswith("MSA|AE|MSG1")
    assert ("a patient has a number" in msa) == (version != "2.8"), "MSA-3 was withdrawn in 2.7"


def test_before_2_5_an_error_segment_holds_all_faults_and_no_warning() -> None:
    answer = answered(packed("ADT^A40", "PID|1", "MRG|", version="2.4"))
    assert [error.raw for error in lines(answer)["ERR"]] == [
        b"ERR|PID^1^3^101&Required field missing&HL70357~MRG^1^1^101&Required field missing&HL70357\r"
    ]
    assert "ERR" not in lines(answered(packed("ADT^A60", PID, version="2.4")))


# MSH-15, MSH-16, then what is answered to a good, a faulty and an unreadable-version message.
MODES = [
    ("", "", "AA", "AE", "AR"),
    ("AL", "NE", "CA", "CE", "CR"),
    ("AL", "", "CA", "CE", "CR"),
    ("AL", "AL", "CA", "CE", "CR"),
    ("ER", "NE", "", "CE", "CR"),
    ("SU", "NE", "CA", "", ""),
    ("NE", "NE", "", "", ""),
    ("NE", "AL", "AA", "AE", "AR"),
    ("", "AL", "AA", "AE", "AR"),
    ("NE", "ER", "", "AE", "AR"),
    ("NE", "SU", "AA", "", ""),
    ("ER", "AL", "", "CE", "CR"),
    ("??", "NE", "CA", "CE", "CR"),
    ("al", "ne", "CA", "CE", "CR"),
]


@pytest.mark.parametrize(("accept", "application", "good", "faulty", "refused"), MODES)
def test_the_mode_is_that_of_msh_15_and_msh_16(
    accept: str, application: str, good: str, faulty: str, refused: str
) -> None:
    def sent(*segments: str, version: str = "2.5.1") -> str:
        raw = packed(
            "ADT^A08", *segments, version=version, accept=accept, application_ack=application
        )
        return code(answered(raw))

    assert (sent(PID), sent("PID|1"), sent(PID, version="3.0")) == (good, faulty, refused)


LATER = [
    ("", "", False, False),
    ("AL", "AL", True, True),
    ("AL", "ER", False, True),
    ("AL", "SU", True, False),
    ("AL", "NE", False, False),
    ("AL", "", False, False),
    ("ER", "AL", True, True),
    ("NE", "AL", False, False),
]


@pytest.mark.parametrize(("accept", "application", "applied", "failed"), LATER)
def test_a_later_answer_is_sent_where_the_sender_asked_for_both(
    accept: str, application: str, applied: bool, failed: bool
) -> None:
    header = Header(accept_ack=accept, application_ack=application)
    assert ack.wants_application_answer(header, applied=True) is applied
    assert ack.wants_application_answer(header, applied=False) is failed


def test_the_later_answer_says_what_came_of_it() -> None:
    verdict = judge(
        packed("ADT^A40", PID, "MRG|9^^^HOSP", accept="AL", application_ack="AL"), DEFAULT
    )
    assert code(ack.application_answer(verdict, (), STAMP)) == "AA"
    assert code(ack.application_answer(verdict, (FAULT,), STAMP)) == "AE"


def test_an_acknowledgement_is_never_acknowledged() -> None:
    answer = answered(packed("ADT^A08", PID))
    assert answered(answer) == b""
    assert answered(answer.replace(b"ACK^A08^ACK", b"ACK")) == b""
    assert ack.try_again(answer, STAMP) == b""


def test_delimiters_and_character_set_are_the_senders() -> None:
    raw = "MSH$%*@!$Klinik Süd$B$Röntgen$D$2026$$ADT%A08$7%x@$P$2.5$$$$$$8859/1\rPID$1\r".encode(
        "latin_1"
    )
    answer = answered(raw)
    assert answer.startswith(b"MSH$%*@!$R\xf6ntgen$D$Klinik S\xfcd$B$")
    assert b"MSA$AE$7%x@$" in answer
    assert b"$PID%1%3$101%Required field missing%HL70357$E$" in answer
    assert parse(answer).first("MSH").text(18) == "8859/1"


@pytest.mark.parametrize("charset", ["UNICODE UTF-8", "8859/1", "ASCII", "ISO IR87", "BIG-5", "X"])
def test_a_control_id_comes_back_byte_for_byte(charset: str) -> None:
    """Even one that is no text in the message's character set."""
    for control in (b"A-1", b"\xff\xfe1", b"\x8f", "é".encode()):
        raw = packed("ADT^A08", PID, charset=charset).replace(b"MSG1", control)
        msa = ack.try_again(raw, STAMP).split(b"\r")[1]
        assert msa.split(b"|")[:3] == [b"MSA", b"AR", control]


def test_a_message_that_could_not_be_stored_is_to_be_sent_again() -> None:
    answer = ack.try_again(packed("ADT^A08", "PID|1"), STAMP)
    assert code(answer) == "AR"
    assert "207^Application internal error" in answer.decode()
    enhanced = ack.try_again(packed("ADT^A08", PID, accept="AL", application_ack="NE"), STAMP)
    assert code(enhanced) == "CR"


def test_an_answer_never_holds_what_ends_a_segment_or_a_frame() -> None:
    raw = packed("ADT^A08", PID, control="A\x1c\rB", charset="X\x1c\r\x0b")
    answer = ack.try_again(raw, STAMP)
    assert not set(answer) & {0x0B, 0x1C, 0x0A}
    assert answer.count(b"\r") == 3
    assert lines(answer)["MSA"][0].text(2) == "AB"


@pytest.mark.parametrize("raw", [b"", b"GET / HTTP/1.1\r\n", b"PID|1\r", b"MSH|^^^^|A", b"\0\1"])
def test_what_is_no_message_is_refused_without_a_control_id(raw: bytes) -> None:
    answer = answered(raw)
    assert code(answer) == "AR"
    assert lines(answer)["MSA"][0].text(2) == ""
    assert ack.try_again(raw, STAMP) == answer


def test_no_answer_holds_a_value_of_the_message() -> None:
    raw = packed("ORU^R01", "PID|1|||SECRET|SECRET", "OBR|1||||||||||||||||||||||||SECRET")
    assert b"SECRET" not in answered(raw)


READ_BY_HL7APY = ("2.3.1", "2.4", "2.5", "2.5.1", "2.6")


@pytest.mark.parametrize("version", READ_BY_HL7APY)
def test_an_independent_parser_finds_the_answer_valid(version: str) -> None:
    for segments in ((PID,), ("PID|1",)):
        answer = answered(packed("ADT^A08^ADT_A01", *segments, version=version, charset=""))
        read = parse_message(answer.decode(), validation_level=VALIDATION_LEVEL.TOLERANT)
        assert read.name == "ACK"
        assert read.msa.msa_2.value == "MSG1"
        assert read.validate()


SOURCES = [
    packed("ADT^A40^ADT_A39", PID, "MRG|9^^^HOSP"),
    packed("ORM^O01", PID, "ORC|NW|P1", "OBR|1|P1", accept="AL"),
    packed(
        "ORU^R01", PID, "OBR|1||F1" + "|" * 22 + "F", "OBX|1|ED|X||^AP^PDF^Base64^JVBERi0x||||||F"
    ),
]


@settings(deadline=None)
@given(mutants(SOURCES) | st.binary(max_size=300))
def test_no_bytes_are_left_without_a_verdict(raw: bytes) -> None:
    """Each answer can be read, carries a code, and names every fault it refuses for."""
    verdict = judge(raw, DEFAULT)
    answer = ack.answer(verdict, STAMP)
    expected = ack.immediate_code(verdict)
    assert code(answer) == expected
    if expected and verdict.severity is not None and not _is_old(verdict):
        assert len(lines(answer)["ERR"]) == len(verdict.faults)


def _is_old(verdict: Verdict) -> bool:
    """Whether the version, as sent, is one whose answers have a single ERR: any before 2.5."""
    found = re.fullmatch(r"\s*(\d+)(?:\.\s*(\d+)\s*)?(?:\.\s*\d+\s*)?", verdict.header.version)
    return found is not None and (int(found[1]), int(found[2] or 0)) < (2, 5)


def test_every_sample_is_answered_and_each_refusal_names_its_fault() -> None:
    for path in hl7_files():
        verdict = judge(path.read_bytes(), DEFAULT)
        answer = ack.answer(verdict, STAMP)
        assert code(answer) == ack.immediate_code(verdict), path.name
        if answer:
            assert (code(answer)[1:] == "A") == verdict.accepted
        assert bool([f for f in verdict.faults if f.severity != "warning"]) != verdict.accepted


def test_a_batch_is_answered_as_a_batch() -> None:
    one, two = packed("ADT^A08", PID, control="1"), packed("ADT^A08", "PID|1", control="2")
    raw = (
        b"FHS|^~\\&|A|B|C|D|2026||||F7\rBHS|^~\\&|A|B|C|D|2026||||B9\r"
        + one
        + two
        + b"BTS|2\rFTS|1\r"
    )
    answers = [answered(message) for message in batch.messages(raw)]
    answer = batch.answer(raw, answers, STAMP)
    assert batch.is_batch(answer)
    head = b"|^~\\&|C|D|A|B|20260905120001+0200||||ACK77|"
    assert answer.startswith(b"FHS" + head + b"F7\rBHS" + head + b"B9\rMSH")
    assert answer.endswith(b"\rBTS|2\rFTS|1\r")
    assert [code(message) for message in batch.messages(answer)] == ["AA", "AE"]
    assert batch.answer(raw, [b"", b""], STAMP) == b""
    assert not batch.is_batch(one)


def test_faults_may_be_added_by_whoever_knows_more() -> None:
    verdict = judge(packed("ADT^A08", PID), DEFAULT)
    assert verdict.accepted
    unknown = Fault(DATA_TYPE, Where("MSH", 1, 3), "the sender is unknown here", "reject")
    assert code(ack.answer(verdict.with_fault(unknown), STAMP)) == "AR"
    assert code(ack.refuse(packed("ADT^A08", PID), unknown, STAMP)) == "AR"


def test_the_time_of_an_answer_is_told_with_its_zone() -> None:
    stamp = Stamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "1")
    answer = ack.answer(judge(packed("ADT^A08", PID), DEFAULT), stamp)
    assert parse(answer).first("MSH").text(7) == "20260102030405+0000"


def test_a_place_is_written_for_people_and_for_machines() -> None:
    assert str(Where("OBX", 2, 5)) == "OBX[2]-5"
    assert str(Where("MSH")) == "MSH"
    assert Where("PID", 1, 3, 1, 4).parts() == ("PID", "1", "3", "1", "4")
    assert Where("PID", 1, 3, 0, 4).parts() == ("PID", "1", "3", "", "4")
    assert Fault(SEQUENCE, Where("PID"), "x").severity == "error"
