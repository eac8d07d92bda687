"""Multipart bodies survive any cut into chunks; broken ones are refused, not guessed at."""

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom.errors import Malformed, TooLarge
from dicom.media_types import parse
from dicom.multipart import PartLimits, Reader, boundary_of, content_type, write

BOUNDARY = "b0a9c3"


class Kept:
    """A sink that keeps its part."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = dict(headers)
        self.body = bytearray()
        self.complete = False

    def write(self, data: memoryview) -> None:
        assert not self.complete
        self.body += data

    def end(self) -> None:
        self.complete = True


def read(
    chunks: list[bytes], boundary: str = BOUNDARY, limits: PartLimits | None = None
) -> list[Kept]:
    kept: list[Kept] = []

    def open_part(headers: Mapping[str, str]) -> Kept:
        kept.append(Kept(headers))
        return kept[-1]

    reader = Reader(boundary, open_part, limits or PartLimits())
    for chunk in chunks:
        reader.feed(chunk)
    reader.close()
    return kept


def body(parts: list[bytes]) -> bytes:
    headers = {"Content-Type": "application/dicom", "Content-ID": "<1>"}
    return b"".join(write(((headers, [part]) for part in parts), BOUNDARY))


TRICKY = [
    b"",
    b"\r\n",
    b"\r\n--",
    b"\r\n--b0a9c",
    b"--b0a9c3",
    b"\r\r\n\n--b0a9c3x",
    b"\r\n--b0a9c\r\n--b0a9",
    bytes(range(256)) * 3,
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_parts_come_out_as_they_went_in_whatever_the_chunks(size: int) -> None:
    whole = body(TRICKY)
    kept = read([whole[at : at + size] for at in range(0, len(whole), size)])
    assert [bytes(part.body) for part in kept] == TRICKY
    assert all(part.complete for part in kept)
    assert kept[0].headers == {"content-type": "application/dicom", "content-id": "<1>"}


def test_a_body_may_be_split_at_any_byte() -> None:
    whole = body(TRICKY[:7])
    for at in range(len(whole)):
        assert [bytes(part.body) for part in read([whole[:at], whole[at:]])] == TRICKY[:7]


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(
    parts=st.lists(
        st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", BOUNDARY.encode()[:3], b"x"])).map(
            b"".join
        ),
        max_size=4,
    ),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_random_parts_and_cuts_lose_nothing(parts: list[bytes], cuts: list[int]) -> None:
    whole = body(parts)
    edges = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    kept = read([whole[a:b] for a, b in pairwise(edges)])
    assert [bytes(part.body) for part in kept] == parts


def test_a_body_cut_short_is_refused_and_its_last_part_left_open() -> None:
    whole = body([b"one", b"two"])
    for end in range(len(whole) - 4):
        kept: list[Kept] = []

        def open_part(headers: Mapping[str, str], kept: list[Kept] = kept) -> Kept:
            kept.append(Kept(headers))
            return kept[-1]

        reader = Reader(BOUNDARY, open_part)
        reader.feed(whole[:end])
        with pytest.raises(Malformed, match="cut short"):
            reader.close()
        assert [part.complete for part in kept[:-1]] == [True] * (len(kept) - 1)


def test_what_stands_before_and_after_the_parts_is_skipped() -> None:
    """RFC 2046 5.1.1."""
    whole = b"This is a message\r\nin parts.\r\n" + body([b"one"]) + b"epilogue" * 1000
    for size in (5, 10_000):
        chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert [bytes(part.body) for part in read(chunks)] == [b"one"]


def test_a_body_without_parts_has_none() -> None:
    assert read([f"--{BOUNDARY}--".encode()]) == []


@pytest.mark.parametrize(
    "broken",
    [
        b"x" * 20_000,
        b"--b0a9c3\nContent-Type: a/b\n\nx\n--b0a9c3--",
        b"--b0a9c3\r\nNo colon here\r\n\r\nx\r\n--b0a9c3--",
        b"--b0a9c3\r\n: empty name\r\n\r\nx\r\n--b0a9c3--",
    ],
)
def test_a_body_that_breaks_the_grammar_is_refused(broken: bytes) -> None:
    with pytest.raises(Malformed):
        read([broken])


def test_headers_and_parts_have_limits() -> None:
    long = body([b"x"]).replace(b"<1>", b"<" + b"1" * 5000 + b">")
    with pytest.raises(Malformed):
        read([long])
    many = body([b"x"]).replace(
        b"Content-ID", b"\r\n".join(b"A%d: b" % n for n in range(20)) + b"\r\nB"
    )
    with pytest.raises(Malformed):
        read([many])
    with pytest.raises(TooLarge):
        read([body([b"x"] * 5)], limits=PartLimits(parts=4))


def test_what_a_sink_raises_comes_through() -> None:
    def open_part(headers: Mapping[str, str]) -> Kept:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        Reader(BOUNDARY, open_part).feed(body([b"x"]))


@pytest.mark.parametrize(
    ("text", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc', "abc"),
        ('Multipart/Related; boundary="a b\\"c"; type=application/dicom', 'a b"c'),
        ("multipart/related;BOUNDARY=--x;start=<1>", "--x"),
    ],
)
def test_boundaries_are_read_quoted_or_not(text: str, boundary: str) -> None:
    assert boundary_of(parse(text)) == boundary


@pytest.mark.parametrize(
    "text",
    [
        "multipart/related",
        "multipart/related; boundary=",
        "multipart/related; boundary=" + "x" * 71,
        'multipart/related; boundary="bad "',
        'multipart/related; boundary="caf\u00e9"',
        "multipart/form-data; boundary=x",
        "application/dicom",
    ],
)
def test_a_body_without_a_legal_boundary_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        boundary_of(parse(text))


def test_our_content_type_is_read_back() -> None:
    media_type = parse(content_type(BOUNDARY, "application/dicom", "1.2.840.10008.1.2.1"))
    assert boundary_of(media_type) == BOUNDARY
    assert media_type.parameters["type"] == "application/dicom"
    assert media_type.parameters["transfer-syntax"] == "1.2.840.10008.1.2.1"
