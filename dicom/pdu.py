"""The PDUs of the DICOM Upper Layer, parsed and packed by hand (PS3.8 section 9.3)."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

ASSOCIATE_RQ = 0x01
ASSOCIATE_AC = 0x02
ASSOCIATE_RJ = 0x03
P_DATA = 0x04
RELEASE_RQ = 0x05
RELEASE_RP = 0x06
ABORT = 0x07
KNOWN = range(ASSOCIATE_RQ, ABORT + 1)

ROLE = 0x54

HEADER = 6
PACKING = 12  # bytes around the one value of a P-DATA-TF of ours
LARGEST = 131072  # we write no longer P-DATA-TF, whatever the other side takes
FIXED = 68  # of an A-ASSOCIATE-RQ, after the header

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
# 2.25. and the integer of UUID 5ffc92f9-604d-46bc-ba21-0e1ed9ae23fb (PS3.5 annex B.2).
IMPLEMENTATION_UID = "2.25.127588099397336365961966469360269534203"
IMPLEMENTATION_NAME = "TRIPTYCH_0_1"
DEFAULT_LENGTH = 16384  # taken for a requestor that leaves out its maximum length

# A-ABORT reasons of the service provider (PS3.8 table 9-26).
UNRECOGNISED_PDU = 1
UNEXPECTED_PDU = 2
UNEXPECTED_PARAMETER = 5
INVALID_PARAMETER = 6


class ProtocolError(Exception):
    """Bytes that break PS3.8 or PS3.7. `reason` goes into the A-ABORT (PS3.8 table 9-26)."""

    def __init__(self, reason: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def out_of_place(kind: int) -> ProtocolError:
    """Make the error for a PDU that does not belong here, or nowhere (PS3.8 table 9-26)."""
    reason = UNEXPECTED_PDU if kind in KNOWN else UNRECOGNISED_PDU
    return ProtocolError(reason, f"a PDU of type {kind:02X} is out of place")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context as the requestor proposes it (PS3.8 9.3.2.2)."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """What became of a proposal: result 0 accepts it with one transfer syntax (PS3.8 9.3.3.2).

    Of a storage context `takes` says that the requestor may send on it, `gives` that we may.
    """

    id: int
    abstract_syntax: str
    transfer_syntax: str
    result: int = 0
    takes: bool = True
    gives: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """The roles that a requestor proposes for itself on the contexts of a class (PS3.7 D.3.3.4)."""

    user: bool
    provider: bool


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ. `echo` is the part of it that the answer repeats unread.

    `max_length` is the longest P-DATA-TF the requestor takes (0: any); `user_items` are the types
    of the user information sub-items present, among them the negotiations of PS3.7 annex D.3.3;
    `roles` are those proposed, by abstract syntax.
    """

    version: int
    called: str
    calling: str
    application_context: str
    proposals: tuple[Proposal, ...]
    max_length: int
    user_items: frozenset[int]
    echo: bytes
    roles: Mapping[str, Role] = field(default_factory=dict)


