"""Bytes that break the protocol end one association with A-ABORT, and never the door."""

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom.command import parse_command
from dicom.pdu import ProtocolError, data_values, parse_associate_request
from dicom.sink import Peer
from tests.support.door import ENGINES, House, running_house
from tests.support.parrot import (
    ABORT,
    RELEASE,
    Parrot,
    command,
    echo,
    element,
    message,
    pdu,
    pieces,
    request,
    store,
    value,
)
from tests.support.samples import samples

DATA = bytes(range(256)) * 40
LONGEST = 131072
MUTANTS = 150
GROUP_8 = struct.pack("<HHL", 8, 0x18, 0)

UNRECOGNISED_PDU, UNEXPECTED_PDU, UNEXPECTED_PARAMETER, INVALID_PARAMETER = 1, 2, 5, 6

WRONG = {
    "unknown-pdu": (pdu(9, bytes(4)), UNRECOGNISED_PDU),
    "second-request": (request(), UNEXPECTED_PDU),
    "acceptance": (pdu(2, request()[6:]), UNEXPECTED_PDU),
    "release-response": (pdu(6, bytes(4)), UNEXPECTED_PDU),
    "pdu-too-long": (struct.pack(">BxL", 4, LONGEST + 1), INVALID_PARAMETER),
    "pdu-of-4-gigabytes": (struct.pack(">BxL", 4, 0xFFFFFFFF), INVALID_PARAMETER),
    "release-of-4-gigabytes": (struct.pack(">BxL", 5, 0xFFFFFFFF), INVALID_PARAMETER),
    "pdu-without-values": (pdu(4, b""), INVALID_PARAMETER),
    "value-without-header": (pdu(4, b"\0\0\0\1\3"), INVALID_PARAMETER),
    "value-of-length-0": (pdu(4, bytes(4)), INVALID_PARAMETER),
    "value-past-the-end": (pdu(4, b"\0\0\1\0\3\1"), INVALID_PARAMETER),
    "value-of-4-gigabytes": (pdu(4, b"\xff\xff\xff\xff\3\1"), INVALID_PARAMETER),
    "value-cut-short": (pdu(4, value(3, 1, b"12") + b"\0\0"), INVALID_PARAMETER),
    "unknown-context": (message(99, echo()), INVALID_PARAMETER),
    "data-before-command": (message(3, b"", DATA)[12:], UNEXPECTED_PARAMETER),
    "command-within-data": (
        message(3, store()) + pdu(4, pieces(3, 0, DATA, 99)[0]) + message(3, store()),
        UNEXPECTED_PARAMETER,
    ),
    "other-context-within-data": (
        message(3, store()) + pdu(4, value(1, 2, DATA)),
        UNEXPECTED_PARAMETER,
    ),
    "other-context-within-command": (
        pdu(4, value(3, 1, store()[:20])) + pdu(4, value(1, 3, store()[20:])),
        UNEXPECTED_PARAMETER,
    ),
    "command-too-long": (message(3, element(0x0002, bytes(70000))), INVALID_PARAMETER),
    "command-empty": (pdu(4, value(3, 3, b"")), INVALID_PARAMETER),
    "command-cut-short": (message(3, store()[:-3]), INVALID_PARAMETER),
    "command-of-another-group": (message(3, store() + GROUP_8), INVALID_PARAMETER),
    "element-of-4-gigabytes": (message(3, b"\0\0\2\0\xff\xff\xff\xff"), INVALID_PARAMETER),
    "command-without-message-id": (
        message(3, element(0x0100, b"\1\0") + element(0x0800, b"\1\0")),
        INVALID_PARAMETER,
    ),
    "command-field-of-4-bytes": (message(3, element(0x0100, bytes(4))), INVALID_PARAMETER),
    "response-to-nothing": (message(3, command(0x8001, data=False)), INVALID_PARAMETER),
}


