"""A scripted DICOM peer that says exactly the bytes it is told to, right or wrong (PS3.7, PS3.8).

It packs and reads PDUs on its own, so that what it proves does not rest on the code under test.
"""

import socket
import struct
from collections.abc import Iterable
from io import BytesIO
from types import TracebackType

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
APPLICATION = "1.2.840.10008.3.1.1.1"
RELEASE = struct.pack(">BxLxxxx", 5, 4)
ABORT = struct.pack(">BxLxxBB", 7, 4, 0, 0)

Proposal = tuple[int, str, Iterable[str]]
PLAIN: tuple[Proposal, ...] = ((1, VERIFICATION, [IMPLICIT]), (3, CT, [EXPLICIT, IMPLICIT]))


def pdu(kind: int, body: bytes) -> bytes:
    """Put a header before a body."""
    return struct.pack(">BxL", kind, len(body)) + body


def item(kind: int, value: bytes) -> bytes:
    """Pack an item of an A-ASSOCIATE."""
    return struct.pack(">BxH", kind, len(value)) + value


def request(
    proposals: Iterable[Proposal] = PLAIN,
    *,
    called: bytes = b"TRIPTYCH",
    calling: bytes = b"PARROT",
    version: int = 1,
    application: str = APPLICATION,
    max_length: int = 16384,
    user_items: bytes = b"",
) -> bytes:
    """Pack an A-ASSOCIATE-RQ."""
    contexts = b"".join(
        item(
            0x20,
            struct.pack(">Bxxx", number)
            + item(0x30, abstract.encode())
            + b"".join(item(0x40, syntax.encode()) for syntax in syntaxes),
        )
        for number, abstract, syntaxes in proposals
    )
    user = item(0x51, struct.pack(">L", max_length)) + item(0x52, b"1.2.3.4") + user_items
    fixed = struct.pack(">Hxx16s16s32x", version, called.ljust(16), calling.ljust(16))
    return pdu(1, fixed + item(0x10, application.encode()) + contexts + item(0x50, user))


def element(number: int, value: bytes) -> bytes:
    """Pack an element of a command set."""
    return struct.pack("<HHL", 0, number, len(value)) + value


def uid(text: str) -> bytes:
    """Pad a UID to an even length."""
    return text.encode() + b"\0" * (len(text) % 2)


def command(
    field: int,
    *,
    message: int = 7,
    data: bool = True,
    sop_class: str = CT,
    sop_instance: str = "1.2.3",
    more: bytes = b"",
) -> bytes:
    """Pack the command set of a request."""
    short = struct.Struct("<H")
    body = (
        element(0x0002, uid(sop_class))
        + element(0x0100, short.pack(field))
        + element(0x0110, short.pack(message))
        + element(0x0700, short.pack(0))
        + element(0x0800, short.pack(1 if data else 0x0101))
        + (element(0x1000, uid(sop_instance)) if sop_instance else b"")
        + more
    )
    return element(0, struct.pack("<L", len(body))) + body


def store(sop_instance: str = "1.2.3", sop_class: str = CT, message: int = 7) -> bytes:
    """Pack a C-STORE-RQ."""
    return command(0x0001, message=message, sop_class=sop_class, sop_instance=sop_instance)


def echo(message: int = 7) -> bytes:
    """Pack a C-ECHO-RQ."""
    return command(0x0030, message=message, data=False, sop_class=VERIFICATION, sop_instance="")


def value(context: int, control: int, data: bytes) -> bytes:
    """Pack one presentation data value."""
    return struct.pack(">LBB", len(data) + 2, context, control) + data


def pieces(context: int, kind: int, data: bytes, size: int) -> list[bytes]:
    """Cut data into presentation data values of at most `size` bytes, the last one marked."""
    starts = range(0, max(len(data), 1), size)
    return [
        value(context, kind | (2 if start + size >= len(data) else 0), data[start : start + size])
        for start in starts
    ]


def message(context: int, command_set: bytes, data: bytes | None = None, size: int = 8192) -> bytes:
    """Pack a whole message, one P-DATA-TF for each value."""
    values = pieces(context, 1, command_set, size)
    values += [] if data is None else pieces(context, 0, data, size)
    return b"".join(pdu(4, packed) for packed in values)


class Parrot:
    """A connection to a door. Its reads fail the test after a while instead of hanging."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def __enter__(self) -> "Parrot":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def say(self, *data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(b"".join(data))

    def hear(self) -> tuple[int, bytes]:
        """Read one PDU: type and body. EOFError when the door hung up."""
        header = self._exactly(6)
        return header[0], self._exactly(int.from_bytes(header[2:], "big"))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def associate(self, said: bytes | None = None) -> dict[int, tuple[int, str]]:
        """Ask for an association and return result and transfer syntax of each context."""
        self.say(said or request())
        kind, body = self.hear()
        assert kind == 2, f"an A-ASSOCIATE-AC was expected, not {kind} {body.hex()}"
        return dict(_results(body[68:]))

    def response(self) -> Dataset:
        """Read one response, whole or in pieces, with pydicom."""
        command_set, last = b"", False
        while not last:
            kind, body = self.hear()
            assert kind == 4, f"a P-DATA-TF was expected, not {kind} {body.hex()}"
            assert int.from_bytes(body[:4], "big") == len(body) - 4
            command_set, last = command_set + body[6:], bool(body[5] & 2)
            assert body[5] & 1
        return read_dataset(BytesIO(command_set), is_implicit_VR=True, is_little_endian=True)

    def release(self) -> None:
        """End the association in order."""
        self.say(RELEASE)
        assert self.hear() == (6, bytes(4))

    def aborted(self) -> int | None:
        """Read to the end: the reason of the A-ABORT that came, or None if none did."""
        reason = None
        try:
            while True:
                kind, body = self.hear()
                reason = body[3] if kind == 7 else reason
        except (EOFError, ConnectionError):
            return reason


def _results(items: bytes) -> Iterable[tuple[int, tuple[int, str]]]:
    offset = 0
    while offset < len(items):
        kind, length = items[offset], int.from_bytes(items[offset + 2 : offset + 4], "big")
        body = items[offset + 4 : offset + 4 + length]
        if kind == 0x21:
            yield body[0], (body[2], body[8:].decode())
        offset += 4 + length