def parse_associate_request(body: bytes) -> AssociateRequest:
    """Read the body of an A-ASSOCIATE-RQ, what follows its six header bytes (PS3.8 9.3.2)."""
    if len(body) < FIXED:
        raise ProtocolError(INVALID_PARAMETER, "an A-ASSOCIATE-RQ ends within its fixed fields")
    items = list(_items(body[FIXED:]))
    user = [item for kind, value in items if kind == 0x50 for item in _items(value)]
    proposals = tuple(_proposal(value) for kind, value in items if kind == 0x20)
    if len({proposal.id for proposal in proposals}) != len(proposals):
        raise ProtocolError(INVALID_PARAMETER, "two presentation contexts share one id")
    return AssociateRequest(
        version=int.from_bytes(body[0:2], "big"),
        called=_title(body[4:20]),
        calling=_title(body[20:36]),
        application_context=next((_uid(value) for kind, value in items if kind == 0x10), ""),
        proposals=proposals,
        max_length=_max_length(user),
        user_items=frozenset(kind for kind, _ in user),
        echo=body[4:FIXED],
        roles=dict(_role(value) for kind, value in user if kind == ROLE),
    )


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each item: type, a reserved byte, a 16-bit length, the value."""
    offset = 0
    while offset < len(data):
        end = offset + 4 + int.from_bytes(data[offset + 2 : offset + 4], "big")
        if offset + 4 > len(data) or end > len(data):
            raise ProtocolError(INVALID_PARAMETER, "an item runs past the end of its PDU")
        yield data[offset], data[offset + 4 : end]
        offset = end


def _proposal(value: bytes) -> Proposal:
    items = list(_items(value[4:]))
    abstract = [_uid(uid) for kind, uid in items if kind == 0x30]
    transfer = tuple(_uid(uid) for kind, uid in items if kind == 0x40)
    if len(value) < 4 or value[0] % 2 == 0 or len(abstract) != 1 or not transfer:
        raise ProtocolError(INVALID_PARAMETER, "a presentation context is malformed")
    return Proposal(value[0], abstract[0], transfer)


def _role(value: bytes) -> tuple[str, Role]:
    end = 2 + int.from_bytes(value[:2], "big")
    if len(value) != end + 2:
        raise ProtocolError(INVALID_PARAMETER, "a role selection is malformed")
    return _uid(value[2:end]), Role(user=value[end] == 1, provider=value[end + 1] == 1)


def _max_length(user: list[tuple[int, bytes]]) -> int:
    for kind, value in user:
        if kind == 0x51 and len(value) == 4:
            return int.from_bytes(value, "big")
    return DEFAULT_LENGTH


def _title(field: bytes) -> str:
    """Give an AE title without padding; what no title may hold becomes "?", so it can be logged."""
    text = field.decode("ascii", "replace").strip(" \0")
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)


def _uid(value: bytes) -> str:
    return value.decode("ascii", "replace").strip(" \0")


def pack_associate_accept(
    request: AssociateRequest, contexts: tuple[Context, ...], max_pdu: int
) -> bytes:
    """Answer a request with one result for each proposed context (PS3.8 9.3.3)."""
    user = _user(max_pdu)
    granted = {c.abstract_syntax: c for c in contexts if c.result == 0}
    for uid in request.roles.keys() & granted.keys():
        user += _item(ROLE, _pack_role(uid, request.roles[uid], granted[uid]))
    results = b"".join(_result(context) for context in contexts)
    application = _item(0x10, APPLICATION_CONTEXT.encode())
    body = struct.pack(">Hxx", 1) + request.echo + application + results + _item(0x50, user)
    return pack(ASSOCIATE_AC, body)


def _pack_role(uid: str, asked: Role, granted: Context) -> bytes:
    """Both roles as far as they were asked for and granted (PS3.7 D.3.3.4.2)."""
    name = uid.encode()
    user, provider = asked.user and granted.takes, asked.provider and granted.gives
    return struct.pack(f">H{len(name)}sBB", len(name), name, user, provider)


def _result(context: Context) -> bytes:
    syntax = _item(0x40, context.transfer_syntax.encode("ascii", "replace"))
    return _item(0x21, struct.pack(">BxBx", context.id, context.result) + syntax)


def pack_associate_request(
    called: str, calling: str, proposals: Iterable[Proposal], max_pdu: int
) -> bytes:
    """Ask for an association (PS3.8 9.3.2)."""
    user = _user(max_pdu)
    contexts = b"".join(_proposed(one) for one in proposals)
    titles = called.encode().ljust(16) + calling.encode().ljust(16) + bytes(32)
    application = _item(0x10, APPLICATION_CONTEXT.encode())
    body = struct.pack(">Hxx", 1) + titles + application + contexts + _item(0x50, user)
    return pack(ASSOCIATE_RQ, body)


def _user(max_pdu: int) -> bytes:
    return (
        _item(0x51, max_pdu.to_bytes(4, "big"))
        + _item(0x52, IMPLEMENTATION_UID.encode())
        + _item(0x55, IMPLEMENTATION_NAME.encode())
    )


def _proposed(proposal: Proposal) -> bytes:
    syntaxes = b"".join(_item(0x40, uid.encode()) for uid in proposal.transfer_syntaxes)
    abstract = _item(0x30, proposal.abstract_syntax.encode())
    return _item(0x20, struct.pack(">Bxxx", proposal.id) + abstract + syntaxes)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An A-ASSOCIATE-AC: the transfer syntax of each accepted context, and the longest P-DATA-TF."""

    syntaxes: Mapping[int, str]
    max_length: int


