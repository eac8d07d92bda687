"""MLLP frames out of a stream of bytes, however they arrive (HL7 Transport: MLLP release 1).

A frame is VT, content, FS, CR. Accepted too: FS with LF or nothing behind it, noise and repeated
line ends between frames, and a VT or FS within the content, which is text pasted from elsewhere.
"""

import re
from dataclasses import dataclass

START = b"\x0b"
END = b"\x1c"
HEAD = 65536  # what is kept of a frame beyond the limit: enough to answer it

_CLOSED = re.compile(rb"\x1c(?=[\r\n\x0b])")
_RESTARTED = re.compile(rb"\x0b(?:MSH|BHS|FHS)[!-/:-@\[-`{-~]")
_FILLER = b"\r\n\0 \t\x1c"


def frame(content: bytes) -> bytes:
    """Put content into a frame."""
    return b"\x0b" + content + b"\x1c\r"


@dataclass(frozen=True, slots=True)
class Frame:
    """The content of one frame; of one beyond the limit only its head, and its true size."""

    content: bytes
    size: int
    whole: bool = True


class Deframer:
    """Cuts a stream into frames of at most `limit` bytes; holds one frame at a time.

    `noise` counts bytes outside of frames since the last one, `halves` the frames that were begun
    anew before their end.
    """

    def __init__(self, limit: int) -> None:
        self.noise = 0
        self.halves = 0
        self._limit = limit
        self._buffer = bytearray()
        self._open = False
        self._searched = 0
        self._head = b""
        self._dropped = 0

    @property
    def within(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._open

    @property
    def undecided(self) -> bool:
        """Whether FS was the last byte so far: the end if nothing follows, else content."""
        return self._open and self._buffer.endswith(END)

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes and return the frames that they complete."""
        self._buffer += data
        frames = []
        while self._begin():
            closed = _CLOSED.search(self._buffer, self._searched)
            if closed is None:
                self._keep_searching()
                break
            frames.append(self._finish(closed.start()))
        return frames

    def close(self) -> Frame:
        """End the frame whose FS nothing follows."""
        return self._finish(len(self._buffer) - 1)

    def _begin(self) -> bool:
        """Whether a frame is open; whatever stands before the next VT is noise."""
        if self._open:
            return True
        start = self._buffer.find(START)
        before = self._buffer if start < 0 else self._buffer[:start]
        self.noise += len(before.translate(None, _FILLER))
        del self._buffer[: len(before) + 1]
        self._open = start >= 0
        return self._open

    def _keep_searching(self) -> None:
        """Remember where to go on, and drop what is beyond the limit."""
        if self._head or len(self._buffer) > self._limit + 1:  # the last byte may be FS
            self._head = self._head or bytes(self._buffer[:HEAD])
            self._dropped += len(self._buffer) - 1
            del self._buffer[:-1]
        self._searched = max(0, len(self._buffer) - 1)

    def _finish(self, end: int) -> Frame:
        content, size = bytes(self._buffer[:end]), self._dropped + end
        too_large = bool(self._head) or end > self._limit
        if too_large:
            content = self._head or content[:HEAD]
        del self._buffer[: end + 1]
        self._open, self._searched, self._head, self._dropped = False, 0, b"", 0
        self.noise = 0
        return Frame(content, size, whole=False) if too_large else self._restarted(content)

    def _restarted(self, content: bytes) -> Frame:
        """A sender that begins anew within a frame gave the earlier half up."""
        starts = [found.end() for found in _RESTARTED.finditer(content)]
        if starts:
            self.halves += len(starts)
            content = content[starts[-1] - 4 :]
        return Frame(content, len(content))
