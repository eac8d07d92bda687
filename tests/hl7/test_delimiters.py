"""Escape sequences become what they stand for, once, and nothing of the text is dropped."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.delimiters import Delimiters, Grammar
from hl7.message import parse

PLAIN = Grammar(Delimiters(), "utf_8")

SEQUENCES = {
    r"a\F\b\S\c\T\d\R\e\E\f": "a|b^c&d~e\\f",
    r"one\.br\two\.br\\.br\three": "one\ntwo\n\nthree",
    r"\.BR\x": "\nx",
    r"a\.sp3\b": "a\n\n\nb",
    r"a\.sp+2\b": "a\n\nb",
    r"a\.sp\b": "a\nb",
    r"a\.sp999\b": "a" + "\n" * 20 + "b",
    r"a\.sk 4\b": "a    b",
    r"a\.sk999\b": "a" + " " * 80 + "b",
    r"\.ce\Title\.br\x": "\nTitle\nx",
    r"\.in+4\a\.ti-2\b\.fi\c\.nf\d": "abcd",
    r"\H\bold\N\ plain": "bold plain",
    r"x\X41\y": "xAy",
    r"M\XC3BC\ller": "Müller",
    r"M\XC3\\XBC\ller": "Müller",
    r"\XC3\x\XBC\y": "\ufffdx\ufffdy",
    r"a\X0D0A\b\X0D\\X0A\c": "a\nb\nc",
    r"\C2842\text\M242842\.": "text.",
    r"\Zfoo\ stays": r"\Zfoo\ stays",
    r"\.xx\ stays": r"\.xx\ stays",
    r"\X4\ stays": r"\X4\ stays",
    r"C:\temp\new": r"C:\temp\new",
    r"C:\temp\.br\new": "C:\\temp\nnew",
    r"no end \F": r"no end \F",
    "lone \\": "lone \\",
    r"\\": r"\\",
    r"\E\.br\E\ is written \.br\!": "\\.br\\ is written \n!",
    r"\E\X41\E\ ": "\\X41\\ ",
}


@pytest.mark.parametrize(("sent", "meant"), SEQUENCES.items(), ids=SEQUENCES)
def test_a_sequence_becomes_what_it_stands_for(sent: str, meant: str) -> None:
    assert PLAIN.unescape(sent) == meant


def test_hexadecimal_is_read_in_the_character_set_of_the_message() -> None:
    assert Grammar(Delimiters(), "iso8859_15").unescape(r"\XA4\ ") == "€ "
    assert Grammar(Delimiters(), "gb18030").unescape(r"\XD6\\XD0\ ") == "中 "


def test_other_delimiters_are_meant_by_the_same_letters() -> None:
    grammar = Grammar(Delimiters("$", "%", "*", "@", "!"), "utf_8")
    assert grammar.unescape("a@F@b@E@c\\F\\") == "a$b@c\\F\\"


@settings(deadline=None)
@given(st.text(alphabet="ab\\.XFESbr41N é", max_size=40))
def test_what_is_not_understood_stays(text: str) -> None:
    """Every character outside of a known sequence is found again, in its order."""
    left = iter(PLAIN.unescape(text))
    assert all(letter in left for letter in text if letter == "é")


def test_control_characters_are_line_breaks_or_noise() -> None:
    raw = b"MSH|^~\\&|A\rOBX|1|TX|||a\x0bb\x0cc\x00d\x07e\tf\r"
    assert parse(raw).first("OBX").text(5) == "a\nb\ncde\tf"
