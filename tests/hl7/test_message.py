"""No byte and no segment is lost, and every leaf reads as it was written."""

import re
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7 import batch
from hl7.errors import NotHL7
from hl7.message import parse, split
from tests.support.hl7_generator import Content, contents
from tests.support.hl7_samples import hl7_files

HEAD = b"MSH|^~\\&|RIS|HOSP|||20260101||ORU^R01|1|P|2.5.1\r"


def joined(raw: bytes) -> bytes:
    pieces = split(raw)
    return pieces.lead + b"".join(pieces.segments) + pieces.trail


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"MSH|^~\\&|", HEAD]), st.binary(max_size=99))
def test_every_byte_of_any_input_is_in_exactly_one_piece(a: bytes, b: bytes, c: bytes) -> None:
    assert joined(a + b + c) == a + b + c
    assert b"".join(part.raw for part in batch.unwrap(a + b + c)) == a + b + c


@settings(deadline=None)
@given(contents())
def test_every_segment_and_every_leaf_reads_as_it_was_written(content: Content) -> None:
    raw = content.pack()
    message = parse(raw)
    assert message.pieces.lead == message.pieces.trail == b""
    assert b"".join(message.pieces.segments) == raw
    assert message.charset.wrong is False
    names = [segment.name for segment in message.segments]
    assert names == ["MSH", *(name for name, _ in content.segments)]
    for segment, (_, fields) in zip(message.segments[1:], content.segments, strict=True):
        for number, repetitions in enumerate(fields, 1):
            if segment.is_null(number):
                continue
            read = [
                [[part.text(sub) for sub in range(1, 4)] for part in map(value.part, range(1, 4))]
                for value in segment.repetitions(number)
            ]
            assert read == [padded(one) for one in repetitions if said(one)]


def padded(repetition: list[list[str]]) -> list[list[str]]:
    """Three components of three subcomponents, the missing ones empty."""
    rows = [part for part, _ in zip_longest(repetition, range(3), fillvalue=[""])]
    return [[text for text, _ in zip_longest(row, range(3), fillvalue="")] for row in rows]


def said(repetition: list[list[str]]) -> bool:
    return repetition != [[""]]


def test_all_sample_messages_keep_every_segment() -> None:
    files = hl7_files()
    assert len(files) > 400
    for path in files:
        raw = path.read_bytes()
        assert joined(raw) == raw
        lines = [line for line in re.split(rb"[\r\n]+", raw.removeprefix(b"\xef\xbb\xbf")) if line]
        message = parse(raw)
        assert [segment.raw.rstrip(b"\r\n") for segment in message.segments] == lines, path.name
        for segment, line in zip(message.segments, lines, strict=True):
            assert len(segment.fields) == line.count(b"|") + 1 + (segment.name == "MSH"), path.name


@pytest.mark.parametrize("terminator", [b"\r", b"\n", b"\r\n"])
def test_segments_end_with_cr_lf_or_both(terminator: bytes) -> None:
    raw = terminator.join([b"MSH|^~\\&|A", b"PID|1", b"OBX|1", b""])
    assert [segment.fields[-1] for segment in parse(raw).segments] == ["A", "1", "1"]


def test_a_line_that_is_no_segment_continues_the_one_before_it() -> None:
    raw = HEAD + b"OBX|1|ED|PDF||^AP^PDF^Base64^JVBE\rRi0x\r\nLjQ=||||||F\rNTE|1||a\nb\r"
    message = parse(raw)
    assert [segment.name for segment in message.segments] == ["MSH", "OBX", "NTE"]
    assert message.first("OBX").text(5, 5) == "JVBE\nRi0x\nLjQ="
    assert message.first("OBX").text(11) == "F"
    assert message.first("NTE").text(3) == "a\nb"


def test_many_continuation_lines_are_joined_in_linear_time() -> None:
    lines = b"A" * 76 + b"\r\n"
    raw = HEAD + b"OBX|1|ED|||^^^Base64^" + lines * 50_000
    assert len(parse(raw).first("OBX").raw) > 50_000 * 78


@pytest.mark.parametrize(
    "lead", [b"\xef\xbb\xbf", b"\r\n\r\n", b"\x0b", b"noise\r\n", b" \xef\xbb\xbf"]
)
def test_what_comes_before_msh_is_kept_apart(lead: bytes) -> None:
    pieces = split(lead + HEAD)
    assert (pieces.lead, pieces.segments, pieces.trail) == (lead, (HEAD,), b"")