@pytest.fixture(params=ENGINES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with running_house(tmp_path, request.param) as running:
        yield running


def assert_sound(house: House) -> None:
    """The door still serves, and no sink was left open."""
    with Parrot(house.port) as parrot:
        parrot.associate()
        parrot.say(message(3, store("1.2.77"), DATA))
        assert parrot.response().Status == 0x0000
        parrot.release()
    assert house.keeper.kept[-1].data == DATA
    assert house.keeper.open == 0


@pytest.mark.parametrize(("said", "reason"), WRONG.values(), ids=WRONG)
def test_what_breaks_the_protocol_is_aborted(house: House, said: bytes, reason: int) -> None:
    with Parrot(house.port) as parrot:
        parrot.associate()
        parrot.say(said)
        assert parrot.aborted() == (reason if house.engine == "receiver" else 0)
    assert house.next_event().ending.kind == "aborted"
    assert_sound(house)


def test_a_refused_context_is_as_good_as_none(house: House) -> None:
    house.peers["PARROT"] = Peer("parrot", 1, frozenset({"store"}))
    with Parrot(house.port) as parrot:
        assert parrot.associate()[1][0] == 3
        parrot.say(message(1, echo()))
        assert parrot.aborted() is not None
    assert_sound(house)


def test_an_object_under_way_is_forgotten_when_its_peer_breaks_the_protocol(house: House) -> None:
    with Parrot(house.port) as parrot:
        parrot.associate()
        parrot.say(message(3, store()), pdu(4, pieces(3, 0, DATA, 99)[0]), pdu(9, b""))
        assert parrot.aborted() is not None
    house.next_event()
    assert house.keeper.aborted == 1
    assert_sound(house)


def conversation() -> bytes:
    """Say everything a sender says after its request, at once."""
    return b"".join(
        (
            message(1, echo()),
            message(3, store("1.2.3"), DATA, size=3000),
            pdu(4, b"".join(pieces(3, 1, store("1.2.4"), 50) + pieces(3, 0, DATA, 2000))),
            message(3, store("1.2.5"), DATA),
            RELEASE,
        )
    )


def mutant(source: bytes, dice: random.Random) -> bytes:
    """Change a few bytes, or cut, repeat, insert or drop a piece."""
    data = bytearray(source)
    for _ in range(dice.randint(1, 4)):
        at, length = dice.randrange(len(data)), dice.randint(1, 40)
        change = dice.randrange(6)
        if change <= 2:
            data[at] = dice.choice((0, 1, 2, 3, 4, 5, 7, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        elif change == 3:
            del data[at : at + length]
        elif change == 4:
            data[at:at] = data[max(0, at - length) : at]
        else:
            data[at:at] = dice.randbytes(length)
    return bytes(data[: dice.randrange(len(data))] if dice.randrange(4) == 0 else data)


@pytest.mark.slow
def test_mutants_of_a_sound_conversation_never_harm_the_door(house: House) -> None:
    """Half of the mutations hit the first commands, where the lengths are."""
    dice = random.Random(20261124)
    rest = conversation()
    for number in range(MUTANTS):
        head = 400 if number % 2 else len(rest)
        said = mutant(rest[:head], dice) + rest[head:]
        # The negotiation is read by our own parser for both engines.
        mutate = house.engine == "receiver" and number % 3 == 0
        opening = mutant(request(), dice) if mutate else request()
        with Parrot(house.port) as parrot:
            parrot.say(opening, said)
            parrot.socket.shutdown(socket.SHUT_WR)
            parrot.aborted()
        house.next_event()
    assert_sound(house)
    assert len(house.keeper.kept) > MUTANTS / 10


def test_recorded_attacks_do_not_harm_the_door(house: House) -> None:
    streams = sorted(samples("dicom", "network-raw").iterdir())
    assert streams
    for stream in streams:
        with Parrot(house.port) as parrot:
            parrot.say(stream.read_bytes())
            parrot.socket.shutdown(socket.SHUT_WR)
            parrot.aborted()
    assert_sound(house)


@given(st.binary(max_size=300))
def test_no_bytes_make_a_parser_fail_in_an_unforeseen_way(data: bytes) -> None:
    for body in (data, request()[6:74] + data):
        for parse in (parse_associate_request, parse_command):
            with suppress(ProtocolError):
                parse(body)
    with suppress(ProtocolError):
        parts = list(data_values(memoryview(data)))
        assert sum(len(part) + 6 for _, _, part in parts) == len(data)


def test_an_abort_after_a_break_is_no_answer(house: House) -> None:
    with Parrot(house.port) as parrot:
        parrot.associate()
        parrot.say(ABORT, bytes(100000))
        assert parrot.aborted() is None
    assert_sound(house)
