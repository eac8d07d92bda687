"""Files and batches: several messages in one piece (HL7 2.5.1 ch. 2.10.3, 2.15.2 to 2.15.5)."""

import re
from dataclasses import dataclass

from hl7.ack import Stamp
from hl7.delimiters import read_delimiters

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


def is_batch(raw: bytes) -> bool:
    """Whether this is a file or batch, which is answered as one."""
    first = _START.search(raw)
    return first is not None and first[1] in {b"FHS", b"BHS"}


def answer(raw: bytes, answers: list[bytes], stamp: Stamp) -> bytes:
    """Put the answers to the messages of a batch into a batch; b"" if there are none.

    Raises NotHL7 if its header cannot be read.
    """
    said = [one for one in answers if one]
    if not said:
        return b""
    headers = [part for part in unwrap(raw) if part.name in {"FHS", "BHS"}]
    body = b"".join(said)
    count = len(said)
    for part in reversed(headers):
        head, trailer = _turned(part, stamp), part.name[0].encode("ascii") + b"TS"
        body = head + body + trailer + head[3:4] + str(count).encode("ascii") + b"\r"
        count = 1
    return body


def _turned(part: Part, stamp: Stamp) -> bytes:
    """FHS or BHS with sender and receiver exchanged, and its control id as the reference."""
    opening = part.raw[part.raw.index(part.name.encode("ascii")) :].splitlines()[0]
    delimiters = read_delimiters(opening)
    separator = delimiters.field.encode("ascii")
    fields = [*opening.split(separator), *[b""] * 11]
    encoding, (sender, facility, receiver, other) = fields[1], fields[2:6]
    time = stamp.now.strftime("%Y%m%d%H%M%S%z").encode("ascii")
    control_id = delimiters.escaped(stamp.control_id).encode("ascii")
    turned = [fields[0], encoding, receiver, other, sender, facility, time]
    line = separator.join([*turned, b"", b"", b"", control_id, fields[10]])
    return line.rstrip(separator) + b"\r"