def parse_associate_accept(body: bytes) -> Acceptance:
    """Read the body of an A-ASSOCIATE-AC (PS3.8 9.3.3)."""
    if len(body) < FIXED:
        raise ProtocolError(INVALID_PARAMETER, "an A-ASSOCIATE-AC ends within its fixed fields")
    items = list(_items(body[FIXED:]))
    user = [item for kind, value in items if kind == 0x50 for item in _items(value)]
    syntaxes = {}
    for kind, value in items:
        if kind == 0x21 and len(value) > HEADER and value[2] == 0:
            syntaxes[value[0]] = next((_uid(v) for k, v in _items(value[4:]) if k == 0x40), "")
    return Acceptance(syntaxes, _max_length(user))


def pack_associate_reject(result: int, source: int, reason: int) -> bytes:
    """Refuse an association: result, source and reason are of PS3.8 table 9-21."""
    return pack(ASSOCIATE_RJ, struct.pack(">xBBB", result, source, reason))


def pack_abort(reason: int) -> bytes:
    """End an association at once, as the service provider (PS3.8 9.3.8)."""
    return pack(ABORT, struct.pack(">xxBB", 2, reason))


def pack_release_request() -> bytes:
    """Ask for the orderly end of an association (PS3.8 9.3.6)."""
    return pack(RELEASE_RQ, bytes(4))


def pack_release_response() -> bytes:
    """Agree to the orderly end of an association (PS3.8 9.3.7)."""
    return pack(RELEASE_RP, bytes(4))


def pack_command(context_id: int, command: bytes, max_length: int) -> bytes:
    """Wrap a command set into as many P-DATA-TFs as the peer's maximum asks for (PS3.8 9.3.5)."""
    return b"".join(
        pack(P_DATA, struct.pack(">LB", len(value) + 1, context_id) + value)
        for value in command_values(command, max_length)
    )


def pack_data(context_id: int, chunks: Iterable[bytes], max_length: int) -> Iterator[bytes]:
    """Wrap a data set into P-DATA-TFs, one value in each, as its bytes come (PS3.8 9.3.5)."""
    size = min(max_length or LARGEST, LARGEST) - HEADER
    held = memoryview(b"")
    for chunk in chunks:
        for start in range(0, len(chunk), max(size, 1)):
            if held:
                yield _value(context_id, 0, held)
            held = memoryview(chunk)[start : start + size]
    yield _value(context_id, 2, held)


def _value(context_id: int, control: int, fragment: memoryview) -> bytes:
    length = len(fragment) + HEADER
    head = struct.pack(">BxLLBB", P_DATA, length, length - 4, context_id, control)
    return b"".join((head, fragment))


def command_values(command: bytes, max_length: int) -> Iterator[bytes]:
    """Cut a command set into presentation data values, control header first (PS3.8 annex E.2)."""
    size = max(max_length - HEADER, 1) if max_length else len(command)
    for start in range(0, len(command), size):
        last = start + size >= len(command)
        yield (b"\x03" if last else b"\x01") + command[start : start + size]


def data_values(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield context id, control header and fragment of each value in a P-DATA-TF (PS3.8 9.3.5)."""
    offset, end = 0, len(body)
    if not end:
        raise ProtocolError(INVALID_PARAMETER, "a P-DATA-TF holds no value")
    while offset < end:
        following = offset + 4 + int.from_bytes(body[offset : offset + 4], "big")
        if following < offset + HEADER or following > end:
            raise ProtocolError(INVALID_PARAMETER, "a value does not fit its P-DATA-TF")
        yield body[offset + 4], body[offset + 5], body[offset + HEADER : following]
        offset = following


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def pack(kind: int, body: bytes) -> bytes:
    """Put the six header bytes before the body of a PDU (PS3.8 9.3.1)."""
    return struct.pack(">BxL", kind, len(body)) + body
