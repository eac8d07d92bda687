"""Text is read in the character set that is true: MSH-18, the feed's habit, or what the bytes say."""

import pytest

from hl7.charset import codec_of, detect
from hl7.message import parse

UMLAUT = "Müller"

DECLARED = [
    ("UNICODE UTF-8", "utf_8", "Müller 中"),
    ("UTF-8", "utf_8", "Müller 中"),
    ("8859/1", "latin_1", "Müller"),
    ("ISO-8859-1", "latin_1", "Müller"),
    ("ISO_IR 100", "latin_1", "Müller"),
    ("8859/15", "iso8859_15", "Müller €"),
    ("8859/5", "iso8859_5", "Привет"),
    ("GB 18030-2000", "gb18030", "中乗"),
    ("BIG-5", "big5", "功許"),
    ("KS X 1001", "cp949", "한국"),
    ("ISO IR87", "iso2022_jp", "日本"),
    ("~ISO IR87", "iso2022_jp", "日本"),
    ("ASCII~ISO IR87", "iso2022_jp", "日本"),
]


def message(charset: str, text: bytes) -> bytes:
    head = f"MSH|^~\\&|A|||||| ORU^R01|1|P|2.5||||||{charset}\r".encode()
    return head.replace(b" ORU", b"ORU") + b"PID|1||" + text + b"^||x\r"


@pytest.mark.parametrize(("charset", "codec", "text"), DECLARED)
def test_msh_18_is_believed_where_it_can_be_true(charset: str, codec: str, text: str) -> None:
    read = parse(message(charset, text.encode(codec)))
    assert read.first("PID").text(3) == text
    assert not read.charset.wrong


@pytest.mark.parametrize("second", ["\\", "|", "^", "~", "&"])
def test_a_second_byte_that_looks_like_a_delimiter_is_a_letter(second: str) -> None:
    """In Big5 and GB 18030 the second byte of a letter may be any printable one."""
    for codec, charset in (("big5", "BIG-5"), ("gb18030", "GB 18030-2000")):
        pairs = (bytes([high]) + second.encode() for high in range(0xA4, 0xC6))
        letters = [pair.decode(codec) for pair in pairs if decodes(pair, codec)]
        text = "".join(letters)
        assert parse(message(charset, text.encode(codec))).first("PID").text(3) == text


def decodes(raw: bytes, codec: str) -> bool:
    return "\ufffd" not in raw.decode(codec, "replace")


def test_a_latin_1_message_with_windows_letters_is_windows_1252() -> None:
    text = "Müller \u2013 \u201cso\u201d"
    read = parse(message("8859/1", text.encode("cp1252")))
    assert read.first("PID").text(3) == text
    assert (read.charset.codec, read.charset.wrong) == ("cp1252", False)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("UNICODE UTF-8", UMLAUT.encode("latin_1")),
        ("8859/1", UMLAUT.encode()),
        ("ASCII", UMLAUT.encode()),
        ("ASCII", UMLAUT.encode("latin_1")),
        ("EBCDIC", UMLAUT.encode()),
    ],
)
def test_a_false_declaration_is_told_and_the_text_still_read(charset: str, text: bytes) -> None:
    read = parse(message(charset, text))
    assert read.charset.wrong
    assert read.charset.finding
    assert read.first("PID").text(3) == UMLAUT


@pytest.mark.parametrize(
    ("text", "fallback", "codec"),
    [
        (b"Muller", "", "utf_8"),
        (UMLAUT.encode(), "8859/1", "utf_8"),
        (UMLAUT.encode("latin_1"), "8859/1", "iso8859_1"),
        (UMLAUT.encode("latin_1"), "", "cp1252"),
        ("Привет".encode("iso8859_5"), "8859/5", "iso8859_5"),
        ("日本".encode("iso2022_jp"), "ISO IR87", "iso2022_jp_ext"),
        (b"\xff\x81", "UNICODE UTF-8", "cp1252"),
    ],
)
def test_without_msh_18_it_is_utf_8_then_the_feeds_set_then_windows(
    text: bytes, fallback: str, codec: str
) -> None:
    read = parse(message("", text), fallback)
    assert read.charset.codec == codec
    assert not read.charset.wrong


def test_a_byte_order_mark_is_no_text() -> None:
    read = parse(b"\xef\xbb\xbf" + message("UNICODE UTF-8", UMLAUT.encode()))
    assert read.first("MSH").text(3) == "A"
    assert read.first("PID").text(3) == UMLAUT


def test_every_term_of_table_0211_but_the_wide_ones_has_a_codec() -> None:
    numbered = [f"8859/{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)]
    others = ["ASCII", "ISO IR6", "ISO IR14", "ISO IR87", "ISO IR159", "GB 18030-2000", "KS X 1001"]
    for term in [*numbered, *others, "BIG-5", "UNICODE", "UNICODE UTF-8"]:
        "x".encode(codec_of(term))
    assert codec_of("UNICODE UTF-16") == codec_of("UNICODE UTF-32") == ""


def test_plain_text_is_no_contradiction_to_any_declaration() -> None:
    for term in ("ASCII", "8859/1", "UNICODE UTF-8", "GB18030"):
        assert detect(b"plain", (term,)).finding == ""