@pytest.mark.parametrize("trail", [b"\x1c", b"\x1c\r", b"\r\r", b"\r\n\x1c\r\n", b"\x1a", b"\0\0"])
def test_what_comes_after_the_last_segment_is_kept_apart(trail: bytes) -> None:
    pieces = split(HEAD + b"PID|1\r" + trail)
    assert (pieces.segments, pieces.trail) == ((HEAD, b"PID|1\r"), trail)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"MSH",
        b"MSH\r",
        b"MSH|",
        b"MSH||A",
        b"PID|1\r",
        b"MSH|^^~\\",
        b"MSHA^~\\&",
        b"MSH|^~\\&#$|",
    ],
)
def test_bytes_without_a_usable_msh_are_no_message(raw: bytes) -> None:
    with pytest.raises(NotHL7):
        parse(raw)


def test_a_delimiter_beyond_ascii_is_refused_by_its_field() -> None:
    """Some feeds declare U+02DC, which looks like a tilde, as the repetition separator."""
    with pytest.raises(NotHL7) as refusal:
        parse("MSH|^\u02dc\\&|A".encode())
    assert refusal.value.where == "MSH-2"


@pytest.mark.parametrize("codec", ["utf_16", "utf_16_le", "utf_16_be", "utf_32"])
def test_wide_encodings_are_refused(codec: str) -> None:
    with pytest.raises(NotHL7) as refusal:
        parse(HEAD.decode().encode(codec))
    assert codec.startswith("utf_32") or "ASCII-compatible" in refusal.value.expected


def test_msh_2_is_authoritative_in_every_version() -> None:
    message = parse(b"MSH$%*@!#$A!1%B$$$$$ORU%R01$1$P$2.3\rPID$1$$A*B%@S@!x")
    assert message.delimiters.truncation == "#"
    assert message.first("MSH").fields[:4] == ["MSH", "$", "%*@!#", "A!1%B"]
    assert [value.text() for value in message.first("PID").repetitions(3)] == ["A", "B"]
    assert message.first("PID").repetitions(3)[1].text(2) == "%"
    assert message.first("PID").repetitions(3)[1].text(2, 2) == "x"


def test_delimiters_that_msh_2_leaves_out_separate_nothing() -> None:
    message = parse(b"MSH|^|A\rOBX|1|a^b~c\\T\\d&e")
    assert message.first("OBX").text(2, 2) == "b~c\\T\\d&e"
    assert len(message.first("OBX").repetitions(2)) == 1


def test_an_absent_segment_field_or_part_reads_as_nothing() -> None:
    message = parse(HEAD + b"PID|1||A")
    assert not message.first("PV1")
    assert message.first("PV1").text(19) == ""
    assert message.first("PID").text(99, 4, 2) == ""
    assert message.first("PID").repetitions(99) == []
    assert message.first("PID").text(3, 1, 2) == ""


def test_null_is_told_apart_from_not_sent() -> None:
    pid = parse(HEAD + b'PID|1|""||A^""^C~""').first("PID")
    assert [pid.is_null(number) for number in (1, 2, 3)] == [False, True, False]
    assert pid.text(2) == ""
    assert pid.text(4, 2) == ""
    assert len(pid.repetitions(4)) == 1


def test_segments_of_one_name_are_counted() -> None:
    message = parse(HEAD + b"OBX|1\rNTE|1\rOBX|2\r")
    assert [segment.position for segment in message.all("OBX", "NTE")] == [1, 1, 2]


def test_the_same_content_with_a_new_id_and_time_has_the_same_fingerprint() -> None:
    def fingerprint(time: bytes, control: bytes, rest: bytes) -> str:
        raw = b"MSH|^~\\&|A|B|C|D|" + time + b"||ORU^R01|" + control + b"|P|2.5\r" + rest
        return parse(raw).fingerprint()

    first = fingerprint(b"2026", b"1", b"PID|1\rOBX|1\r")
    assert first == fingerprint(b"2027", b"2", b"PID|1\r\nOBX|1")
    assert first != fingerprint(b"2026", b"1", b"PID|1\rOBX|2\r")


def test_a_batch_is_unwrapped_into_its_messages() -> None:
    one, two = HEAD + b"PID|1\r", HEAD + b"PID|2\r"
    raw = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + one + two + b"BTS|2\rFTS|1\r"
    assert batch.messages(raw) == (one, two)
    assert [part.name for part in batch.unwrap(raw)] == ["FHS", "BHS", "MSH", "MSH", "BTS", "FTS"]
    assert batch.messages(one) == (one,)
    assert batch.messages(b"nothing") == (b"nothing",)
