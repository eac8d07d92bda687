"""Files and batches: several messages in one piece (HL7 2.5.1 ch. 2.10.3, 2.15.2 to 2.15.5)."""

import re
from dataclasses import dataclass

_START = re.compile(
    rb"(?:\A|(?<=[\r\n]))(?:\xef\xbb\xbf|[\x00\x0b\x1c \t])*(FHS|BHS|MSH|BTS|FTS)(?![A-Za-z0-9\r\n])"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A message (`name` is MSH), or a header or trailer with what follows it."""

    name: str
    raw: bytes


def unwrap(raw: bytes) -> tuple[Part, ...]:
    """Cut a file, a batch or several messages into parts; joined they are the bytes again."""
    starts = [(found.start(), found[1].decode("ascii")) for found in _START.finditer(raw)]
    if not starts:
        return (Part("", raw),) if raw else ()
    cuts = [0, *(start for start, _ in starts[1:]), len(raw)]
    return tuple(
        Part(name, raw[cuts[index] : cuts[index + 1]]) for index, (_, name) in enumerate(starts)
    )


def messages(raw: bytes) -> tuple[bytes, ...]:
    """The messages of a file or batch in their order; bytes without any are one bad message."""
    found = tuple(part.raw for part in unwrap(raw) if part.name == "MSH")
    return found or (raw,)
