"""Frames are found in any stream, however it is cut, and nothing of a message is dropped."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.framing import HEAD, Deframer, frame

ONE, TWO = b"MSH|^~\\&|one\rPID|1\r", b"MSH|^~\\&|two\r"


def cut(stream: bytes, size: int = 1, limit: int = 10_000) -> list[bytes]:
    deframer = Deframer(limit)
    pieces = (stream[at : at + size] for at in range(0, len(stream), size))
    return [one.content for piece in pieces for one in deframer.feed(piece)]


STREAMS = {
    "one": (frame(ONE), [ONE]),
    "two": (frame(ONE) + frame(TWO), [ONE, TWO]),
    "empty": (frame(b""), [b""]),
    "line-ends-between": (frame(ONE) + b"\r\n\n" + frame(TWO) + b"\r", [ONE, TWO]),
    "noise-between": (b"hello" + frame(ONE) + b"noise\x1c\r" + frame(TWO), [ONE, TWO]),
    "fs-without-cr-between": (b"\x0b" + ONE + b"\x1c" + frame(TWO), [ONE, TWO]),
    "fs-with-lf": (b"\x0b" + ONE + b"\x1c\n" + frame(TWO), [ONE, TWO]),
    "two-fs": (b"\x0b" + ONE + b"\x1c\x1c\r" + frame(TWO), [ONE + b"\x1c", TWO]),
    "fs-within": (frame(b"MSH|a\x1cb"), [b"MSH|a\x1cb"]),
    "vt-within": (frame(b"MSH|a\x0bb"), [b"MSH|a\x0bb"]),
    "vt-twice": (b"\x0b" + frame(ONE), [ONE]),
    "half-frame": (b"\x0b" + ONE[:12] + frame(TWO), [TWO]),
    "two-halves": (b"\x0b" + ONE[:12] + b"\x0b" + ONE[:15] + frame(TWO), [TWO]),
    "unfinished": (frame(ONE) + b"\x0b" + TWO, [ONE]),
    "no-start": (ONE + b"\x1c\r" + frame(TWO), [TWO]),
}


@pytest.mark.parametrize(("stream", "frames"), STREAMS.values(), ids=STREAMS)
def test_frames_are_the_same_however_the_stream_is_cut(stream: bytes, frames: list[bytes]) -> None:
    for size in range(1, len(stream) + 1):
        assert cut(stream, size) == frames, size


CONTENT = st.binary(max_size=60).filter(lambda data: b"\x1c" not in data and b"\x0bMSH" not in data)


@settings(deadline=None)
@given(st.lists(CONTENT, max_size=5), st.integers(1, 50))
def test_any_contents_come_out_as_they_went_in(contents: list[bytes], size: int) -> None:
    assert cut(b"".join(map(frame, contents)), size) == contents


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(1, 50), st.integers(1, 100))
def test_no_stream_breaks_the_deframer(noise: bytes, size: int, limit: int) -> None:
    """Noise that opens no frame never hides the message after it."""
    cut(noise, size, limit)
    closed = noise.replace(b"\x0b", b"").replace(b"\x1c", b"")
    assert cut(closed + frame(b"MSH"), size, limit=1000) == [b"MSH"]


def test_an_fs_at_the_end_is_undecided_until_something_follows() -> None:
    deframer = Deframer(1000)
    assert deframer.feed(b"\x0b" + ONE + b"\x1c") == []
    assert deframer.undecided
    assert deframer.close().content == ONE
    assert not deframer.within
    deframer.feed(b"\r\x0bMSH|a\x1c")
    assert deframer.undecided
    assert [one.content for one in deframer.feed(b"b\x1c\r")] == [b"MSH|a\x1cb"]


def test_what_is_beyond_the_limit_is_counted_and_not_kept() -> None:
    deframer = Deframer(HEAD)
    content = b"MSH|" + b"x" * 10 * HEAD
    stream = frame(content)
    frames = [
        one for at in range(0, len(stream), 1000) for one in deframer.feed(stream[at : at + 1000])
    ]
    assert [(one.size, one.whole, one.content) for one in frames] == [
        (len(content), False, content[:HEAD])
    ]
    assert deframer.feed(frame(ONE))[0].content == ONE


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_limit_holds_to_the_byte_however_the_stream_is_cut(size: int) -> None:
    for length, whole in ((100, True), (101, False)):
        deframer = Deframer(100)
        stream = frame(b"x" * length)
        pieces = (stream[at : at + size] for at in range(0, len(stream), size))
        (one,) = [one for piece in pieces for one in deframer.feed(piece)]
        assert (one.whole, one.size) == (whole, length)


def test_noise_and_halves_are_counted() -> None:
    deframer = Deframer(1000)
    deframer.feed(b"GET / HTTP/1.1\r\n\r\n\0 ")
    assert deframer.noise == 12
    deframer.feed(b"\x0b" + ONE[:15] + frame(TWO))
    assert (deframer.noise, deframer.halves) == (0, 1)
