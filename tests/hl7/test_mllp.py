"""The MLLP door: every message is taken once, in order, and answered; nothing ends the door."""

import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag

import pytest

from hl7.framing import frame
from hl7.message import parse
from hl7.rules import Limits
from hl7.sender import Sender
from tests.support.hl7_builder import PID, packed
from tests.support.mllp_door import HURRIED, PATIENCE, MllpParrot, Ward, running_ward

MUTANTS = 150


def adt(number: int, **msh: str) -> bytes:
    return packed("ADT^A08", PID, control=f"C{number}", **msh)


@pytest.fixture
def ward() -> Iterator[Ward]:
    with running_ward() as running:
        yield running


@pytest.fixture
def hurried() -> Iterator[Ward]:
    """A door without patience."""
    with running_ward(limits=HURRIED) as running:
        yield running


def assert_sound(ward: Ward) -> None:
    """The door still takes messages and answers them."""
    with Sender("127.0.0.1", ward.port) as sender:
        assert parse(sender.send(adt(77))).first("MSA").text(1) == "AA"
    assert ward.taken[-1] == adt(77)


def test_a_message_is_taken_and_answered(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        parrot.say(frame(adt(1)))
        assert parrot.verdict() == ("AA", "C1")
        local = parrot.socket.getsockname()
    assert ward.taken == [adt(1)]
    event = ward.next_event()
    assert (event.caller.address, event.caller.port, event.caller.listener) == (*local, ward.port)
    assert (event.feed, event.ending.kind) == ("feed of 127.0.0.1", "closed")
    assert (event.answered, event.received) == (1, len(frame(adt(1))))


def test_many_messages_follow_each_other_on_one_connection(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        for number in range(200):
            parrot.say(frame(adt(number)))
            assert parrot.verdict() == ("AA", f"C{number}")


def test_messages_sent_at_once_are_answered_in_their_order(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        parrot.say(*(frame(adt(number)) for number in range(200)))
        assert [parrot.verdict()[1] for _ in range(200)] == [f"C{n}" for n in range(200)]
    assert ward.taken == [adt(number) for number in range(200)]


def test_a_message_may_arrive_byte_by_byte(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        for byte in frame(adt(1)) + frame(adt(2)):
            parrot.say(bytes([byte]))
        assert [parrot.verdict(), parrot.verdict()] == [("AA", "C1"), ("AA", "C2")]


def test_a_large_message_is_taken_whole(ward: Ward) -> None:
    large = packed("ADT^A08", PID, "ZXX|" + "x" * 5_000_000)
    with MllpParrot(ward.port) as parrot:
        parrot.say(frame(large))
        assert parrot.verdict() == ("AA", "MSG1")
    assert ward.taken == [large]


def test_an_end_without_its_carriage_return_is_an_end(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        for number in range(3):
            parrot.say(b"\x0b", adt(number), b"\x1c")
            assert parrot.verdict() == ("AA", f"C{number}")
    with MllpParrot(ward.port) as parrot:
        parrot.say(b"\x0b", adt(9), b"\x1c")
        assert len(parrot.finish()) == 1


def test_noise_and_half_frames_are_passed_over(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        parrot.say(b"\r\nhello\0", frame(adt(1)), b"\r\n\r\n", b"\x0b", adt(2)[:60], frame(adt(3)))
        assert [parrot.verdict(), parrot.verdict()] == [("AA", "C1"), ("AA", "C3")]
    assert ward.taken == [adt(1), adt(3)]


def test_a_half_frame_at_the_end_is_never_taken(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        parrot.say(frame(adt(1)), b"\x0b", adt(2))
        assert len(parrot.finish()) == 1
    assert ward.taken == [adt(1)]
    assert ward.next_event().ending.kind == "lost"


def test_what_is_no_message_is_refused_and_the_connection_goes_on(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        parrot.say(frame(b"hello"), frame(b""), frame(adt(1)))
        assert [parrot.verdict() for _ in range(3)] == [("AR", ""), ("AR", ""), ("AA", "C1")]


def test_a_message_beyond_the_limit_is_refused_with_its_id_and_the_next_one_taken() -> None:
    with running_ward(limits=Limits(message=100_000)) as ward, MllpParrot(ward.port) as parrot:
        large = packed("ADT^A08", PID, "ZXX|" + "x" * 1_000_000, accept="AL", control="BIG")
        parrot.say(frame(large), frame(adt(1)))
        assert [parrot.verdict(), parrot.verdict()] == [("CR", "BIG"), ("AA", "C1")]
        parrot.finish()
        assert ward.taken == [adt(1)]
        event = ward.next_event()
        assert (event.answered, event.refused) == (1, 1)


def test_a_sender_that_wants_no_answer_gets_none(ward: Ward) -> None:
    with MllpParrot(ward.port) as parrot:
        parrot.say(frame(adt(1, accept="NE", application_ack="NE")), frame(adt(2)))
        assert parrot.verdict() == ("AA", "C2")
    assert len(ward.taken) == 2


@pytest.mark.parametrize(("accept", "code"), [("", "AR"), ("AL", "CR")])
def test_a_message_that_cannot_be_kept_is_to_be_sent_again(
    ward: Ward, accept: str, code: str
) -> None:
    with MllpParrot(ward.port) as parrot:
        ward.trouble = OSError("no space")
        parrot.say(frame(adt(1, accept=accept)))
        assert parrot.verdict() == (code, "C1")
        ward.trouble = None
        parrot.say(frame(adt(1)))
        assert parrot.verdict() == ("AA", "C1")
        parrot.finish()
    event = ward.next_event()
    assert (event.answered, event.failed) == (1, 1)


def test_silence_is_no_promise_where_no_answer_is_wanted(ward: Ward) -> None:
    """A sender that wants no answer can only be told by hanging up."""
    ward.trouble = RuntimeError("anything")
    with MllpParrot(ward.port) as parrot:
        parrot.say(frame(adt(1, accept="NE", application_ack="NE")))
        assert parrot.finish() == []
    assert ward.next_event().ending.kind == "ended"
    ward.trouble = None
    assert_sound(ward)


def test_a_fault_is_logged_without_the_message(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    ward.trouble = ValueError("Sample^Ann")
    with MllpParrot(ward.port) as parrot:
        parrot.say(frame(adt(1)))
        parrot.verdict()
        parrot.finish()
    ward.next_event()
    assert "ValueError" in caplog.text
    assert "Sample" not in caplog.text


def test_a_caller_without_a_feed_is_turned_away(ward: Ward) -> None:
    ward.known = False
    with MllpParrot(ward.port) as parrot:
        assert parrot.finish() == []
    event = ward.next_event()
    assert (event.feed, event.ending.kind) == (None, "refused")
    ward.known = True
    assert_sound(ward)


def test_a_caller_that_stops_within_a_frame_is_cut_off(hurried: Ward) -> None:
    with MllpParrot(hurried.port) as parrot:
        parrot.say(b"\x0b", adt(1)[:40])
        with pytest.raises(EOFError):
            parrot.hear()
    assert hurried.next_event().ending.kind == "lost"
    assert_sound(hurried)


@pytest.mark.slow
def test_a_caller_that_drips_is_cut_off(hurried: Ward) -> None:
    """Each byte comes in time, the frame does not."""
    with MllpParrot(hurried.port) as parrot:
        parrot.say(b"\x0b")
        gone = Flag()
        while not gone.wait(0.05):
            try:
                parrot.say(b"x")
            except OSError:
                gone.set()
    assert hurried.next_event().ending.kind == "lost"


def test_an_idle_caller_is_sent_home(hurried: Ward) -> None:
    with MllpParrot(hurried.port) as parrot:
        parrot.say(frame(adt(1)))
        assert parrot.verdict() == ("AA", "C1")
        with pytest.raises(EOFError):
            parrot.hear()
    assert hurried.next_event().ending.reason == "idle"


def test_endless_noise_is_cut_off() -> None:
    with running_ward(limits=Limits(noise=1000)) as ward, MllpParrot(ward.port) as parrot:
        parrot.say(b"x" * 2000)
        assert parrot.finish() == []
        assert ward.next_event().ending.reason == "too much noise between frames"
        assert_sound(ward)


def test_connections_beyond_the_limit_are_closed() -> None:
    with running_ward(limits=Limits(connections=2)) as ward:
        with MllpParrot(ward.port) as one, MllpParrot(ward.port) as two:
            for number, parrot in enumerate((one, two)):
                parrot.say(frame(adt(number)))
                assert parrot.verdict() == ("AA", f"C{number}")
            with MllpParrot(ward.port) as third:
                assert third.finish() == []
            one.finish()
            ward.next_event()
        while not _is_served(ward):  # the place is free just after the event
            pass
        assert_sound(ward)


def _is_served(ward: Ward) -> bool:
    with MllpParrot(ward.port) as parrot:
        parrot.say(frame(adt(9)))
        return bool(parrot.finish())


@pytest.mark.slow
def test_sixteen_connections_lose_nothing_and_keep_their_order(ward: Ward) -> None:
    def burst(sender: int) -> list[str]:
        with MllpParrot(ward.port) as parrot:
            parrot.say(*(frame(adt(sender * 1000 + number)) for number in range(50)))
            return [parrot.verdict()[1] for _ in range(50)]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(burst, range(16)))
    for sender, found in enumerate(answers):
        assert found == [f"C{sender * 1000 + number}" for number in range(50)]
    assert len(ward.taken) == len(set(ward.taken)) == 800


@pytest.mark.slow
def test_closing_the_door_ends_idle_connections_and_finishes_the_busy_one() -> None:
    taking, go_on = Flag(), Flag()

    class Slow(Ward):
        def receive(self, feed: str, raw: bytes) -> bytes:
            taking.set()
            assert go_on.wait(PATIENCE)
            return super().receive(feed, raw)

    ward = Slow()
    ward.door.start()
    with MllpParrot(ward.port) as idle, MllpParrot(ward.port) as busy:
        busy.say(frame(adt(1)))
        assert taking.wait(PATIENCE)
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(ward.door.stop, PATIENCE)
            with pytest.raises((EOFError, ConnectionError)):
                idle.hear()
            go_on.set()
            assert busy.verdict() == ("AA", "C1")
            busy.finish()
            stopping.result(PATIENCE)
    with pytest.raises(ConnectionRefusedError):
        MllpParrot(ward.port)


def test_a_port_of_ipv6_is_served_alike() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with running_ward("::1") as ward, Sender("::1", ward.port) as sender:
        assert parse(sender.send(adt(1))).first("MSA").text(1) == "AA"


def mutant(source: bytes, dice: random.Random) -> bytes:
    """Change a few bytes, or cut, repeat, insert or drop a piece."""
    data = bytearray(source)
    for _ in range(dice.randint(1, 5)):
        at, length = dice.randrange(len(data)), dice.randint(1, 60)
        change = dice.randrange(5)
        if change <= 1:
            data[at] = dice.choice((0, 0x0B, 0x1C, 0x0D, 0x0A, 0x7C, 0xFF, dice.randrange(256)))
        elif change == 2:
            del data[at : at + length]
        elif change == 3:
            data[at:at] = data[max(0, at - length) : at]
        else:
            data[at:at] = dice.randbytes(length)
    return bytes(data)


@pytest.mark.slow
def test_mutants_of_a_sound_stream_never_harm_the_door(ward: Ward) -> None:
    """Whatever arrives, each frame has one answer, and a sound caller is served after it."""
    dice = random.Random(20261124)
    sound = b"".join(frame(adt(number)) for number in range(5))
    for _ in range(MUTANTS):
        with MllpParrot(ward.port) as parrot:
            parrot.say(mutant(sound, dice))
            answers = parrot.finish()
        event = ward.next_event()
        assert len(answers) == event.answered
        assert event.failed == event.refused == 0
        codes = {parse(answer).first("MSA").text(1) for answer in answers}
        assert codes <= {"AA", "AE", "AR", "CA", "CE", "CR"}
    assert_sound(ward)
