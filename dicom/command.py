"""DIMSE command sets, parsed and packed by hand (PS3.7 sections 6.3 and 9.3, annexes C and E)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dicom.pdu import INVALID_PARAMETER, ProtocolError

C_STORE_RQ = 0x0001
C_GET_RQ = 0x0010
C_FIND_RQ = 0x0020
C_MOVE_RQ = 0x0021
C_ECHO_RQ = 0x0030
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000
DATA_SET = 0x0001
NO_DATA_SET = 0x0101
MEDIUM = 0x0000  # priority

# Elements of group 0000.
AFFECTED_SOP_CLASS = 0x0002
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_RESPONDED_TO = 0x0120
MOVE_DESTINATION = 0x0600
PRIORITY = 0x0700
DATA_SET_TYPE = 0x0800
STATUS = 0x0900
ERROR_COMMENT = 0x0902
AFFECTED_SOP_INSTANCE = 0x1000
REMAINING = 0x1020
COMPLETED = 0x1021
FAILED = 0x1022
WARNINGS = 0x1023
MOVE_ORIGINATOR = 0x1030
MOVE_ORIGINATOR_MESSAGE = 0x1031

# Statuses (PS3.7 annex C, PS3.4 B.2.3 and C.4).
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
INVALID_SOP_INSTANCE = 0x0117
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNISED_OPERATION = 0x0211
NOT_AUTHORISED = 0x0124
OUT_OF_RESOURCES = 0xA700
DESTINATION_UNKNOWN = 0xA801
DOES_NOT_MATCH_SOP_CLASS = 0xA900
SOME_FAILED = 0xB000
CANNOT_UNDERSTAND = 0xC000
CANCELLED = 0xFE00
PENDING = 0xFF00


@dataclass(frozen=True, slots=True)
class Command:
    """What a server needs of a request; UIDs are as sent, less their padding."""

    field: int
    message_id: int
    has_data: bool
    sop_class: str = ""
    sop_instance: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the sub-operations of a retrieval so far (PS3.7 9.1.3.1)."""

    remaining: int
    completed: int
    failed: int
    warnings: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the comment that explains it to the person at the other end.

    `has_data` says that an identifier follows; `counts` are those of a retrieval.
    """

    status: int
    comment: str = ""
    has_data: bool = False
    counts: Counts | None = None

    @property
    def kept(self) -> bool:
        """Success or a warning: the object is ours to answer for (PS3.7 annex C)."""
        return self.status == SUCCESS or self.status >> 12 == 0xB


def parse_command(data: bytes) -> Command:
    """Read the command set of a request (PS3.7 6.3.1: Implicit VR Little Endian)."""
    elements = dict(_elements(data))
    field = _number(elements, COMMAND_FIELD)
    if field & RESPONSE:
        raise ProtocolError(INVALID_PARAMETER, "a response to a request that was never made")
    asks_for_answer = field != C_CANCEL_RQ
    return Command(
        field=field,
        message_id=_number(elements, MESSAGE_ID) if asks_for_answer else 0,
        has_data=_number(elements, DATA_SET_TYPE) != NO_DATA_SET,
        sop_class=_text(elements, AFFECTED_SOP_CLASS),
        sop_instance=_text(elements, AFFECTED_SOP_INSTANCE),
        destination=_text(elements, MOVE_DESTINATION),
    )


@dataclass(frozen=True, slots=True)
class Response:
    """What became of a request of ours."""

    field: int
    message_id: int
    status: int


def is_response(data: bytes) -> bool:
    """Tell whether a command set answers a request of ours."""
    return bool(_number(dict(_elements(data)), COMMAND_FIELD) & RESPONSE)


def parse_response(data: bytes) -> Response:
    """Read the command set of a response (PS3.7 9.3.1.2)."""
    elements = dict(_elements(data))
    return Response(
        field=_number(elements, COMMAND_FIELD),
        message_id=_number(elements, MESSAGE_ID_RESPONDED_TO),
        status=_number(elements, STATUS),
    )


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        if offset + 8 > len(data):
            raise ProtocolError(INVALID_PARAMETER, "a command set ends within an element")
        group, element, length = struct.unpack_from("<HHL", data, offset)
        end = offset + 8 + length
        if group or end > len(data):
            raise ProtocolError(INVALID_PARAMETER, "a command set holds a malformed element")
        yield element, data[offset + 8 : end]
        offset = end


def _number(elements: dict[int, bytes], element: int) -> int:
    value = elements.get(element, b"")
    if len(value) != 2:
        raise ProtocolError(INVALID_PARAMETER, f"a command set lacks (0000,{element:04X})")
    return int.from_bytes(value, "little")


def _text(elements: dict[int, bytes], element: int) -> str:
    return elements.get(element, b"").decode("latin-1").strip(" \0")


def pack_response(command: Command, answer: Answer) -> bytes:
    """Answer a request, repeating the UIDs it named (PS3.7 9.3.1.2 and 9.3.5.2)."""
    return _pack(
        _optional(AFFECTED_SOP_CLASS, command.sop_class, b"\0"),
        _short(COMMAND_FIELD, command.field | RESPONSE),
        _short(MESSAGE_ID_RESPONDED_TO, command.message_id),
        _short(DATA_SET_TYPE, DATA_SET if answer.has_data else NO_DATA_SET),
        _short(STATUS, answer.status),
        _optional(ERROR_COMMENT, answer.comment.replace("\\", "/"), b" "),
        _optional(AFFECTED_SOP_INSTANCE, command.sop_instance, b"\0"),
        _counts(answer),
    )


def _counts(answer: Answer) -> bytes:
    """The four numbers of sub-operations; what remains is told while and if something does."""
    counts = answer.counts
    if counts is None:
        return b""
    ended = answer.status not in (PENDING, CANCELLED)
    remaining = b"" if ended else _short(REMAINING, min(counts.remaining, 0xFFFF))
    numbers = (counts.completed, counts.failed, counts.warnings)
    tags = (COMPLETED, FAILED, WARNINGS)
    told = (_short(tag, min(n, 0xFFFF)) for tag, n in zip(tags, numbers, strict=True))
    return remaining + b"".join(told)


def pack_store_request(
    message_id: int, sop_class: str, sop_instance: str, originator: tuple[str, int] | None = None
) -> bytes:
    """Ask a peer to store an object, for whoever asked us to move it (PS3.7 9.3.1.1)."""
    return _pack(
        _optional(AFFECTED_SOP_CLASS, sop_class, b"\0"),
        _short(COMMAND_FIELD, C_STORE_RQ),
        _short(MESSAGE_ID, message_id),
        _short(PRIORITY, MEDIUM),
        _short(DATA_SET_TYPE, DATA_SET),
        _optional(AFFECTED_SOP_INSTANCE, sop_instance, b"\0"),
        _optional(MOVE_ORIGINATOR, originator[0], b" ") if originator else b"",
        _short(MOVE_ORIGINATOR_MESSAGE, originator[1]) if originator else b"",
    )


def _pack(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return _element(0x0000, len(body).to_bytes(4, "little")) + body


def _element(element: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0, element, len(value)) + value


def _short(element: int, value: int) -> bytes:
    return _element(element, value.to_bytes(2, "little"))


def _optional(element: int, text: str, padding: bytes) -> bytes:
    """Pack text of at most 64 bytes, the limit of UI and LO, padded to an even length."""
    value = text.encode("latin-1", "replace")[:64]
    return _element(element, value + padding * (len(value) % 2)) if value else b""
